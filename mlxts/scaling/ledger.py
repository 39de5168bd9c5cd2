"""The ledger: run folders in, one Polars table out, a row for each run and date.

Losses come from `predictions.parquet` through `evaluation/`, those of the baselines for the very
same rows beside them, fitted on the data that the run was trained on (so that runs of before there
was a linear reference have one as well); what a run was comes from its `run.json` and
`summary.json`. Every fit, verdict and figure of scaling starts from this table and from nothing
else.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlxts import experiment, run_files
from mlxts.baselines.base import prior_logit, sample_losses
from mlxts.config import dataset_matrix
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.data.sources.parquet import encoded
from mlxts.dataset.samples import Dataset, of_symbol
from mlxts.errors import DataError, RunError
from mlxts.evaluation.reference import fit_baselines
from mlxts.files import atomic_path, canonical_hash
from mlxts.model.patchtst import Shape
from mlxts.protocol import REFERENCES, TASKS
from mlxts.scaling import config_diff
from mlxts.training import run

BASELINES = (*REFERENCES, "climatology")


@dataclass(frozen=True)
class Column:
    """One column of the ledger."""

    name: str
    dtype: Any
    meaning: str


COLUMNS = (
    Column("run", pl.String, "run id"),
    Column("started", pl.String, "when training began, ISO 8601, UTC"),
    Column("name", pl.String, "of the configuration"),
    Column("mode", pl.String, "strict or exploratory"),
    Column("task", pl.String, "what is predicted"),
    Column("timescale", pl.String, "of the bars"),
    Column("horizon", pl.Int64, "H, trading days"),
    Column("data", pl.String, "cell of the dataset matrix, or symbols and series"),
    Column("artifacts", pl.String, "digest of the raw files that were read"),
    Column("bars", pl.String, "digest of the raw file of that symbol alone"),
    Column("market", pl.String, "real, or which simulated one"),
    Column("symbol", pl.String, "whose row it is"),
    Column("recipe", pl.String, "hash of every setting that is no axis, no size and no seed"),
    Column("changed", pl.String, "which of these are not at their defaults; empty: none"),
    Column("seed", pl.Int64, "of initialisation, order and dropout"),
    Column("budget", pl.String, "parameter budget"),
    Column("n_body", pl.Int64, "trainable parameters of the encoder"),
    Column("n_head", pl.Int64, "of the head"),
    Column("n_total", pl.Int64, "all"),
    Column("features", pl.Int64, "inputs of the model"),
    Column("samples", pl.Int64, "unique training samples"),
    Column("fraction", pl.Float64, "of the training dates that were used"),
    Column("history", pl.String, "which dates those are: the latest, or blocks drawn with a seed"),
    Column("tokens", pl.Int64, "patches seen in training, repeats counted"),
    Column("epochs", pl.Float64, "how often each training sample was seen"),
    Column("flops", pl.Float64, "of the whole training, matrix products counted"),
    Column("origin", pl.Int64, "walk-forward: how many windows back; null: the fixed splits"),
    Column("suspect", pl.Boolean, "step times drifted: the machine was throttled"),
    Column("seconds", pl.Float64, "training time without pauses; null where suspect"),
    Column("split", pl.String, "of the row"),
    Column("date", pl.Date, "of the decision bar"),
    Column("canonical", pl.Boolean, "whether the bar is of the timescale's canonical phase"),
    Column("target", pl.Float64, "what happened: 0 or 1, for regression the log return"),
    Column("loss", pl.Float64, "of the run: nats, for regression the squared error"),
    Column("loss_har", pl.Float64, "of HAR on the same row"),
    Column("loss_linear", pl.Float64, "of the linear model on the same row"),
    Column("loss_reference", pl.Float64, "of the better of the two, by cross-validation"),
    Column("reference", pl.String, "which of them that is"),
    Column("not_estimable", pl.String, "why neither could be fitted on the training days; or null"),
    Column("loss_climatology", pl.Float64, "of the base rate of the volatility tercile"),
    Column("loss_prior", pl.Float64, "of the training base rate, for regression the mean"),
)
SCHEMA = pl.Schema({column.name: column.dtype for column in COLUMNS})

LATEST = "latest"  # the history of most runs; the whole one is the latest of any length
REAL = "real"

# Settings that do not tell two recipes apart: axes, sizes that follow from the budget, what has a
# column of its own (where data come from: artifacts, bars and market), and what has no influence on
# the numbers.
_NO_RECIPE = (
    "name", "mode", "seed", "budget", "task", "timescale", "horizon", "thermal", "checkpoint",
    "tracking", "data.source", "data.cell", "data.symbols", "data.exogenous", "data.pinned",
    "data.train_fraction", "data.train_blocks_seed", "features.tier", "model.depth", "model.heads",
    "model.ffn_ratio", "training.micro_batch",
)  # fmt: skip


def build(
    folders: Iterable[Path],
    *,
    split: str = "validation",
    tuned: Sequence[str] = (),
    every_asset: bool = False,
) -> pl.DataFrame:
    """The ledger of finished runs, sorted by run, symbol and date; see `COLUMNS`.

    Args:
        folders: run folders.
        split: whose rows. Those of the test split are there only where `evaluate --split test` has
            opened it.
        tuned: settings as dotted keys that may differ within a recipe, because they were tuned at
            each size (say training.weight_decay).
        every_asset: rows of all pooled assets, each with baselines of its own, instead of those of
            the scored symbol alone.

    Raises:
        RunError: a run that is not finished, or one without rows of that split.
        DataError: predictions about other rows than the run's data hold now.
    """
    known = config_diff.flat(ExperimentConfig(name="defaults").model_dump(mode="json"))
    for key in tuned:
        if not any(name == key or name.startswith(f"{key}.") for name in known):
            raise RunError(f"--tuned {key} is no setting; write it as in a configuration file")
    references: dict[str, pl.DataFrame] = {}
    parts = [_rows(Path(folder), split, tuned, every_asset, references) for folder in folders]
    if not parts:
        raise RunError("no finished run to make a ledger of; `mlxts train` or `mlxts sweep` first")
    return pl.concat(parts).sort("run", "symbol", "date")


def finished(folders: Iterable[Path]) -> list[Path]:
    """Those that have come to their summary, in the order given."""
    return [Path(f) for f in folders if run_files.is_finished(Path(f))]


def write(path: Path, ledger: pl.DataFrame) -> None:
    """Replace `path` by the ledger as Parquet, atomically. Raises StorageError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded(ledger))


def runs(ledger: pl.DataFrame) -> pl.DataFrame:
    """One row a run: what it was, and its mean losses over the canonical rows."""
    own = [c.name for c in COLUMNS if c.name not in _OF_DATES]
    losses = [name for name in SCHEMA.names() if name.startswith("loss")]
    return (
        ledger.filter("canonical")
        .group_by(own, maintain_order=True)
        .agg(pl.len().alias("dates"), pl.col(losses).mean())
    )


_OF_DATES = (
    "date", "canonical", "target", "loss", "loss_har", "loss_linear", "loss_reference",
    "reference", "not_estimable", "loss_climatology", "loss_prior",
)  # fmt: skip


def _rows(
    folder: Path,
    split: str,
    tuned: Sequence[str],
    every_asset: bool,
    references: dict[str, pl.DataFrame],
) -> pl.DataFrame:
    record, summary = _recorded(folder)
    settings = record["config"]
    task = TASKS[settings["task"]]
    scored_on = settings["data"]["score_on"]
    said = experiment.predictions_of(folder)
    said = said.filter(split=split).sort("symbol", "date")
    if not every_asset:
        said = said.filter(symbol=scored_on)
    if not said.height:
        how = f"`mlxts evaluate {folder.name} --split test` opens it, on record"
        if settings["data"].get("origin") is not None:
            how = "`mlxts scaling ledger --split foreseen` foresees its window"
        how = how if split == "test" else "train the run again"
        raise RunError(f"{folder.name} holds no {split} row of {scored_on}; {how}")
    key = canonical_hash(
        {name: settings[name] for name in ("data", "features", "task", "timescale", "horizon")}
        | {"context": settings["model"]["context"], "data_hash": record["data_hash"]}
    )
    if key not in references:
        references[key] = _reference(experiment.dataset_of(folder), split, every_asset)
    beside = references[key]
    own = ("symbol", "date", "target")
    if not beside.select(own).equals(said.select(own)):
        raise DataError(
            f"{folder.name} predicts other {split} rows of {scored_on} than its data hold now; "
            "train it again"
        )
    described = _described(record, summary, run.shape_of(folder), tuned)
    losses = pl.Series(
        "loss", sample_losses(said["logit"].to_numpy(), said["target"].to_numpy(), task)
    )
    digests = {a["symbol"]: a["sha256"][:8] for a in record["artifacts"] if "tier" not in a}
    return beside.with_columns(
        losses,
        bars=pl.col("symbol").replace_strict(digests),
        split=pl.lit(split),
        **{name: pl.lit(value) for name, value in described.items()},
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _described(
    record: dict[str, Any], summary: dict[str, Any], shape: Shape, tuned: Sequence[str]
) -> dict[str, Any]:
    """What a run was."""
    settings = record["config"]
    data = settings["data"]
    samples = record["samples"]["train"]
    suspect = bool(summary["thermal"]["suspect"])
    epochs = summary["steps"] / record["total_steps"] * settings["training"]["max_epochs"]
    return {
        "run": record["run_id"],
        "started": record["started"],
        **{name: settings[name] for name in ("name", "mode", "task", "timescale", "horizon")},
        "data": _held(data),
        **_read(record),
        "recipe": recipe(settings, tuned),
        "changed": "; ".join(changed(settings, tuned)),
        "seed": settings["seed"],
        "budget": settings["budget"],
        **{name: record[name] for name in ("n_body", "n_head", "n_total", "features")},
        "samples": samples,
        "fraction": data.get("train_fraction", 1.0),
        "history": _history(data),
        "tokens": round(epochs * samples) * shape.patches * shape.sequences,
        "epochs": epochs,
        "flops": float(record["flops_per_step"]) * summary["steps"],
        "origin": data.get("origin"),
        "suspect": suspect,
        "seconds": None if suspect else summary["train_seconds"],
    }


def _held(data: dict[str, Any]) -> str:
    """The cell; a list of symbols that is one goes by the same name."""
    symbols, exogenous = data["symbols"], data.get("exogenous", ())
    cell = data.get("cell") or dataset_matrix.named(symbols, exogenous)
    return cell or ", ".join((*symbols, *exogenous))


def _read(record: dict[str, Any]) -> dict[str, str]:
    """Which bytes a run was trained and scored on."""
    raw = [artifact for artifact in record["artifacts"] if "tier" not in artifact]
    (own,) = [one for one in raw if one["symbol"] == record["config"]["data"]["score_on"]]
    simulated, market = own.get("parameters", {}), REAL
    if own["source"] == "simulated" and {"dials", "kind"} <= set(simulated):
        dials = (f"{name} {value:g}" for name, value in sorted(simulated["dials"].items()))
        market = f"simulated {simulated['kind']}, {', '.join(dials)}"
    return {
        "artifacts": canonical_hash(sorted((one["symbol"], one["sha256"]) for one in raw))[:8],
        "market": market,
    }


def _history(data: dict[str, Any]) -> str:
    blocks = data.get("train_blocks_seed")
    if blocks is None or data.get("train_fraction", 1.0) == 1.0:
        return LATEST
    return f"blocks of seed {blocks}"


def recipe(settings: dict[str, Any], tuned: Sequence[str] = ()) -> str:
    """Eight hexadecimal digits: equal where two runs differ in axes, sizes and seeds alone."""
    return canonical_hash(_of_recipe(settings, tuned))[:8]


def changed(settings: dict[str, Any], tuned: Sequence[str] = ()) -> list[str]:
    """What of a recipe is not at its default, as `model.offset: har`, in the order of the
    configuration."""
    usual = config_diff.flat(ExperimentConfig(name="defaults").model_dump(mode="json"))
    return config_diff.changes(usual, config_diff.flat(_of_recipe(settings, tuned)))


def _of_recipe(settings: dict[str, Any], tuned: Sequence[str]) -> dict[str, Any]:
    values = json.loads(json.dumps(settings))
    for key in (*_NO_RECIPE, *tuned):
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section.get(parent, {})
        section.pop(last, None)
    return values


def _reference(data: Dataset, split: str, every_asset: bool) -> pl.DataFrame:
    """Symbol by symbol and date by date: what happened, whether the row is canonical, and the
    losses of the baselines, each asset's own; null where they are not estimable."""
    symbols = np.unique(data.samples[split].symbols) if every_asset else [data.score_on]
    return pl.concat(_of_symbol(data, split, str(symbol)) for symbol in symbols)


def _of_symbol(data: Dataset, split: str, symbol: str) -> pl.DataFrame:
    own, train = of_symbol(data, symbol), data.samples["train"]
    samples = own.samples[split]
    found = fit_baselines(data, (split,), BASELINES, symbol=symbol)
    targets = samples.targets.astype(np.float64)

    def losses(said: np.ndarray) -> np.ndarray:
        return sample_losses(said, targets, data.task)

    learned = own.samples["train"].targets if len(own.samples["train"]) else train.targets
    learned = learned.astype(np.float64)
    regression = data.task.kind == "regression"
    prior = float(learned.mean()) if regression else prior_logit(learned)
    of_baseline = {name: losses(t["logit"].to_numpy()) for name, t in found.tables.items()}
    reference = found.reference
    columns = {f"loss_{name}": of_baseline.get(name) for name in BASELINES}
    columns["loss_reference"] = of_baseline.get(reference.name or "")
    return (
        pl.DataFrame(
            {
                "date": samples.dates,
                "symbol": samples.symbols,
                "canonical": samples.phases == 0,
                "target": targets,
            }
        )
        .with_columns(
            *(
                pl.Series(n, v if v is not None else [None] * len(own.samples[split]), pl.Float64)
                for n, v in columns.items()
            ),
            pl.Series("loss_prior", losses(np.full(len(targets), prior))),
            reference=pl.lit(reference.name, pl.String),
            not_estimable=pl.lit(reference.not_estimable, pl.String),
        )
        .sort("date")
    )


def _recorded(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """run.json and summary.json, with all that a row needs. Raises RunError."""
    record = run_files.metadata(folder, _NEEDED)
    _require_own_hash(folder, record)
    read = [one["symbol"] for one in record["artifacts"] if "tier" not in one]
    scored_on = record["config"]["data"]["score_on"]
    if read.count(scored_on) != 1:
        raise RunError(
            f"{folder / run_files.METADATA} is damaged: artifacts hold {scored_on} "
            f"{read.count(scored_on)} times; train the run again"
        )
    return record, run_files.summary(folder, ("steps", "train_seconds", "thermal.suspect"))


def _require_own_hash(folder: Path, record: dict[str, Any]) -> None:
    """Settings that were changed or lost would make another recipe.

    Raises:
        ConfigError: they are none that this version knows. RunError: they were changed.
    """
    found = build_config(record["config"], origin=f"{folder / run_files.METADATA}").hash
    if found != record.get("config_hash", found):
        raise RunError(
            f"{folder / run_files.METADATA} is damaged: its config is not the one of config_hash; "
            "restore it from a backup, or train the run again"
        )


_NEEDED = (
    "data_hash", "shape", "samples.train", "features", "n_body", "n_head", "n_total",
    "total_steps", "flops_per_step", "artifacts", "started", "config.name", "config.mode",
    "config.task", "config.timescale", "config.horizon", "config.seed", "config.budget",
    "config.features", "config.data.score_on", "config.data.symbols", "config.model.context",
    "config.training.max_epochs",
)  # fmt: skip
