"""The one writer of figures: the report's style, and the same figure gives the same bytes."""

import textwrap
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlxts.errors import ConfigError
from mlxts.files import atomic_path, write_text

STYLE = Path(__file__).with_name("style.mplstyle")
# Inches: a phone shows this width at about its own size, so that ten points stay readable.
WIDTH, HEIGHT = 4.8, 3.7

_UNSTAMPED = {
    ".svg": {"Date": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
}
_TITLE = 52  # characters of a title's line at that width


@contextmanager
def drawing(*targets: Path, size: tuple[float, float], title: str = "") -> Generator[Figure]:
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
        figure = Figure(figsize=size, layout="constrained")
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
        title: its cell. caption: its content, with units and intervals.
        data: everything that is drawn, written as CSV next to it.
        draw: puts it onto axes.
        size: inches.
    """

    name: str
    title: str
    caption: str
    data: pl.DataFrame
    draw: Callable[[Axes], None]
    size: tuple[float, float] = (WIDTH, HEIGHT)

    def write(self, folder: Path) -> str:
        """Write `<name>.svg`, `.pdf` and `.csv`; the same picture gives the same bytes.

        Returns:
            The SVG.

        Raises:
            StorageError: one of them cannot be written.
        """
        svg, pdf = (folder / f"{self.name}{suffix}" for suffix in (".svg", ".pdf"))
        with drawing(svg, pdf, size=self.size) as figure:
            axes = figure.subplots()
            title = "\n".join(textwrap.wrap(self.title, _TITLE))
            figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
            self.draw(axes)
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
