"""The walk-forward design in a paper: its figures from run folders, and its part of the document.

The figures are those of `walk_forward_study.verdict_rows` and of every configuration; the document
is made from them alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mlxts.evaluation import comparison
from mlxts.evaluation.comparison import Comparison
from mlxts.files import finite
from mlxts.formats import percent
from mlxts.protocol import BASELINE
from mlxts.report import answers, labels, paper_tables, walk_forward_figure, walk_forward_study
from mlxts.report.columns import columns
from mlxts.report.section import Section
from mlxts.report.walk_forward_study import WalkForwardAnalysis
from mlxts.scaling import verdict
from mlxts.scaling.configuration_scores import ConfigurationScores
from mlxts.tables import Table

HAR = BASELINE.upper()
_VERDICTS = (
    ("axis",), ("estimand",), ("sizes",), ("seeds", "origins", "dates"), ("gain",),
    ("margin", "seen"), ("reference",), ("label", "reason"),
)  # fmt: skip
_CONFIGURATIONS = (
    "configuration", "budget", "seeds", "origins", "n", "loss_har", "loss_linear", "loss",
    "difference", "difference_linear", "skill", "skill_har", "verdict",
)  # fmt: skip
_SIZES = (
    "configuration", "budget", "n_total", "n_no_embedding", "n_body", "samples", "best_epoch",
    "epochs", "tokens_per_parameter", "flops",
)  # fmt: skip


def collect(folders: Sequence[Path], *, draws: int, seed: int) -> dict[str, Any]:
    """Verdicts, configurations and the span of their days, from walk-forward runs.

    Raises:
        RunError, DataError: see `walk_forward_study.analyse`.
    """
    analysis = walk_forward_study.analyse(folders, draws=draws, seed=seed)
    return finite(
        {
            "draws": draws,
            "verdicts": walk_forward_study.verdict_rows(analysis),
            "configurations": _configurations(analysis),
        }
    )


def _configurations(analysis: WalkForwardAnalysis) -> list[dict[str, Any]]:
    """Every configuration against its reference, with its counts at one origin."""
    common = labels.common_settings([scores.key for scores in analysis.scored]) | "budget"
    runs = {
        run: rows
        for (run,), rows in analysis.ledger.partition_by(
            "run", as_dict=True, maintain_order=True
        ).items()
    }
    return [
        {"configuration": f"{labels.cell(s.key)}, {labels.configuration(s.key, common)}"}
        | s.row()
        | _against_linear(s)
        | _counts(s, [runs[run] for run in s.runs])
        for s in analysis.scored
    ]


def _against_linear(scores: ConfigurationScores) -> dict[str, Any]:
    """The reference may be HAR at some origins: the loss minus that of linear alone as well."""
    difference = Comparison(scores.draws.rungs[:, 0], scores.draws.linear).difference
    low, high = scores.table.bootstrap.interval(difference)
    name = "difference_linear"
    return {name: float(difference[0]), f"{name}_low": low, f"{name}_high": high}


def _counts(scores: ConfigurationScores, runs: Sequence[pl.DataFrame]) -> dict[str, Any]:
    """Parameters under each count, and how often what was seen, of one origin."""
    first = runs[0].row(0, named=True)
    scored_rows = runs[0].filter(pl.col("date").is_in(pl.Series(scores.table.dates).implode()))
    per_origin = [
        pl.col(name).first() / pl.col("origin").n_unique() for name in ("tokens", "flops")
    ]
    rows = pl.concat(
        [run.select(*per_origin, pl.col("epochs", "best_epoch").first()) for run in runs]
    )
    tokens, flops, epochs, best = rows.mean().row(0)
    return {
        "origins": scored_rows["origin"].n_unique(),
        "n_body": first["n_body"],
        "n_no_embedding": first["n_body"] + first["n_head"],
        "epochs": epochs,
        "best_epoch": best,
        "tokens": tokens,
        "tokens_per_parameter": tokens / scores.n_total,
        "flops": flops,
    }


def sections(study: Mapping[str, Any]) -> Iterator[Section]:
    """Answers, and what they rest on."""
    rows = study["verdicts"]
    drawn = {picture.name: picture for picture in walk_forward_figure.pictures(rows)}
    yield Section("answers", "Answers", text=[bullets(study), _HOW_TO_READ])
    yield Section("figures", "Network minus reference by size", pictures=[*drawn.values()])
    yield Section(
        "study",
        "Walk-forward verdicts",
        tables=[table := verdicts(rows)],
        text=[table.note],
    )
    for key, title, keys, text in (
        (
            "configurations",
            "Walk-forward configurations against their reference",
            _CONFIGURATIONS,
            "All windows of a configuration together; minus the reference's loss below zero is "
            "better. The reference is chosen at each origin by cross-validation before it, and may "
            "be HAR where linear is better in the window that follows: then only minus linear's "
            "tells whether a linear model would have been enough.",
        ),
        (
            "counts",
            "Sizes, data and compute",
            _SIZES,
            "Of one origin, means over origins and seeds. Parameters: all, without the embedding "
            "(encoder and head), and of the encoder. Training samples: unique windows (date × "
            "asset). Best after epochs: how often each was repeated up to the best validation, "
            "whose weights are scored; epochs: until training stopped. Tokens: patches seen, "
            "repeats counted. The learning rate is 1e-4 at every size, which may favour some. No "
            "asset was left out of training to be scored.",
        ),
    ):
        table = paper_tables.table(title, keys, study["configurations"])
        yield Section(key, title, tables=[table], text=[text])


_HOW_TO_READ = (
    "A gain is how many nats the loss falls per tenfold size; intervals are of 95 %, from a block "
    "bootstrap over dates with all assets of a date together, and include seed variance. *Flat*: "
    "the 90 % interval lies within the margin; what would have been seen is the smallest gain that "
    "is found with 80 %. The rules were [fixed beforehand](preregistration.md)."
)


def bullets(study: Mapping[str, Any]) -> str:
    """The answers as a list."""
    return "\n".join(
        f"- {sentence}" for sentence in answers.sentences(study["verdicts"], study.get("plans", ()))
    )


def verdicts(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The verdict on every cell along every axis."""
    return Table(
        "Walk-forward verdicts",
        [columns(*keys) for keys in _VERDICTS],
        [_verdict(row) for row in rows],
        note="Gain: decrease of the loss per tenfold size, of a pair of cells the decrease from "
        f"the first to the second. Margin: {percent(verdict.MARGIN)} of {HAR}'s gain over the base "
        "rate. Would have seen: the smallest gain that is found with 80 %. Where sizes have "
        "references of their own, the network's loss over its reference and the reference alone "
        "have lines of their own. Seeds: the fewest and the most at any size.",
        name="verdicts_walk_forward",
    )


def _verdict(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: value for key, value in row.items() if key not in ("points", "cells", "levels")},
        "reference": comparison.title(row["reference"]),
        "estimand": ", ".join(filter(None, (row["task"], answers.where(row), row["part"]))),
        "sizes": answers.sizes(row),
        "seeds": "–".join(map(str, sorted({min(row["seeds"]), max(row["seeds"])}))),
    }
