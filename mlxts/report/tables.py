"""The tables of results: verdicts, laws, skill by configuration and by year, evidence, runs."""

from collections.abc import Sequence
from typing import Any

from mlxts import protocol
from mlxts.evaluation import comparison as evaluated
from mlxts.evaluation import estimability
from mlxts.protocol import BASELINE, REFERENCES
from mlxts.report import words
from mlxts.report.collect import Along, Material, Run
from mlxts.report.table import Column, Table
from mlxts.runs.predictions import NETWORK
from mlxts.scaling import results
from mlxts.scaling import verdict as verdicts
from mlxts.scaling.configuration_scores import CELL, Scored

HAR = BASELINE.upper()
MODE = Column("mode", "mode")
_CELL = (
    Column("task", "task"), Column("timescale", "timescale"), Column("horizon", "H, days"),
)  # fmt: skip
_CONFIGURATION = (
    Column("budget", "budget"), Column("data", "data"), Column("features", "features"),
    Column("fraction", "history", "g"), Column("settings", "settings"), MODE,
)  # fmt: skip


_REFERENCES = tuple(
    Column(f"loss_{name}", f"{evaluated.title(name)}'s loss", words.loss) for name in REFERENCES
)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """With the verdict as people say it: beats linear."""
    return row | {"said": evaluated.against(row["verdict"], row["reference"])}


def verdict(along: Along, split: str = "") -> Table:
    """The verdict on every cell along an axis, those of the pools first.

    Args:
        split: said where it is not that of the report.
    """
    judged, axis = along.judged, along.axis
    assert judged is not None
    rows = results.flat_verdicts([*judged.pools.values(), *judged.cells]).to_dicts()
    rows = [row | {"mode": _mode_of(row["name"])} for row in rows]
    for row, pool in zip(rows, judged.pools, strict=False):
        row["mode"] = "strict" if pool.strict else "exploratory"
    return Table(
        name="_".join(filter(None, ("verdict", axis, split))),
        title=", ".join(filter(None, (f"Verdicts along {axis}", split))),
        columns=(
            Column("name", "cell"),
            MODE,
            Column("word", "verdict"),
            Column("gain", "gain per decade", words.difference, ("interval_low", "interval_high")),
            Column("unit", "unit"),
            Column("margin", "margin", words.loss),
            Column("q", "q", ".4f"),
            Column("extrapolation", "foresight", "+.2f"),
            Column("sizes", "sizes"),
            Column("seeds", "seeds"),
            Column("dates", "dates"),
            Column("reason", "why"),
        ),
        rows=rows,
        note=(
            f"Gain: how far the loss falls per tenfold {axis}, with its 95 % interval; pooled in "
            "units of the reference's loss, over cells of one recipe, mode and market. Margin: "
            f"{100 * verdicts.MARGIN:.0f} % of what {HAR} gains over the base rate. q: p adjusted "
            "over the cells of a pool (Benjamini, Hochberg). Foresight: 1 − error of a power law / "
            "of a constant at the largest size, left out."
        ),
    )


def _mode_of(name: str) -> str:
    return "exploratory" if name.endswith("(exploratory)") else "strict"


def laws(material: Material, axis: str) -> Table:
    """Every law that was fitted along an axis, with its parameters."""
    along = material.along[axis]
    assert along.judged is not None
    rows = [
        row
        for table in along.tables
        if table.name in along.judged.selections
        for row in results.laws(table, along.judged.selections[table.name])
    ]
    return _laws(f"laws_{axis}", f"Laws along {axis}", rows)


def surface_laws(material: Material) -> Table:
    """Every law that was fitted over parameters and samples."""
    rows = [
        row
        for one in material.surfaces["surface"]
        if one.selection
        for row in results.laws(one.table, one.selection)
    ]
    return _laws("laws_surface", "Laws over parameters and samples", rows)


def _laws(name: str, title: str, rows: list[dict[str, Any]]) -> Table:
    flat = [
        {**row, "mode": _mode_of(row["cell"])}
        for row in (results.flat_laws(rows).to_dicts() if rows else [])
    ]
    return Table(
        name=name,
        title=title,
        columns=(
            Column("cell", "cell"),
            MODE,
            Column("family", "law"),
            Column("formula", "formula"),
            Column("chosen", "chosen"),
            Column("selection_frequency", "chosen in", ".0%"),
            Column("extrapolation_error", "error", ".4f"),
            Column("parameter", "parameter"),
            Column("value", "value", ".3g", ("low", "high")),
        ),
        rows=flat,
        note=(
            "Coefficients are parts of the loss at the geometric mean of the sizes; 95 % "
            "intervals. Error: of ln L at the largest size, left out. Chosen in: share of the "
            "bootstrap draws."
        ),
    )


def mixed(material: Material) -> Table | None:
    """Slopes of the mixed model over all cells."""
    found = material.mixed
    if found is None:
        return None
    mode = "strict" if all(one.mode == "strict" for one in material.scored) else "exploratory"
    rows = [
        {"at": s.at, "slope": s.slope, "low": s.interval[0], "high": s.interval[1], "mode": mode}
        for s in found.slopes
    ]
    return Table(
        name="mixed_model",
        title=f"Mixed model over {found.runs} runs, cells: {found.cells}",
        columns=(
            Column("at", "other sizes at"),
            Column("slope", "skill per decade of parameters", "+.4f", ("low", "high")),
            MODE,
        ),
        rows=rows,
        note=(
            "skill = logN·logD + logN·logF + (1 + logN | cell) + (1 | cell:seed); intervals from "
            "the hierarchical bootstrap. What more data or more features change in what "
            "parameters buy is the difference between low and high."
        ),
    )


def comparisons(material: Material) -> Table:
    """Which sizes beat the reference and which may be the best, allowing for the search."""
    sizes = {
        table.name: [f"{size:,.0f}" for size in table.rungs[:, 0]]
        for table in material.along["parameters"].tables
    }
    rows = [
        {
            "cell": name,
            "mode": _mode_of(name),
            "p_superior": one.p_superior,
            "superior": ", ".join(sizes[name][k] for k in one.superior) or "none",
            "best": ", ".join(sizes[name][k] for k in one.confidence_set),
        }
        for name, one in material.comparisons.items()
    ]
    return Table(
        name="comparisons",
        title="Sizes against the reference and against each other",
        columns=(
            Column("cell", "cell"),
            MODE,
            Column("p_superior", "p: none beats the reference", ".4f"),
            Column("superior", "beat the reference"),
            Column("best", "may be the best"),
        ),
        rows=rows,
        note="SPA (Hansen 2005), StepM (Romano, Wolf 2005), model confidence set (Hansen et al. "
        "2011), all at 5 %.",
    )


def skill(scored: Sequence[Scored], split: str = "") -> Table:
    """Every configuration against its reference. `split`: as in `verdict`."""
    return Table(
        name="_".join(filter(None, ("skill", split))),
        title=", ".join(filter(None, ("Every configuration against its reference", split))),
        columns=(
            *_CELL,
            *_CONFIGURATION,
            Column("skill", "skill", "+.1%", ("skill_low", "skill_high")),
            Column("said", "verdict"),
            Column(
                "difference",
                "minus reference",
                words.difference,
                ("difference_low", "difference_high"),
            ),
            Column("loss", "loss", words.loss),
            *_REFERENCES,
            Column("skill_har", f"skill over {HAR}", "+.1%", ("skill_har_low", "skill_har_high")),
            Column("seeds", "seeds"),
            Column("n", "n"),
            Column("n_eff", "n_eff", ".0f"),
            Column("n_total", "parameters"),
            Column("samples", "samples"),
        ),
        rows=[_said(one.row()) for one in scored],
        note=(
            "Mean over seeds. The reference is the better of HAR and linear, a ridge regression on "
            "HAR's log ranges and the same features at the decision bar, by cross-validation "
            "within training; minus reference: below zero is better; skill: 1 − loss / the "
            "reference's loss. In brackets 95 % block-bootstrap intervals, paired by date; "
            "with several seeds they include seed variance. n_eff: how many "
            "independent samples would know the loss as well."
        ),
    )


def years(material: Material) -> Table:
    """Every configuration against its reference, year by year."""
    return Table(
        name="years",
        title="Skill by year",
        columns=(
            *_CELL,
            *_CONFIGURATION,
            Column("year", "year", "d"),
            Column("n", "n"),
            Column("loss", "loss", words.loss),
            Column("skill", "skill", "+.1%", ("skill_low", "skill_high")),
        ),
        rows=[row for one in material.scored if not one.obstacle for row in one.years()],
    )


def evidence(material: Material) -> Table:
    """Base rates, and whether a cell holds enough evidence for any claim."""
    first: dict[tuple, Scored] = {}
    for one in sorted(material.scored, key=lambda o: -o.samples):
        first.setdefault(one.cell, one)
    cells = list(dict.fromkeys(one.cell for one in material.scored))
    modes = {c: {o.mode for o in material.scored if o.cell == c} for c in cells}
    return Table(
        name="base_rates",
        title="Base rates and estimability",
        columns=(
            *_CELL,
            Column("mode", "mode"),
            Column("n", "n"),
            Column("n_pos", "positives"),
            Column("base_rate", "base rate", ".1%"),
            Column("clusters", "clusters"),
            Column("loss_prior", "base rate's loss", words.loss),
            *_REFERENCES,
            Column("reference", "reference"),
            Column("margin", "margin", words.loss),
            Column("estimable", "estimable"),
            Column("why", "why not"),
        ),
        rows=[
            _evidence(first[c], "strict" if modes[c] == {"strict"} else "exploratory")
            for c in cells
        ],
        note=(
            f"On {material.split}, canonical phase. Estimable: at least "
            f"{protocol.MIN_CLASS_SAMPLES} of each class and {protocol.MIN_POSITIVE_CLUSTERS} "
            "clusters of positives more than H days apart; else the cell takes part in no claim. "
            f"Margin: {100 * verdicts.MARGIN:.0f} % of what {HAR} gains over the training base "
            "rate."
        ),
    )


def _evidence(one: Scored, mode: str) -> dict[str, Any]:
    table, drawn, horizon = one.table, one.drawn, one.key["horizon"]
    prior, har = float(drawn.prior[0]), float(drawn.har[0])
    found: dict[str, Any] = {name: one.key[name] for name in CELL}
    found |= {"mode": mode, "n": len(table.dates), "n_pos": None, "base_rate": None}
    found["clusters"] = None
    if not one.regression:
        found["n_pos"] = int(one.targets.sum())
        found["base_rate"] = float(one.targets.mean())
        found["clusters"] = estimability.positive_clusters(
            table.dates, one.targets, horizon, one.spacing
        )
    found |= {"loss_prior": prior, "margin": verdicts.MARGIN * (prior - har)}
    found |= {"reference": one.reference}
    found |= {f"loss_{name}": float(getattr(drawn, name)[0]) for name in REFERENCES}
    return found | {"estimable": one.obstacle is None, "why": one.obstacle or ""}


def every_run(material: Material) -> Table:
    """One row a run: what it was, what it cost, and the evaluator's metrics of it."""
    described = {
        row["run"]: row for row in material.ledger.unique("run", keep="first").iter_rows(named=True)
    }
    return Table(
        name="runs",
        title="Every run",
        columns=(
            Column("run", "run"),
            MODE,
            Column("seed", "seed"),
            Column("n_total", "parameters"),
            Column("n_body", "encoder"),
            Column("features", "features"),
            Column("samples", "samples"),
            Column("epochs", "epochs", ".1f"),
            Column("flops", "FLOP", ".2e"),
            Column("seconds", "training, s", ".0f"),
            Column("n_eff", "n_eff", ".0f"),
            Column("log_loss", "log loss", ".4f", ("log_loss_low", "log_loss_high")),
            Column("auc", "AUC", ".3f", ("auc_low", "auc_high")),
            Column("average_precision", "AP", ".3f"),
            Column("brier", "Brier", ".4f"),
            Column("ece", "ECE", ".3f"),
            Column("accuracy", "accuracy", ".3f"),
            Column("precision", "precision", ".3f"),
            Column("recall", "recall", ".3f"),
            Column("rmse", "RMSE", ".5f", ("rmse_low", "rmse_high")),
            Column("r2", "R²", "+.3f"),
            Column("range", "predictions"),
            Column("collapsed", "collapsed"),
            Column("verdict", "verdict"),
        ),
        rows=[_run(run, described[run.id]) for run in material.runs],
        note=(
            "Metrics of the validation split as the evaluator wrote them into the run's summary; "
            "each with its interval in the CSV. No wall time is told of a run whose steps slowed "
            "down; operations are counted, not timed."
        ),
    )


_METRICS = (
    "log_loss", "log_loss_difference", "log_loss_skill", "log_loss_skill_har", "auc",
    "average_precision", "brier", "ece", "accuracy", "precision", "recall", "rmse", "mae", "r2",
    "directional_accuracy", "coverage", "width", "mse_skill", "mse_skill_har",
)  # fmt: skip


def _run(run: Run, row: dict[str, Any]) -> dict[str, Any]:
    models = run.summary.get("scores", {}).get("validation", {})
    found: dict[str, Any] = models.get(NETWORK, {})
    told = {
        name: row[name]
        for name in (
            "run", "name", "mode", "task", "timescale", "horizon", "data", "seed", "budget",
            "n_total", "n_body", "n_head", "features", "samples", "tokens", "epochs", "flops",
            "seconds", "recipe",
        )
    }  # fmt: skip
    for name in _METRICS:
        low, high = found.get("interval", {}).get(name, (None, None))
        told |= {name: found.get(name), f"{name}_low": low, f"{name}_high": high}
    ends = found.get("prediction_range")
    return told | {
        "n_eff": found.get("n_eff"),
        "range": f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else None,
        "collapsed": found.get("collapsed"),
        "verdict": evaluated.against(found.get("verdict"), evaluated.reference(found)),
    }
