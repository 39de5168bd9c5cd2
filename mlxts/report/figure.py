"""The one writer of figures: the report's style, and the same figure gives the same bytes."""

import io
import textwrap
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mlxts import formats
from mlxts.errors import ConfigError
from mlxts.files import atomic_path, write_text
from mlxts.report import palette

STYLE = Path(__file__).with_name("style.mplstyle")
# Inches: a phone shows this width at about its own size, so that ten points stay readable.
WIDTH, HEIGHT = 4.8, 3.7

_UNSTAMPED = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
}
_NEAR = 2.0  # times what is drawn: a level farther away would flatten all of it
_LARGE = 1e4
_TITLE = 52  # characters of a title's line at that width


class ShownFigure(Figure):
    """A figure that a notebook shows by itself, whatever its backend of matplotlib."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        with mpl.rc_context(fname=STYLE):
            self.savefig(png, format="png", metadata=_UNSTAMPED[".png"])
        return png.getvalue()


@contextmanager
def drawing(*targets: Path, size: tuple[float, float], title: str = "") -> Generator[ShownFigure]:
    """A figure to draw on, written to `targets` when the block ends; suffixes decide the formats.

    Args:
        size: inches. title: above all panels.

    Raises:
        ConfigError: a format that is not drawn.
        StorageError: a target cannot be written.
    """
    for target in targets:
        if target.suffix not in _UNSTAMPED:
            raise ConfigError(f"{target}: a figure is written as {' or '.join(_UNSTAMPED)}")
    with mpl.rc_context(fname=STYLE):
        figure = ShownFigure(figsize=size, layout="constrained")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        yield figure
        for target in targets:
            with atomic_path(target) as temporary:
                figure.savefig(temporary, metadata=_UNSTAMPED[target.suffix])


@dataclass(frozen=True)
class Picture:
    """A figure and what belongs to it.

    Attributes:
        name: of its files.
        title: its cell. settings: which of the cell's models it is of, and what it shows of them.
        caption: how to read it, with units and intervals.
        data: everything that is drawn, written as CSV next to it.
        draw: puts it onto its axes, one for each panel.
        size: inches. panels: their heights, one above the other over one x-axis.
    """

    name: str
    title: str
    caption: str
    data: pl.DataFrame
    draw: Callable[..., None]
    settings: str = ""
    size: tuple[float, float] = (WIDTH, HEIGHT)
    panels: tuple[float, ...] = (1.0,)

    @property
    def description(self) -> str:
        """Settings and caption."""
        return f"{self.settings}. {self.caption}" if self.settings else self.caption

    def write(self, folder: Path) -> str:
        """Write `<name>.svg`, `.pdf` and `.csv`; the same picture gives the same bytes.

        Returns:
            The SVG.

        Raises:
            StorageError: one of them cannot be written.
        """
        svg, pdf = (folder / f"{self.name}{suffix}" for suffix in (".svg", ".pdf"))
        with drawing(svg, pdf, size=self.size) as figure:
            axes = figure.subplots(
                len(self.panels), sharex=True, height_ratios=self.panels, squeeze=False
            )
            title = "\n".join(textwrap.wrap(self.title, _TITLE))
            figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
            self.draw(*axes[:, 0])
        write_text(folder / f"{self.name}.csv", self.data.write_csv())
        return svg.read_text(encoding="utf-8")


def legend_below(axes: Axes, columns: int = 2) -> None:
    """The legend under the axes, where it covers nothing at any width."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    handles, labels = axes.get_legend_handles_labels()
    labels = [label.replace("\n", " ") for label in labels]
    figure.legend(
        handles, labels, loc="outside lower left", ncols=columns, fontsize=8, columnspacing=1.2
    )


def levels(axes: Axes, losses: Mapping[str, float]) -> None:
    """Losses of models as lines across what is drawn already; one far away is only named."""
    low, high = axes.dataLim.intervaly
    near = _NEAR * (high - low)
    for model, loss in losses.items():
        label = f"{model} {formats.loss(loss)}"
        if low - near <= loss <= high + near:
            axes.axhline(loss, label=label, linewidth=1.3, **palette.line(model))
        else:
            where = "above" if loss > high else "below"
            axes.plot([], [], label=f"{label}, {where}", linewidth=1.3, **palette.line(model))
    axes.margins(y=0.08)


def powers_of_ten(axes: Axes) -> None:
    """Ticks of a logarithmic x-axis as 10ⁿ; below 10,000 as they are."""
    first, last = axes.get_xlim()
    if last < 4 * first:  # a log scale would have one tick or the same label twice
        axes.xaxis.set_major_locator(MaxNLocator(4))
    else:
        few = last < 100 * first  # decades alone would leave a tick or none
        subs = (1.0, 2.0, 5.0) if few else (1.0,)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=7))
    form = _power_of_ten if last > _LARGE else "{:,.10g}".format
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: form(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _power_of_ten(value: float) -> str:
    """5e9 as 5·10⁹, 1e12 as 10¹²."""
    mantissa, exponent = f"{value:.2e}".split("e")
    times = "" if float(mantissa) == 1.0 else rf"{float(mantissa):g}\cdot"
    return f"${times}10^{{{int(exponent)}}}$"
