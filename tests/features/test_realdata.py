"""What the features promise, on real bars: those of the demo, and of a folder that may be there."""

from pathlib import Path

import polars as pl
import pytest

from mlxts.data.sources.sample import SampleSource
from mlxts.features import audit, catalog, engine, tiers
from mlxts.features.correlation_filter import most_common
from mlxts.protocol import SPLITS

# All features on a fund and on the stocks with the oldest, the smallest and the wildest prices; on
# the others, which are like these, those of a small tier.
FEATURES = {
    **dict.fromkeys(("etf/SPY", "stock/KO", "stock/AAPL", "stock/NVDA"), 2000),
    **dict.fromkeys(("etf/DIA", "etf/QQQ"), 200),
    **{
        f"stock/{name}": 200
        for name in ("AMZN", "BAC", "HD", "JNJ", "JPM", "MSFT", "PG", "WMT", "XOM")
    },
}


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
@pytest.mark.parametrize("file", FEATURES)
def test_real_bars_keep_every_promise(file: str, realdata: Path) -> None:
    bars = _bars(pl.read_parquet(realdata / f"{file}.parquet"), file)
    names = tiers.tier(FEATURES[file])
    table = engine.build(bars.lazy(), names).select(names)
    values = dict(zip(names, table.select(pl.all().n_unique()).row(0), strict=True))
    assert [name for name in names if values[name] < 3] == []  # null is one value
    few = (1.0 - audit.ONE_VALUE) * table.height + 2  # with more values none is that common
    suspects = [name for name in names if values[name] <= few]
    assert [name for name in suspects if most_common(table[name]) > audit.ONE_VALUE] == []
    finite = table.select(pl.all().drop_nulls().is_finite().all()).row(0)
    assert [name for name, all_are in zip(names, finite, strict=True) if not all_are] == []
    warmup = {name: catalog.get(name).warmup for name in names}
    nulls = dict(zip(names, table.null_count().row(0), strict=True))
    assert nulls == warmup
    first = table.select(pl.col(name).head(warmup[name]).null_count() for name in names).row(0)
    assert dict(zip(names, first, strict=True)) == warmup
