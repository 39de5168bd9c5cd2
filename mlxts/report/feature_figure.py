"""A feature under the price that it was computed from."""

from pathlib import Path

import matplotlib as mpl
import polars as pl
from matplotlib.figure import Figure

from mlxts.errors import ConfigError
from mlxts.files import atomic_path
from mlxts.report.figures import STYLE, UNSTAMPED


def draw(bars: pl.DataFrame, values: pl.Series, unit: str, target: Path) -> None:
    """Write a figure of two panels with one time axis: closes (log scale), then the feature.

    Args:
        bars: date, symbol, close.
        values: the feature on the same bars.
        target: its suffix decides the format.

    Raises:
        ConfigError: a format that is not drawn.
        StorageError: it could not be written.
    """
    if target.suffix not in UNSTAMPED:
        raise ConfigError(f"{target}: a figure is written as {' or '.join(UNSTAMPED)}")
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(10, 5.5), layout="constrained")
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
        with atomic_path(target) as temporary:
            figure.savefig(temporary, metadata=UNSTAMPED[target.suffix])
