"""The fixed splits in a paper: the figures of runs on them, and their part of the document.

Strict configurations by horizon, then by seed; exploratory ablations on the same cells, named by
the settings in which they differ; and the gain from size along each axis in which the runs differ.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlxts import split_borders
from mlxts.errors import RunError
from mlxts.evaluation import comparison
from mlxts.evaluation.comparison import Comparison
from mlxts.files import finite
from mlxts.formats import count, million, percent
from mlxts.protocol import BASELINE, TASKS
from mlxts.report import paper_tables
from mlxts.report.section import Section
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.scaling import axes, config_diff, ledger, verdict
from mlxts.scaling.configuration_scores import CELL, ConfigurationScores, scored

HAR = BASELINE.upper()
_APART = ("name", "seed", "mode", "budget", "task", "timescale", "horizon", "thermal", "checkpoint")
_CONTENTS = ("data.symbols", "data.exogenous", "data.artifact_sha256")  # part of a cell
_COMPARED = ("difference", "skill", "skill_har", "verdict")
_MAIN = (
    "budget", "horizon", "seeds", "n", "n_eff", "base_rate", "loss_prior", "loss_har",
    "loss_linear", "loss", *_COMPARED,
)  # fmt: skip
_SEEDS = ("budget", "horizon", "seed", "loss", "auc", "auc_har", "epoch", *_COMPARED)
_ABLATIONS = (
    "change", "budget", "horizon", "seeds", "samples", "loss_har", "loss_linear", "loss",
    "against_main", *_COMPARED,
)  # fmt: skip
_ALONG = (
    "axis", "cell", "sizes", "seeds", "dates", "gain", "margin", "extrapolation", "label", "reason",
)  # fmt: skip
_WALK_FORWARD = (
    "settings", "budget", "horizon", "seeds", "origins", "n", "base_rate", "loss_har",
    "loss_linear", "loss", *_COMPARED,
)  # fmt: skip


def collect(
    folders: Sequence[Path],
    *,
    split: str,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Every figure of the tables, from finished runs of labels on the fixed splits.

    Args:
        split: whose rows. draws, seed: of the bootstrap.

    Raises:
        RunError, DataError: see `ledger.build`; and RunError where no run is strict.
    """
    records = {folder.name: RunFolder(folder).metadata() for folder in folders}
    built = _of_labels(ledger.build(folders, split=split))
    all_scores = scored(built, draws=draws, seed=seed)
    summaries = {folder.name: RunFolder(folder).summary() for folder in folders}
    main = [scores for scores in all_scores if scores.mode == "strict"]
    if not main:
        raise RunError("none of these runs is strict; `mlxts sweep run` a strict sweep as well")
    by_cell = {
        (*scores.cell, scores.key["budget"], scores.key["features"]): scores
        for scores in reversed(main)
    }
    ablations = []
    for scores in all_scores:
        strict = by_cell.get((*scores.cell, scores.key["budget"], scores.key["features"]))
        if scores.mode == "strict" or strict is None:
            continue
        change = difference(*(records[pair.runs[0]]["config"] for pair in (strict, scores)))
        if not change:
            continue
        ablations.append(_row(scores) | {"change": change} | _against(scores, strict))
    run_ids = [run for scores in all_scores for run in scores.runs]
    return {
        "split": split,
        "span": _span(records[main[0].runs[0]]["config"], split),
        "draws": draws,
        "main": [_row(scores) for scores in main],
        "seeds": [
            _of_seed(scores, records[run], summaries[run], split)
            for scores in main
            for run in scores.runs
        ],
        "ablations": ablations,
        "along": _along(built, draws, seed),
        "provenance": provenance([records[run] for run in run_ids]),
    }


def _of_labels(built: pl.DataFrame) -> pl.DataFrame:
    labels = [name for name, task in TASKS.items() if task.binary]
    return built.filter(pl.col("task").is_in(labels))


def _along(built: pl.DataFrame, draws: int, seed: int) -> list[dict[str, Any]]:
    """The verdict on every cell along every axis that there is."""
    rows = []
    for axis in ("parameters", "features", "history", "assets"):
        try:
            tables = axes.tables(built, axis)
        except RunError:  # of one size
            continue
        judged = verdict.judge(tables, draws=draws, seed=seed)
        for table, cell in zip(tables, judged.cells, strict=True):
            rows.append(
                {
                    "axis": axis,
                    "cell": cell.name,
                    "sizes": ", ".join(
                        million(size) if axis == "parameters" else f"{size:,.0f}"
                        for size in table.rungs[:, 0]
                    ),
                    "seeds": ", ".join(map(str, table.seeds)),
                    "dates": len(table.dates),
                    "gain": cell.gain,
                    "gain_low": cell.interval[0],
                    "gain_high": cell.interval[1],
                    "margin": cell.margin,
                    "extrapolation": cell.extrapolation,
                    "label": cell.label,
                    "reason": cell.reason,
                }
            )
    return finite(rows)


def introduction(record: Mapping[str, Any]) -> str:
    """What the tables are about, and how to read them."""
    first = record["main"][0]
    return (
        f"Task `{first['task']}`, {first['symbol']}, {first['timescale']}, {record['split']} "
        f"({record['span']}), canonical phase. Log loss in nats. In brackets 95 % intervals from "
        f"{record['draws']:,} block-bootstrap draws, paired by date, widened for few blocks and "
        "for labels that overlap; means over seeds include seed variance. "
        f"The reference is the better of {HAR} and linear, a ridge regression on {HAR}'s three log "
        "ranges and the network's own features at the decision bar, by cross-validation within the "
        "training days. Minus the reference's loss below zero is better, and skill is 1 − loss / "
        "the reference's loss. Early stopping used the validation loss on these same days, so the "
        "networks' losses here are optimistic and the references' are not: a result has to be "
        "replicated on the test split."
    )


def sections(record: Mapping[str, Any]) -> Iterator[Section]:
    yield _section(record, "main", "PatchTST against the reference, strict", _MAIN)
    yield _section(record, "seeds", "By seed", _SEEDS)
    yield _section(
        record,
        "ablations",
        "Exploratory ablations",
        _ABLATIONS,
        text="The settings that differ from the strict model of the same budget and horizon; the "
        "loss difference to that model is paired on the same days.",
        missing="None has been trained yet.",
    )
    yield _section(
        record,
        "along",
        "Gain from size",
        _ALONG,
        text="Gain: decrease of the loss in nats per tenfold size, with its 95 % interval. Margin: "
        f"the largest gain that counts as flat, {percent(verdict.MARGIN)} of {HAR}'s gain over the "
        "base rate. Extrapolation skill: 1 − error of a power law / error of a constant at the "
        "largest size, left out. Seeds are in the order of the sizes. Verdicts follow [rules fixed "
        "beforehand](preregistration.md).",
        missing="No cell has two sizes yet.",
    )
    if record.get("walk_forward"):
        yield _section(
            record,
            "walk_forward",
            "Walk-forward before the second design, exploratory",
            _WALK_FORWARD,
            text="At every forecast origin each model was trained on earlier data, stopped early "
            "on one window of two years and scored on the next, out of sample; the references are "
            "refitted at each origin. All windows together.",
        )


def _section(
    record: Mapping[str, Any],
    key: str,
    title: str,
    keys: Sequence[str],
    *,
    text: str = "",
    missing: str = "",
) -> Section:
    """The rows of `record[key]` and the notes on them, or that there are none."""
    if not record[key]:
        return Section(key, title, missing=[missing])
    tables = [paper_tables.table(title, keys, record[key])]
    return Section(key, title, text=[text] if text else (), tables=tables)


def difference(strict: dict[str, Any], other: dict[str, Any]) -> str:
    """Where a configuration differs from the strict one, as `model.residual_of: har`."""
    before, after = (
        {k: v for k, v in config_diff.flat(settings).items() if k.split(".")[0] not in _APART}
        for settings in (strict, other)
    )
    if before.get("data.cell") != after.get("data.cell"):
        after = {key: value for key, value in after.items() if not key.startswith(_CONTENTS)}
    return ", ".join(config_diff.changes(before, after))


def _row(scores: ConfigurationScores) -> dict[str, Any]:
    row = scores.row()
    columns = (
        "reference", "loss_linear", "skill_har", "skill_har_low", "skill_har_high",
        *CELL, "data", "features", "budget", "seeds", "n", "n_eff", "n_total", "samples", "loss",
        "loss_har", "difference", "difference_low", "difference_high", "skill", "skill_low",
        "skill_high", "verdict",
    )  # fmt: skip
    return {name: row[name] for name in columns} | {
        "loss_prior": float(scores.draws.prior[0]),
        "base_rate": float(scores.targets.mean()),
    }


def _against(scores: ConfigurationScores, strict: ConfigurationScores) -> dict[str, float]:
    """The loss minus the strict model's; nothing where they are scored on different days."""
    if not np.array_equal(scores.table.dates, strict.table.dates):
        return {}
    bootstrap = scores.table.bootstrap
    difference = Comparison(scores.draws.rungs[:, 0], strict.draws.rungs[:, 0]).difference
    low, high = bootstrap.interval(difference)
    name = "against_main"
    return {name: float(difference[0]), f"{name}_low": low, f"{name}_high": high}


def _of_seed(
    scores: ConfigurationScores, record: dict[str, Any], summary: dict[str, Any], split: str
) -> dict[str, Any]:
    """The evaluator's scores of one run."""
    models = summary["scores"][split]
    network, settings = models[NETWORK], record["config"]
    an_epoch = record["total_steps"] / settings["training"]["max_epochs"]
    row: dict[str, Any] = {
        "run": record["run_id"],
        **{name: scores.key[name] for name in (*CELL, "budget")},
        "seed": settings["seed"],
        "loss": network["log_loss"],
        "auc_har": models.get(BASELINE, {}).get("auc"),  # none where it could not be fitted
        "epoch": summary["best_step"] / an_epoch,
        "verdict": network["verdict"],
        "reference": comparison.reference(network),
    }
    named = {
        "difference": "log_loss_difference", "skill": "log_loss_skill",
        "skill_har": "log_loss_skill_har", "auc": "auc",
    }  # fmt: skip
    for short, name in named.items():
        if name not in network:
            continue
        low, high = network["interval"][name]
        row |= {short: network[name], f"{short}_low": low, f"{short}_high": high}
    return row


def _span(settings: dict[str, Any], split: str) -> str:
    data = settings["data"]
    first, last = getattr(
        split_borders.borders(data["splits"], data.get("walk_forward_window")), split
    )
    ends = [day.isoformat() for day in (first, last) if isinstance(day, date)]
    return " to ".join(ends) if len(ends) == 2 else f"{ends[0]} onwards"


def provenance(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Which runs, and the software, machines, code and data that made them."""
    return {
        "runs": sorted(record["run_id"] for record in records),
        "versions": _distinct(record.get("versions") for record in records),
        "machines": _distinct(record.get("machine") for record in records),
        "code": _distinct(record.get("git_commit") for record in records),
        "data": _distinct(record.get("data_hash") for record in records),
    }


def made_of(provenance: Mapping[str, Any]) -> str:
    """The same as a sentence."""
    named = {f"{m.get('device_name')} ({m.get('device')})" for m in provenance["machines"] if m}
    return (
        f"Of {count(len(provenance['runs']), 'run')} on "
        f"{', '.join(sorted(named)) or 'an unnamed machine'}; data "
        f"{', '.join(text[:8] for text in provenance['data'])}, code "
        f"{', '.join(text[:8] for text in provenance['code'])}."
    )


def _distinct(values: Any) -> list[Any]:
    texts = {json.dumps(value, sort_keys=True) for value in values if value is not None}
    return [json.loads(text) for text in sorted(texts)]
