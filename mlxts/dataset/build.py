"""From a configuration to the arrays that a model and its baselines are fitted and scored on.

What is predicted is always a matter of days, at every timescale: labels and baselines are computed
from the daily bars, at the day on which the decision bar ends.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32

from mlxts import protocol, split_borders, tasks
from mlxts.config.experiment import ExperimentConfig
from mlxts.data import bars as timescale_bars
from mlxts.data import panel
from mlxts.data.exogenous_catalog import COLUMN_PREFIX, SERIES
from mlxts.data.exogenous_releases import coverage
from mlxts.data.sources.base import ORACLE_PREFIX
from mlxts.dataset import split_dates
from mlxts.dataset.labels import label_bars
from mlxts.dataset.rotated_labels import rotate_labels
from mlxts.dataset.samples import (
    Dataset,
    Samples,
    decisions,
    is_scored,
    split_samples,
    subsample_dates,
)
from mlxts.errors import EmptySplitError
from mlxts.features import cache
from mlxts.files import canonical_hash
from mlxts.platform import device
from mlxts.simulation import planted_features

_COLUMNS_AT_A_TIME = 64

BAR_COLUMNS = ("date", "symbol", "open", "high", "low", "close", "volume")
_VIX = SERIES["VIX"].column  # what a baseline reads of the series outside


def build_dataset(config: ExperimentConfig, *, register: bool = True) -> Dataset:
    """Load bars and features, compute the targets and split the samples.

    Args:
        register: keep features that had to be computed as a processed artifact; without it
            nothing is written.

    Raises:
        DataError: no data for a symbol, or data that breaks the rules of a bar.
        IntegrityError: an artifact whose bytes changed.
        EmptySplitError: nothing to train on, or nothing to validate on.
    """
    config = split_dates.resolved(config)
    loaded = panel.load(config.data)
    tier, timescale = config.features.tier, config.timescale
    if config.features.source == "simulated":
        table, processed = planted_features.load(loaded, tier), None
        made = planted_features.recipe(tier)
    else:
        table, processed = cache.load(loaded, tier, timescale, register=register)
        made = cache.recipe(loaded, tier, timescale)
    names = tuple(n for n in table.collect_schema().names() if n not in ("date", "symbol"))
    days = loaded.frame.collect(engine="in-memory")
    # What is exact about a day's own label is not about a label of another day.
    exact = () if config.data.rotate_labels_years else (ORACLE_PREFIX,)
    facts = [c for c in days.columns if c.startswith(exact) or c == _VIX]
    days = days.select(*BAR_COLUMNS, *facts)
    scale = protocol.TIMESCALES[timescale]
    bars = timescale_bars.build(days, scale)
    keys = ("date", "symbol")
    assert bars.select(keys).equals(table.select(keys).collect(engine="in-memory"))

    assert config.horizon is not None  # the configuration fills it in from the timescale
    task = tasks.named(config.task)
    features, complete = feature_array(table, names)
    labels = label_bars(bars, days, task, config.horizon)
    # Where an exchange cancelled the session that ends a bar, nobody could decide anything.
    traded = labels["daily_row"].is_not_null().to_numpy()
    may_end, undecided = decisions(bars, complete, scale, config.model.context)
    may_end &= traded
    own_bars = (bars["symbol"] == config.data.score_on).to_numpy()
    borders = split_borders.borders(config.data.splits, config.data.walk_forward_window)
    samples = split_samples(labels, may_end, borders)
    if years := config.data.rotate_labels_years:
        samples = {name: rotate_labels(s, years, scale) for name, s in samples.items()}
    samples["train"] = subsample_dates(
        samples["train"], config.data.train_fraction, config.data.train_blocks_seed
    )
    _not_empty(samples, config, borders)
    return Dataset(
        features=features,
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
                "made": made,
            }
        ),
        walk_forward_window=config.data.walk_forward_window,
        undecided=int((undecided & traded & own_bars).sum()),
        coverage=coverage(_training_dates(samples["train"], config), loaded.releases),
        train_symbols=config.data.train_symbols,
    )


def _training_dates(train: Samples, config: ExperimentConfig) -> pl.Series:
    scored_dates = train.dates[train.symbols == config.data.score_on]
    return pl.Series(scored_dates if len(scored_dates) else train.dates)


def feature_array(
    table: pl.LazyFrame, names: Sequence[str]
) -> tuple[Float32[np.ndarray, "rows {len(names)}"], Bool[np.ndarray, " rows"]]:
    """The columns `names`, 0 where they are null or NaN; and which bars hold a whole tier.

    Read a few columns at a time into memory that `device.on_device` need not copy: thousands of
    features would otherwise be in memory several times.

    Returns:
        The columns, read-only, and whether all of a bar's are finite. Not of the series outside:
        where one has not begun its features are 0, "as usual", so that every column of the
        dataset matrix trains on the samples of the first.
    """
    rows = table.select(pl.len()).collect(engine="in-memory").item()
    array, complete = device.host_array(rows, len(names)), np.ones(rows, dtype=bool)
    for first in range(0, len(names), _COLUMNS_AT_A_TIME):
        columns = names[first : first + _COLUMNS_AT_A_TIME]
        block = array[:, first : first + len(columns)]
        block[:] = table.select(columns).collect(engine="in-memory").to_numpy()  # null: NaN
        own = [not name.startswith(COLUMN_PREFIX) for name in columns]
        complete &= np.isfinite(block).all(axis=1, where=own)
        np.copyto(block, 0.0, where=np.isnan(block))
    array.flags.writeable = False
    return array, complete


def _not_empty(
    samples: dict[str, Samples], config: ExperimentConfig, borders: protocol.Splits
) -> None:
    """Test may be empty: it is opened only on demand, perhaps before its data exists."""
    trained = config.data.train_symbols or config.data.symbols
    learned = {name: np.isin(samples[name].symbols, trained).sum() for name in samples}
    scored = is_scored(samples["validation"], config.data.score_on).sum()
    counts = {"train": learned["train"], "validation": min(scored, learned["validation"])}
    for name, count in counts.items():
        if not count:
            first, last = getattr(borders, name)
            raise EmptySplitError(
                f"the {name} split ({first or 'start'} to {last}) holds no sample of "
                f"{config.data.title} with {config.model.context} "
                f"{config.timescale} bars of context after the features' warm-up; "
                f"give it bars of those dates, or choose other data.splits "
                f"({', '.join(protocol.SPLITS)}, or dates of your own in exploratory mode, e.g. "
                "{train: 0.7, validation: 0.15})"
            )
