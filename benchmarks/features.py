"""How long features take: by tier and symbols, against the time to merely write them down.

Each measurement is a process of its own (peak memory is a process's), the best of several runs
counts, and simulated bars stand for a symbol of 33 years. Below it, twelve common indicators by
this engine, by TA-Lib called directly and by pandas-ta where it is installed.
"""

import contextlib
import importlib
import json
import subprocess
import sys
from time import perf_counter
from typing import Any

from mlxts.cli.output import table

ROWS = 8_300
CASES = [(size, symbols) for symbols in (1, 15) for size in (20, 50, 100, 200, 500, 1000, 2000)]
AIMS = {(2000, 1): (0.6, None), (2000, 15): (8.0, 1.5)}  # seconds, GB
RUNS = {1: 7, 15: 2}
TWELVE = (
    "sma_20", "std_20", "ema_20", "rsi_14", "macd", "macd_signal", "macd_histogram", "atr_14",
    "band_low", "band_middle", "band_high", "highest_20",
)  # fmt: skip


def measure(size: int, symbols: int) -> dict[str, float]:
    """Best seconds of the engine, and of writing as many float32 columns; peak memory in GB."""
    import resource

    import numpy as np
    import polars as pl

    from mlxts.features import engine, tiers

    frame = pl.concat([simulated(seed) for seed in range(symbols)]).lazy()
    names = tiers.tier(size)
    engine.build(frame, names)  # plans and allocates
    seconds = min(timed(lambda: engine.build(frame, names)) for _ in range(RUNS[symbols]))
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    source = np.zeros(ROWS * symbols, dtype=np.float32)
    floor = min(timed(lambda: [source.copy() for _ in range(size)]) for _ in range(5))
    return {"seconds": seconds, "floor": floor, "gigabytes": gigabytes}


def simulated(seed: int):
    """Bars of one symbol with clustered volatility."""
    from datetime import date, timedelta

    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    level = 0.01 * np.exp(np.cumsum(rng.normal(0, 0.05, ROWS)) * 0.1)
    close = 100 * np.exp(np.cumsum(level * rng.standard_t(5, ROWS)))
    opened = np.roll(close, 1) * np.exp(0.3 * level * rng.normal(size=ROWS))
    reach = level * np.abs(rng.normal(size=(2, ROWS)))
    first = date(1993, 1, 29)
    return pl.DataFrame(
        {
            "symbol": f"S{seed:02d}",
            "date": [first + timedelta(days=day * 7 // 5) for day in range(ROWS)],
            "open": opened,
            "high": np.maximum(opened, close) * np.exp(reach[0]),
            "low": np.minimum(opened, close) * np.exp(-reach[1]),
            "close": close,
            "volume": np.exp(rng.normal(17, 0.4, ROWS)),
        }
    )


def timed(action) -> float:
    began = perf_counter()
    action()
    return perf_counter() - began


def twelve() -> dict[str, float]:
    """Best milliseconds for twelve indicators of one symbol."""
    import talib

    from mlxts.features.engine import build_symbol
    from mlxts.features.feature import Feature
    from mlxts.features.quantity import talib as indicator
    from mlxts.features.shared import CLOSE, atr, ema, sma

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
        "this engine": min(timed(lambda: build_symbol(bars, features)) for _ in range(30)),
        "TA-Lib, direct": min(timed(direct) for _ in range(30)),
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

    return found | {"pandas-ta": min(timed(pandas) for _ in range(10))}


def _pandas_ta() -> Any:
    """pandas-ta, or the continuation of it that has wheels for every Python; None without."""
    for name in ("pandas_ta", "pandas_ta_classic"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    return None


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
        return
    rows = []
    for size, symbols in CASES:
        command = [sys.executable, __file__, str(size), str(symbols)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        seconds, memory = AIMS.get((size, symbols), (None, None))
        aim = "" if seconds is None else f"{1e3 * seconds:,.0f} ms"
        aim += "" if memory is None else f", {memory} GB"
        rows.append(
            [
                size,
                symbols,
                f"{1e3 * found['seconds']:,.0f}",
                f"{found['gigabytes']:.2f}",
                f"{found['floor'] / found['seconds']:.1%}",
                aim,
            ]
        )
    columns = ["features", "symbols", "ms", "peak GB", "of it: writing floor", "aim"]
    table(f"Features of {ROWS:,} bars a symbol", columns, rows)
    shown = [[name, f"{1e3 * seconds:.2f}"] for name, seconds in twelve().items()]
    table("Twelve indicators of one symbol", ["by", "ms"], shown)


if __name__ == "__main__":
    main()
