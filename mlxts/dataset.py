"""From a configuration to the arrays that a model and its baselines are fitted and scored on.

The feature matrix stands once, bars × features; a sample is only the row of its decision bar. Its
window (the `context` rows that end there) is gathered on the device and never materialised here.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlxts import protocol, splits, targets
from mlxts.config import ExperimentConfig
from mlxts.data import panel
from mlxts.data.artifacts import Artifact
from mlxts.data.sources.base import ORACLE_PREFIX
from mlxts.errors import ConfigError, EmptySplitError
from mlxts.features import artifact as feature_artifact
from mlxts.files import canonical_hash
from mlxts.protocol import Task

BAR_COLUMNS = ("date", "symbol", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Samples:
    """The n samples of one split, sorted by (date, symbol)."""

    rows: np.ndarray  # (n,) int32: row of the decision bar t; the window is t-context+1 .. t
    dates: np.ndarray  # (n,) datetime64[D]: date of t
    symbols: np.ndarray  # (n,) str
    targets: np.ndarray  # (n,) float32: 0 or 1; regression: log return over the horizon
    label_end: np.ndarray  # (n,) datetime64[D]: date of t+H, inside the split

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Dataset:
    """Everything one experiment reads."""

    features: np.ndarray  # (rows, F) float32, C-contiguous; rows in warm-up hold 0
    names: tuple[str, ...]  # of the F features
    bars: pl.DataFrame  # aligned with features: BAR_COLUMNS, then oracle columns if simulated
    eligible: np.ndarray  # (rows,) bool: whether a window may end there
    samples: dict[str, Samples]  # one entry for each of protocol.SPLIT_NAMES
    task: Task
    horizon: int  # trading days
    context: int  # bars
    splits_name: str  # key of protocol.SPLITS
    score_on: str  # the symbol whose rows are scored
    artifacts: tuple[Artifact, ...]  # raw ones, then the processed one
    data_hash: str  # of the raw bytes and of the features made from them


def build(config: ExperimentConfig, *, register: bool = True) -> Dataset:
    """Load bars and features, compute the targets and split the samples.

    Args:
        register: keep features that had to be computed as a processed artifact; without it
            nothing is written.

    Raises:
        ConfigError: a timescale that has no bars yet.
        DataError: no data for a symbol, or data that breaks the rules of a bar.
        IntegrityError: an artifact whose bytes changed.
        EmptySplitError: nothing to train on, or nothing to validate on.
    """
    if config.timescale != "daily":
        raise ConfigError(f"timescale: {config.timescale} has no bars yet; use timescale: daily")
    loaded = panel.load(config.data)
    tier, timescale = config.features.tier, config.timescale
    table, processed = feature_artifact.load(loaded, tier, timescale, register=register)
    names = tuple(column for column in table.columns if column not in ("date", "symbol"))
    bars = loaded.frame.collect(engine="in-memory")
    bars = bars.select(*BAR_COLUMNS, *(c for c in bars.columns if c.startswith(ORACLE_PREFIX)))
    assert bars.select("date", "symbol").equals(table.select("date", "symbol"))

    assert config.horizon is not None  # the configuration fills it in from the timescale
    task = protocol.TASKS[config.task]
    complete = table.select(pl.all_horizontal(pl.col(names).is_finite().fill_null(False)))
    has_context = eligible(
        bars["symbol"].to_numpy(), complete.to_series().to_numpy(), config.model.context
    )
    labels = targets.compute(bars, task, config.horizon)
    samples = divide(labels, has_context, protocol.SPLITS[config.data.splits])
    _not_empty(samples, config)
    return Dataset(
        features=np.ascontiguousarray(
            table.select(pl.col(names).fill_nan(0.0).fill_null(0.0)).to_numpy(), dtype=np.float32
        ),
        names=names,
        bars=bars,
        eligible=has_context,
        samples=samples,
        task=task,
        horizon=config.horizon,
        context=config.model.context,
        splits_name=config.data.splits,
        score_on=config.data.score_on,
        artifacts=loaded.artifacts if processed is None else (*loaded.artifacts, processed),
        data_hash=canonical_hash(
            {
                "raw": [(artifact.symbol, artifact.sha256) for artifact in loaded.artifacts],
                "features": names,
                "made": feature_artifact.recipe(loaded, tier, timescale),
            }
        ),
    )


def eligible(symbols: np.ndarray, complete: np.ndarray, context: int) -> np.ndarray:
    """(rows,) bool: the `context` rows that end here are one symbol's and hold every feature."""
    position = np.arange(len(symbols))
    begins = np.r_[True, symbols[1:] != symbols[:-1]][: len(symbols)]
    # The last row that a window must not contain: an incomplete one, or the symbol before.
    barrier = np.maximum.accumulate(
        np.where(~complete, position, np.where(begins, position - 1, -1))
    )
    return position - barrier >= context


def divide(
    labels: pl.DataFrame, has_context: np.ndarray, borders: protocol.Splits
) -> dict[str, Samples]:
    """The samples of each split.

    Args:
        labels: as `targets.compute` returns them, row-aligned with the bars.
        has_context: (rows,) bool, whether a window may end there (see `eligible`).
        borders: of the splits.
    """
    dates = labels["date"].to_numpy().astype("datetime64[D]")
    ends = labels["label_end"].to_numpy().astype("datetime64[D]")
    symbols = labels["symbol"].to_numpy().astype(str)
    values = labels["target"].to_numpy().astype(np.float32)
    order = np.lexsort((symbols, dates))
    assigned = np.where(has_context, splits.assign(dates, ends, borders), splits.NONE)[order]

    def of(index: int) -> Samples:
        rows = order[assigned == index]
        return Samples(
            rows=rows.astype(np.int32),
            dates=dates[rows],
            symbols=symbols[rows],
            targets=values[rows],
            label_end=ends[rows],
        )

    return {name: of(index) for index, name in enumerate(protocol.SPLIT_NAMES)}


def _not_empty(samples: dict[str, Samples], config: ExperimentConfig) -> None:
    """Test may be empty: it is opened only on demand, perhaps before its data exists."""
    scored = {
        "train": len(samples["train"]),
        "validation": int((samples["validation"].symbols == config.data.score_on).sum()),
    }
    for name, count in scored.items():
        if not count:
            first, last = getattr(protocol.SPLITS[config.data.splits], name)
            raise EmptySplitError(
                f"the {name} split ({first or 'start'} to {last}) holds no sample of "
                f"{', '.join(config.data.symbols)} with {config.model.context} bars of context "
                f"after the features' warm-up; give it bars of those dates, "
                f"or choose other data.splits ({', '.join(protocol.SPLITS)})"
            )
