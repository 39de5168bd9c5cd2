"""The samples of each split, and what may be done with them: pure functions, nothing is read.

The feature matrix is in memory once, bars × features; a sample is only the row of its decision bar.
Its window (the `context` rows that end there) is gathered on the device and never materialised
here.

Where a timescale has phases, the bars of each (symbol, phase) are adjacent, a series of their
own, which no window leaves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int16, Int32, Integer, Shaped

from mlxts import protocol, split_borders
from mlxts.data import bars as timescale_bars
from mlxts.data.artifacts import Artifact
from mlxts.dataset import splits
from mlxts.protocol import Task, Timescale

_BLOCK = 63  # trading dates, a quarter of a year


@dataclass(frozen=True)
class Samples:
    """The n samples of one split, sorted by (date, symbol)."""

    rows: Int32[np.ndarray, " n"]  # of the decision bar t; the window is t-context+1 .. t
    dates: Shaped[np.ndarray, " n"]  # datetime64[D], of t
    symbols: Shaped[np.ndarray, " n"]  # str
    targets: Float32[np.ndarray, " n"]  # 0 or 1; regression: log return over the horizon
    label_end: Shaped[np.ndarray, " n"]  # datetime64[D], of t+H, inside the split
    phases: Int16[np.ndarray, " n"]  # of the decision bar; 0 is canonical
    daily_rows: Int32[np.ndarray, " n"]  # of t among the daily bars

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Dataset:
    """Everything one experiment reads."""

    features: Float32[np.ndarray, "rows F"]  # C-contiguous; 0 in warm-up; once in memory
    names: tuple[str, ...]  # of the F features
    bars: pl.DataFrame  # aligned with features: build.BAR_COLUMNS, phase, then oracles, VIX
    daily: pl.DataFrame  # the days that the bars are made of, likewise: what baselines read
    eligible: Bool[np.ndarray, " rows"]  # whether a window may end there
    samples: dict[str, Samples]  # one entry for each of protocol.SPLIT_NAMES
    timescale: Timescale
    task: Task
    horizon: int  # trading days
    context: int  # bars
    splits_name: str  # see `split_borders`
    score_on: str  # the symbol whose rows are scored
    artifacts: tuple[Artifact, ...]  # raw ones, then the processed one
    data_hash: str  # of the raw bytes and of the features made from them
    walk_forward_window: int | None = None  # see `split_borders.borders`
    undecided: int = 0  # days of `score_on` without a decision, as its window holds a long bar
    # Of each joined series, by its id: share of the training samples of `score_on` (of all where
    # it has none) on whose dates a value was known.
    coverage: Mapping[str, float] = field(default_factory=dict)
    train_symbols: tuple[str, ...] | None = None  # the network learns from these; None: from all

    def learned(self, split: str) -> Samples:
        """What of a split a network may be trained (train) or stopped (validation) on.

        References are fitted on all training samples, each on its own asset's.
        """
        samples = self.samples[split]
        if self.train_symbols is None:
            return samples
        return subset(samples, np.isin(samples.symbols, self.train_symbols))

    @property
    def splits_title(self) -> str:
        if self.walk_forward_window is None:
            return self.splits_name
        return split_borders.borders(self.splits_name, self.walk_forward_window).name


def eligible_rows(
    series: Shaped[np.ndarray, " rows"], complete: Bool[np.ndarray, " rows"], context: int
) -> Bool[np.ndarray, " rows"]:
    """Whether the `context` rows that end here are of one series and hold every feature."""
    position = np.arange(len(series))
    begins = np.r_[True, series[1:] != series[:-1]][: len(series)]
    # The last row that a window must not contain: an incomplete one, or the series before.
    barrier = np.maximum.accumulate(
        np.where(~complete, position, np.where(begins, position - 1, -1))
    )
    return position - barrier >= context


def decisions(
    bars: pl.DataFrame,
    complete: Bool[np.ndarray, " {bars.height}"],
    timescale: Timescale,
    context: int,
) -> tuple[Bool[np.ndarray, " {bars.height}"], Bool[np.ndarray, " {bars.height}"]]:
    """Whether a window ends at a bar; and whether one would, if it held no bar that is too long.

    Args:
        bars: as `bars.build` returns them. complete: whether a bar holds every feature.
    """
    series = bars.select(pl.format("{}/{}", "symbol", "phase")).to_series().to_numpy()
    usual = ~timescale_bars.too_long(bars, timescale)
    may_end = eligible_rows(series, complete & usual, context)
    return may_end, eligible_rows(series, complete, context) & ~may_end


def split_samples(
    labels: pl.DataFrame,
    may_end: Bool[np.ndarray, " {labels.height}"],
    borders: protocol.Splits,
) -> dict[str, Samples]:
    """The samples of each split.

    Args:
        labels: as `label_bars` returns them, row-aligned with the bars.
        may_end: whether a window may end there (see `eligible_rows`).
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


def subsample_dates(samples: Samples, share: float, blocks_seed: int | None = None) -> Samples:
    """The samples of a share of their dates, rounded up; a smaller share lies in a larger one.

    By default the latest dates: a shorter history that ends at the same border, so that what is
    left is purged as before and as near to validation as before. With a seed, whole blocks of
    `_BLOCK` successive dates in a random order instead, which keeps the span of regimes (the
    ablation of the other). Every sample of a chosen date is kept, so that assets stay together.

    Args:
        share: above 0, at most 1.
        blocks_seed: None for the latest dates.
    """
    days = np.unique(samples.dates)
    if share == 1.0 or not len(days):
        return samples
    if blocks_seed is None:
        ordered = days[::-1]
    else:
        blocks = [days[first : first + _BLOCK] for first in range(0, len(days), _BLOCK)]
        order = np.random.default_rng(blocks_seed).permutation(len(blocks))
        ordered = np.concatenate([blocks[index] for index in order])
    selected = np.isin(samples.dates, ordered[: math.ceil(share * len(days))])
    return subset(samples, selected)


def is_scored(samples: Samples, symbol: str) -> Bool[np.ndarray, " {len(samples)}"]:
    """The samples of the main figures, a symbol's of the canonical phase."""
    return (samples.symbols == symbol) & (samples.phases == timescale_bars.CANONICAL)


def of_symbol(data: Dataset, symbol: str) -> Dataset:
    """The same bars and features with the samples of one symbol alone, which is then scored."""
    symbol_samples = {
        name: subset(samples, samples.symbols == symbol) for name, samples in data.samples.items()
    }
    return replace(data, samples=symbol_samples, score_on=symbol)


def with_own_days(data: Dataset) -> Dataset:
    """A data set of one symbol's samples with that symbol's days alone: what a regression of its
    own reads, computed once and not for every asset again."""
    days = np.flatnonzero((data.daily["symbol"] == data.score_on).to_numpy())
    first = np.int32(days[0])
    samples = {
        name: replace(part, daily_rows=part.daily_rows - first)
        for name, part in data.samples.items()
    }
    return replace(data, daily=data.daily[int(first) : int(days[-1]) + 1], samples=samples)


def with_train(
    data: Dataset, chosen: Bool[np.ndarray, " n"] | Integer[np.ndarray, " m"]
) -> Dataset:
    """A data set that is trained on some of its training samples: a mask, or indices."""
    return replace(data, samples={**data.samples, "train": subset(data.samples["train"], chosen)})


def subset(samples: Samples, chosen: Bool[np.ndarray, " n"] | Integer[np.ndarray, " m"]) -> Samples:
    """Some of the samples: a mask, or indices."""
    return Samples(**{f.name: getattr(samples, f.name)[chosen] for f in fields(Samples)})
