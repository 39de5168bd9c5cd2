"""What the features promise, on real bars: those of the demo, and of a folder that may be there."""

from pathlib import Path

import polars as pl
import pytest

from mlxts.data.sources.sample import SampleSource
from mlxts.features import audit, catalog, engine, tiers
from mlxts.features.correlation_filter import most_common
from mlxts.protocol import SPLITS

FILES = [
    *(f"etf/{name}" for name in ("SPY", "DIA", "QQQ")),
    *(
        f"stock/{name}"
        for name in (
            "AAPL", "AMZN", "BAC", "HD", "JNJ", "JPM", "KO", "MSFT", "NVDA", "PG", "WMT", "XOM",
        )
    ),
]  # fmt: skip


def _bars(frame: pl.DataFrame, symbol: str) -> pl.DataFrame:
    return frame.select(
        "date",
        pl.lit(symbol).alias("symbol"),
        *(pl.col(name).cast(pl.Float64) for name in ("open", "high", "low", "close", "volume")),
    )


@pytest.mark.parametrize("symbol", ["SP500", "NASDAQ"])
def test_the_demo_bars_keep_every_promise(symbol: str) -> None:
    bars = _bars(SampleSource().fetch(symbol).frame, symbol)
    found = audit.audit(bars, tiers.tier(200), SPLITS["sample"], [bars.height - 1])
    assert found.ok, found


@pytest.mark.realdata
@pytest.mark.parametrize("file", FILES)
def test_real_bars_keep_every_promise(file: str, realdata: Path) -> None:
    bars = _bars(pl.read_parquet(realdata / f"{file}.parquet"), file)
    names = tiers.tier(2000)
    table = engine.build(bars.lazy(), names)
    columns = [table[name] for name in names]
    assert [c.name for c in columns if c.n_unique() < 3] == []  # null is one value
    assert [c.name for c in columns if most_common(c) > audit.ONE_VALUE] == []
    assert [c.name for c in columns if not c.drop_nulls().is_finite().all()] == []
    assert [
        c.name
        for c in columns
        if c.null_count() != catalog.get(c.name).warmup or c.head(c.null_count()).count()
    ] == []
