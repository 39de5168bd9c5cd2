"""From a configuration to the arrays that a model and its baselines are fitted and scored on.

The feature matrix stands once, bars × features; a sample is only the row of its decision bar. Its
window (the `context` rows that end there) is gathered on the device and never materialised here.

Where a timescale has phases, the bars of each (symbol, phase) stand together as a series of their
own, which no window leaves. What is predicted is always a matter of days: targets and baselines
are computed from the daily bars, at the day on which the decision bar ends.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlxts import protocol, splits, targets
from mlxts.config import ExperimentConfig
from mlxts.data import bars as timescale_bars
from mlxts.data import panel
from mlxts.data.artifacts import Artifact
from mlxts.data.series import COLUMN_PREFIX
from mlxts.data.sources.base import ORACLE_PREFIX
from mlxts.errors import EmptySplitError
from mlxts.features import artifact as feature_artifact
from mlxts.files import canonical_hash
from mlxts.protocol import Task, Timescale

BAR_COLUMNS = ("date", "symbol", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Samples:
    """The n samples of one split, sorted by (date, symbol)."""

    rows: np.ndarray  # (n,) int32: row of the decision bar t; the window is t-context+1 .. t
    dates: np.ndarray  # (n,) datetime64[D]: date of t
    symbols: np.ndarray  # (n,) str
    targets: np.ndarray  # (n,) float32: 0 or 1; regression: log return over the horizon
    label_end: np.ndarray  # (n,) datetime64[D]: date of t+H, inside the split
    phases: np.ndarray  # (n,) int16: of the decision bar; 0 is canonical
    daily_rows: np.ndarray  # (n,) int32: row of t among the daily bars

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Dataset:
    """Everything one experiment reads."""

    features: np.ndarray  # (rows, F) float32, C-contiguous; rows in warm-up hold 0
    names: tuple[str, ...]  # of the F features
    bars: pl.DataFrame  # aligned with features: BAR_COLUMNS, phase, then oracles if simulated
    daily: pl.DataFrame  # the days that the bars are made of, likewise: what baselines read
    eligible: np.ndarray  # (rows,) bool: whether a window may end there
    samples: dict[str, Samples]  # one entry for each of protocol.SPLIT_NAMES
    timescale: Timescale
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
        DataError: no data for a symbol, or data that breaks the rules of a bar.
        IntegrityError: an artifact whose bytes changed.
        EmptySplitError: nothing to train on, or nothing to validate on.
    """
    loaded = panel.load(config.data)
    tier, timescale = config.features.tier, config.timescale
    table, processed = feature_artifact.load(loaded, tier, timescale, register=register)
    names = tuple(column for column in table.columns if column not in ("date", "symbol"))
    days = loaded.frame.collect(engine="in-memory")
    days = days.select(*BAR_COLUMNS, *(c for c in days.columns if c.startswith(ORACLE_PREFIX)))
    scale = protocol.TIMESCALES[timescale]
    bars = timescale_bars.build(days, scale)
    assert bars.select("date", "symbol").equals(table.select("date", "symbol"))

    assert config.horizon is not None  # the configuration fills it in from the timescale
    task = protocol.TASKS[config.task]
    # Not of the series outside: where one has not begun its features are 0, "as usual", so that
    # every column of the dataset matrix trains on the samples of the first.
    own = [name for name in names if not name.startswith(COLUMN_PREFIX)]
    complete = table.select(pl.all_horizontal(pl.col(own).is_finite().fill_null(False)))
    labels = label(bars, days, task, config.horizon)
    series = bars.select(pl.format("{}/{}", "symbol", "phase")).to_series().to_numpy()
    # Where an exchange cancelled the session that ends a bar, nobody could decide anything.
    traded = labels["daily_row"].is_not_null().to_numpy()
    may_end = traded & eligible(series, complete.to_series().to_numpy(), config.model.context)
    samples = divide(labels, may_end, protocol.SPLITS[config.data.splits])
    _not_empty(samples, config)
    return Dataset(
        features=np.ascontiguousarray(
            table.select(pl.col(names).fill_nan(0.0).fill_null(0.0)).to_numpy(), dtype=np.float32
        ),
        names=names,
        bars=bars,
        daily=days,
        eligible=may_end,
        samples=samples,
        timescale=scale,
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


def label(bars: pl.DataFrame, days: pl.DataFrame, task: Task, horizon: int) -> pl.DataFrame:
    """The targets of the days on which bars end.

    Args:
        bars: with date, symbol and phase. days: the daily bars, as `targets.compute` takes them.

    Returns:
        As many rows as `bars`, in their order: date, symbol, phase, target and label_end (as of
        `targets.compute`), daily_row (UInt32, row among `days`); the last three are null where the
        symbol did not trade on that date.
    """
    labels = targets.compute(days, task, horizon).with_row_index("daily_row")
    keys = ["date", "symbol"]
    return bars.select(*keys, "phase").join(labels, on=keys, how="left", maintain_order="left")


def eligible(series: np.ndarray, complete: np.ndarray, context: int) -> np.ndarray:
    """(rows,) bool: the `context` rows that end here are of one series and hold every feature."""
    position = np.arange(len(series))
    begins = np.r_[True, series[1:] != series[:-1]][: len(series)]
    # The last row that a window must not contain: an incomplete one, or the series before.
    barrier = np.maximum.accumulate(
        np.where(~complete, position, np.where(begins, position - 1, -1))
    )
    return position - barrier >= context


def divide(
    labels: pl.DataFrame, may_end: np.ndarray, borders: protocol.Splits
) -> dict[str, Samples]:
    """The samples of each split.

    Args:
        labels: as `label` returns them, row-aligned with the bars.
        may_end: (rows,) bool, whether a window may end there (see `eligible`).
        borders: of the splits.
    """
    dates = labels["date"].to_numpy().astype("datetime64[D]")
    ends = labels["label_end"].to_numpy().astype("datetime64[D]")
    symbols = labels["symbol"].to_numpy().astype(str)
    values = labels["target"].to_numpy().astype(np.float32)
    phases = labels["phase"].to_numpy().astype(np.int16)
    daily_rows = labels["daily_row"].fill_null(0).to_numpy().astype(np.int32)
    order = np.lexsort((symbols, dates))
    assigned = np.where(may_end, splits.assign(dates, ends, borders), splits.NONE)[order]

    def of(index: int) -> Samples:
        rows = order[assigned == index]
        return Samples(
            rows=rows.astype(np.int32),
            dates=dates[rows],
            symbols=symbols[rows],
            targets=values[rows],
            label_end=ends[rows],
            phases=phases[rows],
            daily_rows=daily_rows[rows],
        )

    return {name: of(index) for index, name in enumerate(protocol.SPLIT_NAMES)}


def scored(samples: Samples, symbol: str) -> np.ndarray:
    """(n,) bool: the samples that the main figures speak of, a symbol's of the canonical phase."""
    return (samples.symbols == symbol) & (samples.phases == timescale_bars.CANONICAL)


def _not_empty(samples: dict[str, Samples], config: ExperimentConfig) -> None:
    """Test may be empty: it is opened only on demand, perhaps before its data exists."""
    counts = {
        "train": len(samples["train"]),
        "validation": int(scored(samples["validation"], config.data.score_on).sum()),
    }
    for name, count in counts.items():
        if not count:
            first, last = getattr(protocol.SPLITS[config.data.splits], name)
            raise EmptySplitError(
                f"the {name} split ({first or 'start'} to {last}) holds no sample of "
                f"{', '.join(config.data.symbols)} with {config.model.context} "
                f"{config.timescale} bars of context after the features' warm-up; "
                f"give it bars of those dates, or choose other data.splits "
                f"({', '.join(protocol.SPLITS)})"
            )
