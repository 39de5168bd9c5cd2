"""Tables for a paper, as rendered Markdown.

    <name>.json   every figure, as it was computed from run folders
    <name>.md     rendered from that file alone, reproducible byte for byte

Sections: strict configurations by horizon, then by seed; exploratory ablations on the same cells,
named by the settings in which they differ; the gain from size along each axis in which the runs
differ; and walk-forward runs on their out-of-sample windows.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from mlxts import json_files, split_borders
from mlxts.errors import RunError
from mlxts.evaluation import comparison
from mlxts.evaluation.block_bootstrap import DRAWS
from mlxts.evaluation.comparison import Comparison
from mlxts.files import SCHEMA, finite, write_json, write_text
from mlxts.formats import million, percent
from mlxts.protocol import BASELINE, TASKS
from mlxts.report import paper_tables
from mlxts.report.columns import NUMBERS
from mlxts.report.section import Section
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.scaling import axes, config_diff, ledger, verdict, walk_forward_ledger
from mlxts.scaling.configuration_scores import CELL, Scored, scored

HAR = BASELINE.upper()
_FORMER = {"beside": "ablations", "foreseen": "walk_forward", "made_of": "provenance"}
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
    "axis", "cell", "sizes", "seeds", "dates", "gain", "margin", "extrapolation", "said", "reason",
)  # fmt: skip
_WALK_FORWARD = (
    "settings", "budget", "horizon", "seeds", "origins", "n", "base_rate", "loss_har",
    "loss_linear", "loss", *_COMPARED,
)  # fmt: skip


def collect(
    folders: Sequence[Path],
    *,
    split: str = "validation",
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Every figure of the tables, from finished runs of labels.

    Args:
        split: whose rows. draws, seed: of the bootstrap.

    Raises:
        RunError, DataError: see `ledger.build`; and RunError where no run is strict.
    """
    records = {folder.name: RunFolder(folder).metadata() for folder in folders}
    folders, walked = walk_forward_ledger.apart(folders)
    if not folders:
        raise RunError(walk_forward_ledger.ALL_WALKED)
    built = _of_labels(ledger.build(folders, split=split))
    joined = _of_labels(walk_forward_ledger.join(walked)) if walked else None
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
    run_ids += [folder.name for folder in walked]
    along = _along(built, draws, seed)
    if joined is not None:
        along += [
            row | {"axis": f"{row['axis']}, walk-forward"} for row in _along(joined, draws, seed)
        ]
    return {
        "schema": SCHEMA,
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
        "along": along,
        "walk_forward": _walk_forward(joined, walked, records, draws, seed),
        "provenance": {
            "runs": sorted(run_ids),
            "versions": _distinct(records[run].get("versions") for run in run_ids),
            "machines": _distinct(records[run].get("machine") for run in run_ids),
            "code": _distinct(records[run].get("git_commit") for run in run_ids),
            "data": _distinct(records[run].get("data_hash") for run in run_ids),
        },
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
                    "said": cell.label,
                    "reason": cell.reason,
                }
            )
    return finite(rows)


def _walk_forward(
    built: pl.DataFrame | None,
    walked: Sequence[Path],
    records: dict[str, dict[str, Any]],
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Every walk-forward configuration against its reference, all windows together."""
    if built is None:
        return []
    data = [records[folder.name]["config"]["data"] for folder in walked]
    windows = {split_borders.borders(d["splits"], d["walk_forward_window"]).test for d in data}
    rows = []
    for scores in scored(built, draws=draws, seed=seed):
        days = scores.table.dates.astype("datetime64[D]").astype(object)
        origins = sum(bool(((first <= days) & (days <= last)).any()) for first, last in windows)
        settings = scores.key["non_default_settings"] or "default"
        rows.append(_row(scores) | {"origins": origins, "settings": settings})
    return rows


def write(record: dict[str, Any], path: Path) -> Path:
    """Write the figures to a file next to `path`, and `path` from them. Raises StorageError."""
    write_json(figures_of(path), record)
    return rewrite(path)


def rewrite(path: Path) -> Path:
    """Write `path` from the figures file next to it. Raises RunError, StorageError."""
    remedy = "name the finished runs, and it is made again"
    results = json_files.read(
        figures_of(path), _Figures, error=RunError, remedy=remedy,
        upgrade=lambda values: {_FORMER.get(key, key): value for key, value in values.items()},
    )  # fmt: skip
    write_text(path, markdown(results))
    return path


def figures_of(path: Path) -> Path:
    return path.with_suffix(".json")


def markdown(record: dict[str, Any]) -> str:
    """The document for figures of `collect`."""
    first, made = record["main"][0], record["provenance"]
    named = {f"{m.get('device_name')} ({m.get('device')})" for m in made["machines"] if m}
    parts = [
        "# Results",
        "Rendered by `mlxts report RUNS --paper FILE` from run folders; do not edit. Without RUNS "
        "the same command renders it again from the JSON file next to it.",
        f"Task `{first['task']}`, {first['symbol']}, {first['timescale']}, {record['split']} "
        f"({record['span']}), canonical phase. Log loss in nats. In brackets 95 % intervals from "
        f"{record['draws']:,} block-bootstrap draws, paired by date, widened for few blocks and "
        "for labels that overlap; means over seeds include seed variance. "
        f"The reference is the better of {HAR} and linear, a ridge regression on {HAR}'s three log "
        "ranges and the network's own features at the decision bar, by cross-validation within the "
        "training days. Minus the reference's loss below zero is better, and skill is 1 − loss / "
        "the reference's loss. Early stopping used the validation loss on these same days, so the "
        "networks' losses here are optimistic and the references' are not: a result has to be "
        "replicated on the test split.",
        *paper_tables.notes(record),
        *(section.markdown() for section in _sections(record)),
        f"Of {len(made['runs'])} runs on {', '.join(sorted(named)) or 'an unnamed machine'}; data "
        f"{', '.join(text[:8] for text in made['data'])}, code "
        f"{', '.join(text[:8] for text in made['code'])}.",
    ]
    return "\n\n".join(parts) + "\n"


def _sections(record: dict[str, Any]) -> Iterator[Section]:
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
    if record["walk_forward"]:
        yield _section(
            record,
            "walk_forward",
            "Walk-forward, exploratory",
            _WALK_FORWARD,
            text="At every forecast origin each model was trained on earlier data, stopped early "
            "on one window of two years and scored on the next, out of sample; the references are "
            "refitted at each origin. All windows together.",
        )


def _section(
    record: dict[str, Any],
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


def _row(scores: Scored) -> dict[str, Any]:
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


def _against(scores: Scored, strict: Scored) -> dict[str, float]:
    """The loss minus the strict model's; nothing where they are scored on different days."""
    if not np.array_equal(scores.table.dates, strict.table.dates):
        return {}
    bootstrap = scores.table.bootstrap
    difference = Comparison(scores.draws.rungs[:, 0], strict.draws.rungs[:, 0]).difference
    low, high = bootstrap.interval(difference)
    name = "against_main"
    return {name: float(difference[0]), f"{name}_low": low, f"{name}_high": high}


def _of_seed(
    scores: Scored, record: dict[str, Any], summary: dict[str, Any], split: str
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


def _distinct(values: Any) -> list[Any]:
    texts = {json.dumps(value, sort_keys=True) for value in values if value is not None}
    return [json.loads(text) for text in sorted(texts)]


class _Row(json_files.Shape):
    @model_validator(mode="after")
    def _holds_numbers(self) -> Self:
        for key, value in (self.model_extra or {}).items():
            if key in NUMBERS and not (value is None or isinstance(value, int | float)):
                raise ValueError(f"{key}: {value!r} is no number")
        return self


class _Main(_Row):
    task: str
    symbol: str
    timescale: str


class _Provenance(json_files.Shape):
    runs: list[str]
    machines: list[dict[str, Any]]
    code: list[str]
    data: list[str]


class _Figures(json_files.Shape):
    """What `collect` returns."""

    split: str
    span: str
    draws: int
    main: Annotated[list[_Main], Field(min_length=1)]
    seeds: list[_Row]
    ablations: list[_Row]
    along: list[_Row]
    walk_forward: list[_Row]
    provenance: _Provenance
