"""A feature under the price that it was computed from."""

from pathlib import Path

import polars as pl

from mlxts.report.figure import drawing


def draw(bars: pl.DataFrame, values: pl.Series, unit: str, target: Path) -> None:
    """Write a figure of two panels with one time axis: closes (log scale), then the feature.

    Args:
        bars: date, symbol, close.
        values: the feature on the same bars.
        target: its suffix decides the format.

    Raises:
        ConfigError, StorageError: see `figure.drawing`.
    """
    with drawing(target, size=(10, 5.5)) as figure:
        price, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        dates = bars["date"].to_numpy()
        price.plot(dates, bars["close"].to_numpy(), linewidth=0.9)
        price.set_yscale("log")
        for show_as in (price.yaxis.set_major_formatter, price.yaxis.set_minor_formatter):
            show_as("{x:g}")  # prices as they are quoted, not powers of ten
        price.set_ylabel(f"{bars['symbol'][0]}, close")
        below.plot(dates, values.to_numpy(), linewidth=0.9)
        below.axhline(0.0, color="grey", linewidth=0.6)
        below.set_ylabel(unit)
        below.set_title(values.name, loc="left", fontsize="medium")
