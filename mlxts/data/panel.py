"""From a data configuration to one sorted table of adjusted bars."""

from dataclasses import dataclass

import polars as pl

from mlxts.config.data import DataConfig
from mlxts.data import exogenous_catalog, exogenous_releases, store
from mlxts.data.artifacts import Artifact
from mlxts.data.exogenous_releases import Releases
from mlxts.data.sources.base import ORACLE_PREFIX, PLANTED, is_bars
from mlxts.errors import ConfigError, DataError

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Panel:
    """Bars of all the symbols of an experiment.

    Attributes:
        frame: sorted by (symbol, date): date, symbol, open, high, low, close, volume (adjusted),
            raw_open, raw_high, raw_low, raw_close, raw_volume, then oracle columns and the array of
            planted features, if any, then a column for each exogenous series, as of its release.
        artifacts: the raw files that were read, each verified against its hash; bars, then series.
        releases: the exogenous series, in the order of their columns.
        without_volume: the symbols whose volume is not known; it is null in all their rows.
    """

    frame: pl.LazyFrame
    artifacts: tuple[Artifact, ...]
    releases: tuple[Releases, ...] = ()
    without_volume: tuple[str, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Whose bars these are, sorted."""
        return tuple(a.symbol for a in self.artifacts[: len(self.artifacts) - len(self.releases)])


def load(data: DataConfig) -> Panel:
    """Read the newest (or pinned) artifact of each symbol and series, and adjust the prices.

    Raises:
        ConfigError: a symbol is pinned that is not read, or a series whose lag is not known.
        DataError: no artifact of a symbol or series, values where bars are needed or the other
            way round, or a series that ended long ago.
        IntegrityError: an artifact is missing or was changed.
    """
    unread = sorted(set(data.artifact_sha256) - {*data.symbols, *data.exogenous})
    if unread:
        raise ConfigError(
            f"data.artifact_sha256: {unread[0]} is not among data.symbols; add it there"
        )
    artifacts = tuple(choose(symbol, data) for symbol in sorted(data.symbols))
    adjusted = [adjust(_bars(artifact)) for artifact in artifacts]
    frame = pl.concat([bars.lazy() for bars in adjusted], how="diagonal")
    without_volume = tuple(
        artifact.symbol
        for artifact, bars in zip(artifacts, adjusted, strict=True)
        if bars["volume"].null_count() == bars.height
    )
    outside = [(exogenous_catalog.get(id_), choose_series(id_, data)) for id_ in data.exogenous]
    releases = tuple(
        exogenous_releases.releases(series, values(artifact)) for series, artifact in outside
    )
    exogenous_releases.require_alive(releases, max(artifact.last for artifact in artifacts))
    if releases:
        dates = frame.select("date").collect(engine="in-memory").to_series()
        seen = exogenous_releases.as_of(dates, releases).lazy()
        frame = frame.join(seen, on="date", how="left", maintain_order="left")
    read = (*artifacts, *(artifact for _, artifact in outside))
    return Panel(frame, read, releases, without_volume)


def choose(symbol: str, data: DataConfig) -> Artifact:
    """The bars that a configuration means. Raises DataError."""
    return _choose(symbol, data, store.auto() if data.source == "auto" else (data.source,))


def choose_series(id_: str, data: DataConfig) -> Artifact:
    """The values that a configuration means: from the series' own source or a file.

    Raises:
        ConfigError: nothing is known of the series.
        DataError: there is no artifact of it.
    """
    return _choose(id_, data, (exogenous_catalog.get(id_).source, "files"))


def _choose(symbol: str, data: DataConfig, sources: tuple[str, ...]) -> Artifact:
    pinned = data.artifact_sha256.get(symbol)
    if pinned is None:
        return store.find(symbol, sources)
    for artifact in store.raw_artifacts():
        if (artifact.symbol, artifact.sha256) == (symbol, pinned) and artifact.source in sources:
            return artifact
    raise DataError(
        f"{symbol} is pinned to sha256 {pinned[:12]}…, which no {' or '.join(sources)} artifact "
        "has; register that file or correct data.artifact_sha256"
    )


def adjust(bars: pl.DataFrame) -> pl.DataFrame:
    """Raw bars of one symbol with adjusted prices, and the raw ones in columns of their own.

    Prices: one factor per bar, adj_close / close (1 where adj_close is null). Volume: times the
    new shares per old one of every later split that the prices have not been adjusted for. That
    is read off the factor, which jumps by the split's ratio in such data and not otherwise:
    some vendors deliver prices and volumes that are split-adjusted already.
    """
    factor = (pl.col("adj_close") / pl.col("close")).fill_null(1.0)
    jump, ratio = (factor / factor.shift(1)).log(), pl.col("splits").log()
    unadjusted = (pl.col("splits") > 0) & ((jump - ratio).abs() < jump.abs())
    shares = pl.when(unadjusted).then("splits").otherwise(1.0)
    later = shares.shift(-1, fill_value=1.0).cum_prod(reverse=True)
    oracles = [name for name in bars.columns if name.startswith(ORACLE_PREFIX)]
    return bars.sort("date").select(
        "date",
        "symbol",
        *((pl.col(name) * factor).alias(name) for name in PRICES),
        (pl.col("volume") * later).alias("volume"),
        *(pl.col(name).alias(f"raw_{name}") for name in (*PRICES, "volume")),
        *oracles,
        *([PLANTED] if PLANTED in bars.columns else []),
    )


def _bars(artifact: Artifact) -> pl.DataFrame:
    frame = store.load(artifact)
    if not is_bars(frame):
        raise DataError(
            f"{artifact.path} holds a series of values, not bars; data.symbols needs open, high, "
            f"low, close and volume of {artifact.symbol}"
        )
    return frame.with_columns(pl.lit(artifact.symbol).alias("symbol"))


def values(artifact: Artifact) -> pl.DataFrame:
    """The values of a registered series, by date. Raises DataError: it holds bars."""
    frame = store.load(artifact)
    if is_bars(frame):
        raise DataError(
            f"{artifact.path} holds bars, not a series of values; import {artifact.symbol} with "
            "--values"
        )
    return frame.sort("date")
