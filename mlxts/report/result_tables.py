"""The tables of results: verdicts, laws, skill by configuration and by year, evidence, runs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlxts import protocol
from mlxts.evaluation import comparison, estimability
from mlxts.formats import percent
from mlxts.protocol import REFERENCES
from mlxts.report.axis_analysis import AxisAnalysis
from mlxts.report.collect import ReportData, ReportRun
from mlxts.report.columns import HAR, columns
from mlxts.runs.predictions import NETWORK
from mlxts.scaling import results, seed_ensembles
from mlxts.scaling import verdict as verdicts
from mlxts.scaling.configuration_scores import CELL, ConfigurationScores
from mlxts.scaling.loss_table import FURTHER
from mlxts.tables import Column, Table, with_ends

_CONFIGURATION = (
    columns("task", "timescale", "horizon", "mode"),
    columns("budget", "n_total", "samples", "seeds"),
    columns("data", "features", "fraction", "settings"),
)
_REFERENCES = [f"loss_{name}" for name in (*REFERENCES, *FURTHER)]


def _with_verdict_text(row: dict[str, Any]) -> dict[str, Any]:
    """With the verdict in words: beats linear."""
    return row | {"against": comparison.against(row["verdict"], row["reference"])}


def verdict(along: AxisAnalysis, split: str = "") -> Table:
    """The verdict on every cell along an axis. `split`: named where it is not the report's."""
    assert along.judged is not None
    return of_split(results.verdicts(along.judged, along.axis), split)


def of_split(table: Table, split: str) -> Table:
    """A table whose title and name hold its split, where it is not the report's."""
    if not split:
        return table
    return replace(table, title=f"{table.title}, {split}", name=f"{table.name}_{split}")


def laws(report: ReportData, axis: str) -> Table:
    """Every law that was fitted along an axis, with its parameters."""
    along = report.along[axis]
    assert along.judged is not None
    rows = [
        row
        for table in along.tables
        if table.name in along.judged.selections
        for row in results.laws(table, along.judged.selections[table.name])
    ]
    return _laws(f"laws_{axis}", f"Laws along {axis}", rows)


def surface_laws(report: ReportData) -> Table:
    """Every law that was fitted over parameters and samples."""
    rows = [
        row
        for surface in report.surfaces["surface"]
        if surface.selection
        for row in results.laws(surface.table, surface.selection)
    ]
    return _laws("laws_surface", "Laws over parameters and samples", rows)


def _laws(name: str, title: str, rows: list[dict[str, Any]]) -> Table:
    return Table(
        name=name,
        title=title,
        columns=(
            "cell",
            "mode",
            Column("family", "law"),
            "formula",
            "chosen",
            Column("selection_frequency", "chosen in", ".0%"),
            Column("extrapolation_error", "error", ".4f"),
            "parameter",
            Column("value", "value", ".3g", ("low", "high")),
        ),
        rows=[row | {"mode": results.mode_of(row["cell"])} for row in results.flat_laws(rows)],
        note=(
            "Coefficients are parts of the loss at the geometric mean of the sizes; 95 % "
            "intervals. Error: of ln L at the largest size, left out. "
            f"{results.CHOICE} Chosen in: share of the bootstrap draws."
        ),
    )


def mixed(report: ReportData) -> Table | None:
    """Slopes of the mixed model over all cells."""
    if report.mixed is None:
        return None
    mode = "strict" if all(scores.mode == "strict" for scores in report.scored) else "exploratory"
    return results.mixed_slopes(report.mixed, mode)


def comparisons(report: ReportData) -> Table:
    """Sizes that beat the reference (StepM) and the model confidence set, by cell."""
    return results.comparisons(report.comparisons, report.along["parameters"].tables)


def ensembles(along: AxisAnalysis, draws: int, seed: int, split: str = "") -> list[Table]:
    """The mean forecast of the seeds of each size, where a size has several: one table, or none."""
    rows = seed_ensembles.rows(along.tables, draws, seed)
    return [of_split(seed_ensembles.table(rows, along.axis), split)] if rows else []


def skill(scored: Sequence[ConfigurationScores], split: str = "") -> Table:
    """Every configuration against its reference. `split`: as in `verdict`."""
    table = Table(
        name="skill",
        title="Every configuration against its reference",
        columns=(
            *_CONFIGURATION,
            columns("skill", "skill_har"),
            columns("against"),
            columns("difference"),
            columns("loss", "loss_prior", *_REFERENCES),
            columns("n", "n_eff"),
        ),
        rows=[_with_verdict_text(scores.row()) for scores in scored],
        note=(
            "Mean over seeds. The reference is the better of HAR and linear, a ridge regression on "
            "HAR's log ranges and the same features at the decision bar, by cross-validation "
            "within training; LHAR (with the leverage effect and, where it is read, the VIX) and "
            "boosted trees over HAR stand beside them. Minus the reference's: below zero is "
            "better; skill: 1 − loss / the reference's loss. In brackets 95 % block-bootstrap "
            "intervals, paired by date; with several seeds they include seed variance. n_eff: "
            "effective sample size, the number of independent samples that would estimate the loss "
            "as precisely."
        ),
    )
    return of_split(table, split)


def years(report: ReportData) -> Table:
    """Every configuration against its reference, year by year."""
    return Table(
        name="years",
        title="Skill by year",
        columns=(*_CONFIGURATION, *map(columns, ("year", "n", "loss", "skill"))),
        rows=[row for scores in report.scored if not scores.obstacle for row in scores.years()],
    )


def evidence(report: ReportData) -> Table:
    """Base rates, and whether a cell holds enough evidence for any claim."""
    first: dict[tuple, ConfigurationScores] = {}
    for scores in sorted(report.scored, key=lambda o: (-len(o.table.dates), -o.samples)):
        first.setdefault(scores.cell, scores)
    cells = list(dict.fromkeys(scores.cell for scores in report.scored))
    modes = {c: {o.mode for o in report.scored if o.cell == c} for c in cells}
    return Table(
        name="base_rates",
        title="Base rates and estimability",
        columns=(
            columns("task", "timescale", "horizon", "mode"),
            columns("n", "n_pos", "clusters"),
            columns("base_rate"),
            columns("loss_prior", *_REFERENCES),
            columns("reference"),
            columns("margin"),
            (*columns("estimable"), Column("why", "why not")),
        ),
        rows=[
            _evidence(first[c], "strict" if modes[c] == {"strict"} else "exploratory")
            for c in cells
        ],
        note=(
            f"On {report.split}, canonical phase. Estimable: at least "
            f"{protocol.MIN_CLASS_SAMPLES} of each class and {protocol.MIN_POSITIVE_CLUSTERS} "
            "clusters of positives more than H days apart; otherwise no claim includes the cell. "
            "Pooled: fitted on the training days of all assets, because the asset's own are too "
            f"few. Margin: {percent(verdicts.MARGIN)} of what {HAR} gains over the training base "
            "rate."
        ),
    )


def _evidence(scores: ConfigurationScores, mode: str) -> dict[str, Any]:
    table, replicates, horizon = scores.table, scores.draws, scores.key["horizon"]
    prior, har = float(replicates.prior[0]), float(replicates.har[0])
    row: dict[str, Any] = {name: scores.key[name] for name in CELL}
    row |= {"mode": mode, "n": len(table.dates), "n_pos": None, "base_rate": None}
    row["clusters"] = None
    if not scores.regression:
        row["n_pos"] = int(scores.targets.sum())
        row["base_rate"] = float(scores.targets.mean())
        row["clusters"] = estimability.positive_clusters(
            table.dates, scores.targets, horizon, scores.spacing
        )
    row |= {"loss_prior": prior, "margin": verdicts.MARGIN * (prior - har)}
    row |= {"reference": scores.reference + " (pooled)" * scores.pooled}
    row |= {f"loss_{name}": float(getattr(replicates, name)[0]) for name in REFERENCES}
    row |= {f"loss_{name}": float(losses.mean()) for name, losses in table.further.items()}
    return row | {"estimable": scores.obstacle is None, "why": scores.obstacle or ""}


def every_run(report: ReportData) -> Table:
    """One row a run: what it was, what it cost, and the evaluator's metrics of it."""
    described = {row["run"]: row for row in report.run_rows.iter_rows(named=True)}
    return Table(
        name="runs",
        title="Every run",
        columns=(
            columns("run", "mode"),
            columns("seed"),
            columns("n_total", "n_body"),
            columns("samples", "features", "epochs"),
            columns("flops", "seconds"),
            columns("log_loss", "n_eff"),
            columns("auc", "average_precision"),
            columns("brier", "ece"),
            columns("accuracy", "precision", "recall"),
            columns("rmse", "qlike", "r2"),
            columns("verdict", "range", "collapsed"),
        ),
        rows=[_run(run, described[run.id]) for run in report.runs],
        note=(
            "Metrics of the validation split (of a walk-forward run the days on which training "
            "stopped) as the evaluator wrote them into the run's summary; each with its interval "
            "in the CSV. No training time is given for a run whose steps slowed down; operations "
            "are counted, not timed."
        ),
    )


_METRICS = (
    "log_loss", "log_loss_difference", "log_loss_skill", "log_loss_skill_har", "auc",
    "average_precision", "brier", "ece", "accuracy", "precision", "recall", "rmse", "mse",
    "mae", "r2", "qlike", "directional_accuracy", "coverage", "width", "mse_skill", "mse_skill_har",
    "qlike_skill", "qlike_skill_har",
)  # fmt: skip


_ENDS = ("", "_low", "_high")


def _run(run: ReportRun, row: dict[str, Any]) -> dict[str, Any]:
    models = run.summary.get("scores", {}).get("validation", {})
    network: dict[str, Any] = models.get(NETWORK, {})
    figures = {
        name: row[name]
        for name in (
            "run", "name", "mode", "task", "timescale", "horizon", "data", "seed", "budget",
            "n_total", "n_body", "n_head", "features", "samples", "tokens", "epochs", "flops",
            "seconds", "config_hash",
        )
    }  # fmt: skip
    metrics = with_ends(network)
    figures |= {f"{name}{end}": metrics.get(f"{name}{end}") for name in _METRICS for end in _ENDS}
    ends = network.get("prediction_range")
    return figures | {
        "n_eff": network.get("n_eff"),
        "range": f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else None,
        "collapsed": network.get("collapsed"),
        "verdict": comparison.against(network.get("verdict"), comparison.reference(network)),
    }
