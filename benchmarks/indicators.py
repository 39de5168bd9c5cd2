"""Twelve common indicators of one symbol: by this engine, TA-Lib called directly, and pandas-ta."""

import contextlib
import importlib
from typing import Any

from benchmarks.features import BARS, simulated, timed
from benchmarks.harness import Benchmark, Picture, Row, main

TWELVE = (
    "sma_20", "std_20", "ema_20", "rsi_14", "macd", "macd_signal", "macd_histogram", "atr_14",
    "band_low", "band_middle", "band_high", "highest_20",
)  # fmt: skip


def seconds_by_library(repeats: int) -> dict[str, float]:
    """Best time of each library; pandas-ta only where it is installed."""
    import talib

    from mlxts.features.base_quantities import CLOSE, atr, ema, sma
    from mlxts.features.engine import build_symbol
    from mlxts.features.feature import Feature
    from mlxts.features.quantity import talib as indicator

    bars = simulated(0)
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    quantities = [
        sma(20), CLOSE.std(20), ema(20), indicator("RSI", CLOSE, timeperiod=14),
        *(indicator("MACD", CLOSE, output=place) for place in range(3)), atr(14),
        *(indicator("BBANDS", CLOSE, output=place, timeperiod=20) for place in range(3)),
        CLOSE.highest(20),
    ]  # fmt: skip
    features = tuple(
        Feature(name, "benchmark", "position", "ratio", quantity)
        for name, quantity in zip(TWELVE, quantities, strict=True)
    )

    def direct() -> None:
        talib.SMA(close, 20), talib.STDDEV(close, 20), talib.EMA(close, 20), talib.RSI(close, 14)
        talib.MACD(close), talib.ATR(high, low, close, 14), talib.BBANDS(close, 20)
        talib.MAX(close, 20)

    found = {
        "this engine": min(timed(lambda: build_symbol(bars, features))[0] for _ in range(repeats)),
        "TA-Lib, direct": min(timed(direct)[0] for _ in range(repeats)),
    }
    pandas_ta = _pandas_ta()
    if pandas_ta is None:
        return found
    table = bars.to_pandas()

    def pandas() -> None:
        for call in ("sma", "stdev", "ema"):
            getattr(pandas_ta, call)(table["close"], length=20)
        pandas_ta.rsi(table["close"])
        pandas_ta.macd(table["close"])
        pandas_ta.atr(table["high"], table["low"], table["close"])
        pandas_ta.bbands(table["close"], length=20)
        table["close"].rolling(20).max()

    return found | {"pandas-ta": min(timed(pandas)[0] for _ in range(repeats))}


def _pandas_ta() -> Any:
    """pandas-ta, or the continuation of it that has wheels for every Python; None without."""
    for name in ("pandas_ta", "pandas_ta_classic"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    return None


def measure(quick: bool) -> list[Row]:
    found = seconds_by_library(3 if quick else 30)
    return [{"by": name, "milliseconds": 1e3 * seconds} for name, seconds in found.items()]


BENCHMARK = Benchmark(
    name="indicators",
    question="How long do twelve common indicators of one symbol take?",
    measure=measure,
    columns={"by": "by", "milliseconds": "ms|.2f"},
    picture=Picture("bars", ("by",), "milliseconds"),
    notes=(f"Best of 30, {BARS:,} bars: {', '.join(TWELVE)}.",),
)

if __name__ == "__main__":
    main(BENCHMARK)
