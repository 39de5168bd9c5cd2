"""The ledger: run folders in, one Polars table out, a row for each run and date.

Losses of the network and of its references are those of the very same rows of the run's
predictions; the reference, the settings and the results of a run are read from its folder. Nothing
is fitted and no data are read. Every fit, verdict and figure of scaling uses this table and nothing
else.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mlxts import files, tasks
from mlxts.config import dataset_matrix
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.data.sources.parquet import encoded
from mlxts.errors import DataError, RunError
from mlxts.files import atomic_path, canonical_hash
from mlxts.losses import sample_losses
from mlxts.model.patchtst import Shape
from mlxts.model.saved_shape import read_shape
from mlxts.protocol import REFERENCES
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import BASE_RATE, NETWORK, SIMPLE_MODELS
from mlxts.scaling import config_diff

# Column -> the model whose losses it holds.
_LOSSES = {
    "loss": NETWORK,
    **{f"loss_{name}": name for name in SIMPLE_MODELS},
    "loss_prior": BASE_RATE,
}


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
    Column("assets", pl.Int64, "symbols that are pooled in training"),
    Column("exogenous", pl.String, "series that are joined to them; empty: none"),
    Column("artifacts", pl.String, "digest of the raw files that were read"),
    Column("bars", pl.String, "digest of the raw file of that symbol alone"),
    Column("data_generator", pl.String, "real, or which simulated one"),
    Column("symbol", pl.String, "whose row it is"),
    Column(
        "config_hash",
        pl.String,
        "of every setting that is no axis, no size and no seed",
    ),
    Column("non_default_settings", pl.String, "those of these settings; empty: none"),
    Column("seed", pl.Int64, "of initialisation, order and dropout"),
    Column("budget", pl.String, "parameter budget"),
    Column("n_body", pl.Int64, "trainable parameters of the encoder"),
    Column("n_head", pl.Int64, "of the head"),
    Column("n_total", pl.Int64, "all"),
    Column("features", pl.Int64, "inputs of the model"),
    Column("tier", pl.Int64, "those of the asset's own bars"),
    Column("samples", pl.Int64, "unique training samples"),
    Column("fraction", pl.Float64, "of the training dates that were used"),
    Column("history", pl.String, "which dates those are: the latest, or blocks drawn with a seed"),
    Column("tokens", pl.Int64, "patches seen in training, repeats counted"),
    Column("epochs", pl.Float64, "how often each training sample was seen"),
    Column("best_epoch", pl.Float64, "and until the best validation, whose weights are scored"),
    Column("flops", pl.Float64, "of the whole training, matrix products counted"),
    Column(
        "origin",
        pl.Int64,
        "walk-forward: how many windows back that of the row is; null: the fixed splits",
    ),
    Column("step_time_drift", pl.Boolean, "step times drifted: the machine was throttled"),
    Column("seconds", pl.Float64, "training time without pauses; null where step times drifted"),
    Column("split", pl.String, "of the row"),
    Column("date", pl.Date, "of the decision bar"),
    Column("canonical", pl.Boolean, "whether the bar is of the timescale's canonical phase"),
    Column("target", pl.Float64, "target: 0 or 1, or a number in the unit of the task"),
    Column("forecast", pl.Float64, "of the run: a logit, or a number in the unit of the task"),
    Column("loss", pl.Float64, "of the run: nats, of a number the squared error"),
    Column("loss_har", pl.Float64, "of HAR on the same row"),
    Column("loss_linear", pl.Float64, "of the linear model on the same row"),
    Column("loss_reference", pl.Float64, "of the better of the two, by cross-validation"),
    Column("reference", pl.String, "which of them that is"),
    Column("not_estimable", pl.String, "why neither could be fitted on the training days; or null"),
    Column("pooled", pl.String, "why both were fitted on the training days of all assets; or null"),
    Column("loss_lhar", pl.Float64, "of HAR with the leverage effect and, if read, the VIX"),
    Column("loss_trees", pl.Float64, "of boosted trees over HAR"),
    Column("loss_volatility", pl.Float64, "of the regression on one volatility"),
    Column("loss_base_rate_by_volatility", pl.Float64, "of the base rate by volatility"),
    Column("loss_prior", pl.Float64, "of the training base rate, of a number the mean"),
)
SCHEMA = pl.Schema({column.name: column.dtype for column in COLUMNS})

LATEST = "latest"  # the history of most runs; the whole one is the latest of any length
REAL = "real"

# Settings that do not distinguish two recipes: axes, sizes that follow from the budget, what has a
# column of its own (where data come from: artifacts, bars and market), and what has no influence on
# the numbers.
_NOT_COMPARED = (
    "name", "mode", "seed", "budget", "task", "timescale", "horizon", "thermal", "checkpoint",
    "tracking", "data.source", "data.cell", "data.symbols", "data.exogenous",
    "data.train_symbols", "data.artifact_sha256", "data.train_fraction", "data.train_blocks_seed",
    "features.tier", "model.depth", "model.heads", "model.ffn_ratio", "training.micro_batch",
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
            each size (e.g. training.weight_decay).
        every_asset: rows of all pooled assets, each with baselines of its own, instead of those of
            the scored symbol alone.

    Raises:
        RunError: a run that is not finished, or one without rows of that split.
        DataError: predictions of an earlier version, see `runs/predictions.py`, or models that do
            not predict the same rows.
    """
    settings = config_diff.flat(ExperimentConfig(name="defaults").model_dump(mode="json"))
    for key in tuned:
        if not any(name == key or name.startswith(f"{key}.") for name in settings):
            raise RunError(
                f"--ignore-setting {key} is no setting; write it as in a configuration file"
            )
    parts = [_rows(Path(folder), split, tuned, every_asset) for folder in folders]
    if not parts:
        raise RunError("no finished run to make a ledger of; `mlxts train` or `mlxts sweep` first")
    return pl.concat(parts).sort("run", "symbol", "date")


def write(path: Path, ledger: pl.DataFrame) -> None:
    """Replace `path` by the ledger as Parquet, atomically. Raises StorageError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded(ledger, {"schema": str(files.SCHEMA)}))


def runs(ledger: pl.DataFrame) -> pl.DataFrame:
    """One row a run: what it was, and its mean losses over the canonical rows."""
    run_columns = [c.name for c in COLUMNS if c.name not in _OF_DATES]
    losses = [name for name in SCHEMA.names() if name.startswith("loss")]
    return (
        ledger.filter("canonical")
        .group_by(run_columns, maintain_order=True)
        .agg(pl.len().alias("dates"), pl.col(losses).mean())
    )


_OF_DATES = (
    "origin", "date", "canonical", "target", "forecast", *_LOSSES, "loss_reference", "reference",
    "not_estimable", "pooled",
)  # fmt: skip


def _rows(folder: Path, split: str, tuned: Sequence[str], every_asset: bool) -> pl.DataFrame:
    record, summary = _read_run(folder)
    settings = record["config"]
    scored_on = settings["data"]["score_on"]
    rows = RunFolder(folder).predictions().filter(split=split)
    if not every_asset:
        rows = rows.filter(symbol=scored_on)
    if not rows.height:
        how = f"`mlxts evaluate {folder.name} --split test` opens it, on record"
        if settings["data"].get("walk_forward_window") is not None:
            how = "`mlxts scaling ledger --split walk-forward` predicts its window"
        how = how if split == "test" else "train the run again"
        raise RunError(f"{folder.name} holds no {split} row of {scored_on}; {how}")
    run_columns = _run_columns(record, summary, read_shape(RunFolder(folder)), tuned)
    digests = {a["symbol"]: a["sha256"][:8] for a in record["artifacts"] if "tier" not in a}
    return (
        _losses(folder, rows, settings["task"])
        .with_columns(
            bars=pl.col("symbol").replace_strict(digests),
            split=pl.lit(split),
            **{name: pl.lit(value) for name, value in run_columns.items()},
        )
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _losses(folder: Path, rows: pl.DataFrame, task: str) -> pl.DataFrame:
    """Symbol by symbol and date by date: what happened, whether the row is canonical, the losses of
    all models, and which is the reference; null where it is not estimable."""
    keys = ["symbol", "date", "canonical", "target"]
    predicted, targets = rows["logit"].to_numpy(), rows["target"].to_numpy()
    loss = pl.Series("loss", sample_losses(predicted, targets, tasks.named(task)))
    wide = rows.with_columns(loss).pivot("model", index=keys, values="loss")
    models = list(_LOSSES.values())
    absent = [name for name in models if name not in wide.columns]
    wide = wide.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent)
    counts = wide.group_by("symbol").agg(pl.len().alias("rows"), pl.col(models).count())
    # A model predicts all rows of a symbol; or none, where it could not be fitted.
    predicts_all_or_none = [
        (pl.col(name) == pl.col("rows")) | (pl.col(name) == 0) for name in models
    ]
    if not counts.select(
        pl.all_horizontal(*predicts_all_or_none, pl.col(NETWORK) > 0).all()
    ).item():
        raise DataError(
            f"models in {folder / layout.PREDICTIONS} do not predict the same rows; train "
            f"{folder.name} again"
        )
    chosen = [
        {
            "symbol": symbol,
            "reference": reference.name,
            "not_estimable": reference.not_estimable,
            "pooled": reference.pooled,
        }
        for symbol, reference in RunFolder(folder).references().items()
    ]
    schema = dict.fromkeys(("symbol", "reference", "not_estimable", "pooled"), pl.String)
    keys = ["symbol", "date"]
    forecasts = rows.filter(model=NETWORK).select(*keys, forecast="logit")
    return (
        wide.rename({model: column for column, model in _LOSSES.items()})
        .join(pl.DataFrame(chosen, schema), on="symbol", how="left")
        .with_columns(
            loss_reference=pl.coalesce(
                pl.when(reference=name).then(f"loss_{name}") for name in REFERENCES
            )
        )
        .join(forecasts, on=keys)
        .sort(keys)
    )


def _run_columns(
    record: dict[str, Any], summary: dict[str, Any], shape: Shape, tuned: Sequence[str]
) -> dict[str, Any]:
    """What a run was."""
    settings = record["config"]
    data = settings["data"]
    samples = record["samples"]["train"]
    drifted = bool(summary["thermal"]["step_time_drift"])
    an_epoch = record["total_steps"] / settings["training"]["max_epochs"]
    epochs = summary["steps"] / an_epoch
    return {
        "run": record["run_id"],
        "started": record["started"],
        **{name: settings[name] for name in ("name", "mode", "task", "timescale", "horizon")},
        "data": _data_name(data),
        "assets": len(data.get("train_symbols") or data["symbols"]),
        "exogenous": ", ".join(sorted(data.get("exogenous", ()))),
        **_artifact_columns(record),
        "config_hash": config_hash(settings, tuned),
        "non_default_settings": "; ".join(non_default_settings(settings, tuned)),
        "seed": settings["seed"],
        "budget": settings["budget"],
        **{name: record[name] for name in ("n_body", "n_head", "n_total", "features")},
        "tier": settings["features"].get("tier"),
        "samples": samples,
        "fraction": data.get("train_fraction", 1.0),
        "history": _history(data),
        "tokens": round(epochs * samples) * shape.patches * shape.sequences,
        "epochs": epochs,
        "best_epoch": summary["best_step"] / an_epoch,
        "flops": float(record["flops_per_step"]) * summary["steps"],
        "origin": data.get("walk_forward_window"),
        "step_time_drift": drifted,
        "seconds": None if drifted else summary["train_seconds"],
    }


def _data_name(data: dict[str, Any]) -> str:
    """The cell; a list of symbols that is one goes by the same name."""
    symbols, exogenous = data["symbols"], data.get("exogenous", ())
    cell = data.get("cell") or dataset_matrix.named(symbols, exogenous)
    contents = cell or ", ".join((*symbols, *exogenous))
    trained = data.get("train_symbols")
    return f"{contents}, trained on {', '.join(trained)}" if trained else contents


def _artifact_columns(record: dict[str, Any]) -> dict[str, str]:
    """Which bytes a run was trained and scored on."""
    raw = [artifact for artifact in record["artifacts"] if "tier" not in artifact]
    (scored_artifact,) = [
        raw_artifact
        for raw_artifact in raw
        if raw_artifact["symbol"] == record["config"]["data"]["score_on"]
    ]
    simulated, market = scored_artifact.get("parameters", {}), REAL
    if scored_artifact["source"] == "simulated" and {"dials", "kind"} <= set(simulated):
        dials = (f"{name} {value:g}" for name, value in sorted(simulated["dials"].items()))
        market = f"simulated {simulated['kind']}, {', '.join(dials)}"
    return {
        "artifacts": canonical_hash(
            sorted((raw_artifact["symbol"], raw_artifact["sha256"]) for raw_artifact in raw)
        )[:8],
        "data_generator": market,
    }


def _history(data: dict[str, Any]) -> str:
    blocks = data.get("train_blocks_seed")
    if blocks is None or data.get("train_fraction", 1.0) == 1.0:
        return LATEST
    return f"blocks of seed {blocks}"


def config_hash(settings: dict[str, Any], tuned: Sequence[str] = ()) -> str:
    """Eight hexadecimal digits: equal where two runs differ in axes, sizes and seeds alone."""
    return canonical_hash(_compared_settings(settings, tuned))[:8]


def non_default_settings(settings: dict[str, Any], tuned: Sequence[str] = ()) -> list[str]:
    """What of a recipe is not at its default, as `model.residual_of: har`, in the order of the
    configuration."""
    usual = config_diff.flat(ExperimentConfig(name="defaults").model_dump(mode="json"))
    return config_diff.changes(usual, config_diff.flat(_compared_settings(settings, tuned)))


def _compared_settings(settings: dict[str, Any], tuned: Sequence[str]) -> dict[str, Any]:
    values = json.loads(json.dumps(settings))
    for key in (*_NOT_COMPARED, *tuned):
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section.get(parent, {})
        section.pop(last, None)
    return values


def _read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """run.json and summary.json, with all that a row needs. Raises RunError."""
    record = RunFolder(folder).metadata(_NEEDED)
    _require_own_hash(folder, record)
    read = [artifact["symbol"] for artifact in record["artifacts"] if "tier" not in artifact]
    scored_on = record["config"]["data"]["score_on"]
    if read.count(scored_on) != 1:
        raise RunError(
            f"{folder / layout.METADATA} is damaged: artifacts hold {scored_on} "
            f"{read.count(scored_on)} times; train the run again"
        )
    return record, RunFolder(folder).summary(_NEEDED_SUMMARY)


def _require_own_hash(folder: Path, record: dict[str, Any]) -> None:
    """Settings that were changed or lost would make another recipe.

    Raises:
        ConfigError: they are none that this version knows. RunError: they were changed.
    """
    config = build_config(record["config"], origin=f"{folder / layout.METADATA}")
    if record.get("config_hash", config.hash) not in (config.hash, config.former_hash):
        raise RunError(
            f"{folder / layout.METADATA} is damaged: its config is not the one of config_hash; "
            "restore it from a backup, or train the run again"
        )


_NEEDED_SUMMARY = ("steps", "best_step", "train_seconds", "thermal.step_time_drift")
_NEEDED = (
    "data_hash", "shape", "samples.train", "features", "n_body", "n_head", "n_total",
    "total_steps", "flops_per_step", "artifacts", "started", "config.name", "config.mode",
    "config.task", "config.timescale", "config.horizon", "config.seed", "config.budget",
    "config.features", "config.data.score_on", "config.data.symbols", "config.model.context",
    "config.training.max_epochs",
)  # fmt: skip
