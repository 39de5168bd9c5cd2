from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from mlxts.config.data import DataConfig
from mlxts.data import panel, store
from mlxts.data.artifacts import Artifact
from mlxts.data.sources.files import FilesSource
from mlxts.errors import ConfigError, DataError, IntegrityError

COLUMNS = [
    "date", "symbol", "open", "high", "low", "close", "volume",
    "raw_open", "raw_high", "raw_low", "raw_close", "raw_volume",
]  # fmt: skip


def register(frame: pl.DataFrame, symbol: str = "SPY", source: str = "files") -> Artifact:
    return store.register_raw(frame, source=source, symbol=symbol, parameters={})


def collected(config: DataConfig) -> pl.DataFrame:
    return panel.load(config).frame.collect(engine="in-memory")


def test_rows_are_sorted_by_symbol_and_date(workspace: Path, bars: pl.DataFrame) -> None:
    spy, dia = register(bars), register(bars[10:], "DIA")
    loaded = panel.load(DataConfig(symbols=("SPY", "DIA")))
    frame = loaded.frame.collect(engine="in-memory")
    assert frame.columns == COLUMNS
    assert_frame_equal(frame, frame.sort("symbol", "date"))
    assert loaded.artifacts == (dia, spy)
    assert frame.height == 2 * bars.height - 10


def test_oracle_columns_follow(workspace: Path, bars: pl.DataFrame) -> None:
    register(bars.with_columns(oracle_direction_h1=pl.lit(0.5)), source="simulated")
    assert collected(DataConfig(source="simulated")).columns == [*COLUMNS, "oracle_direction_h1"]


def test_adjusted_prices_are_left_alone(bars: pl.DataFrame) -> None:
    adjusted = panel.adjust(bars.with_columns(symbol=pl.lit("SPY")))
    for name in ("open", "high", "low", "close", "volume"):
        assert_series_equal(adjusted[name], bars[name])


def with_events(bars: pl.DataFrame, *, raw: bool) -> pl.DataFrame:
    """Bars as a vendor gives them: a 1 % dividend on row 50, and a 4:1 split on row 150.

    `raw`: prices and volumes before the split are as they were traded then.
    """
    index = np.arange(bars.height)
    dividend = np.where(index < 50, 1 / 0.99, 1.0)
    split = np.where(index < 150, 4.0, 1.0) if raw else np.ones(bars.height)
    prices = [
        pl.Series(n, bars[n].to_numpy() * dividend * split)
        for n in ("open", "high", "low", "close")
    ]
    return bars.with_columns(
        *prices,
        pl.Series("volume", bars["volume"].to_numpy() / split),
        pl.Series("splits", np.where(index == 150, 4.0, 0.0)),
        adj_close="close",
        symbol=pl.lit("SPY"),
    )


@pytest.mark.parametrize("raw", [True, False])
def test_splits_and_dividends_are_undone_whoever_adjusted_for_the_split(
    bars: pl.DataFrame, raw: bool
) -> None:
    given = with_events(bars, raw=raw)
    adjusted = panel.adjust(given)
    for name in ("open", "high", "low", "close", "volume"):
        assert_series_equal(adjusted[name], bars[name], rel_tol=1e-12)
        assert_series_equal(adjusted[f"raw_{name}"], given[name], check_names=False)


def test_adjustment_keeps_high_above_and_low_below(bars: pl.DataFrame) -> None:
    adjusted = panel.adjust(with_events(bars, raw=True))
    assert (
        adjusted["high"] >= adjusted.select(pl.max_horizontal("open", "close")).to_series()
    ).all()
    assert (
        adjusted["low"] <= adjusted.select(pl.min_horizontal("open", "close")).to_series()
    ).all()


def test_auto_is_the_newest_real_artifact(workspace: Path, bars: pl.DataFrame) -> None:
    register(bars, source="yahoo")
    newest = register(bars[5:])
    register(bars[7:], source="simulated")
    assert panel.load(DataConfig()).artifacts == (newest,)


def test_a_pinned_artifact_is_the_one_that_is_read(workspace: Path, bars: pl.DataFrame) -> None:
    old = register(bars)
    register(bars[5:])
    assert panel.load(DataConfig(artifact_sha256={"SPY": old.sha256})).artifacts == (old,)


def test_a_pin_that_nothing_satisfies_is_an_error(workspace: Path, bars: pl.DataFrame) -> None:
    register(bars)
    with pytest.raises(DataError, match="pinned to sha256 000000000000"):
        panel.load(DataConfig(artifact_sha256={"SPY": "0" * 64}))
    with pytest.raises(ConfigError, match=r"data\.artifact_sha256: QQQ"):
        panel.load(DataConfig(artifact_sha256={"QQQ": "0" * 64}))


def test_a_tampered_artifact_is_refused(workspace: Path, bars: pl.DataFrame) -> None:
    artifact = register(bars)
    artifact.file.chmod(0o644)
    artifact.file.write_bytes(artifact.file.read_bytes() + b"\0")
    with pytest.raises(IntegrityError, match=artifact.path):
        panel.load(DataConfig())


def test_a_series_of_values_is_no_panel(workspace: Path, bars: pl.DataFrame) -> None:
    register(bars.select("date", value="close"))
    with pytest.raises(DataError, match="holds a series of values"):
        panel.load(DataConfig())


@pytest.mark.realdata
def test_two_vendors_copies_of_spy_agree_after_adjustment(realdata: Path) -> None:
    """One copy is adjusted already, the other is raw with adjusted closes."""

    def read(name: str) -> pl.DataFrame:
        frame = FilesSource(realdata / "etf" / f"{name}.parquet").fetch("SPY").frame
        adjusted = panel.adjust(frame.with_columns(symbol=pl.lit("SPY")))
        returns, reach = pl.col("close").log().diff(), pl.col("high") / pl.col("close")
        return adjusted.select("date", r=returns, reach=reach)

    ready, raw = read("SPY"), read("SPY_RAW")
    both = ready.join(raw, on="date", suffix="_raw")
    assert both.height == 8396
    assert ((both["r"] - both["r_raw"]).abs() < 2e-4).all()
    assert ((both["reach"] - both["reach_raw"]).abs() < 2e-4).all()
