"""One figure of the report: drawn once, kept as SVG, PDF and the table of what it shows."""

import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlxts.files import atomic_path, write_text
from mlxts.report.figures import STYLE, UNSTAMPED

# Inches: a phone shows this width at about its own size, so that ten points stay readable.
WIDTH, HEIGHT = 4.8, 3.7
_TITLE = 52  # characters of a title's line at that width


@dataclass(frozen=True)
class Picture:
    """A figure and what belongs to it.

    Attributes:
        name: of its files.
        title: the cell that it is of. caption: what is shown, with units and intervals.
        data: everything that is drawn, as CSV beside it.
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
        with mpl.rc_context(fname=STYLE):
            figure = Figure(figsize=self.size, layout="constrained")
            axes = figure.subplots()
            title = "\n".join(textwrap.wrap(self.title, _TITLE))
            figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
            self.draw(axes)
            kept = io.StringIO()
            figure.savefig(kept, format="svg", metadata=UNSTAMPED[".svg"])
            with atomic_path(folder / f"{self.name}.pdf") as temporary:
                figure.savefig(temporary, format="pdf", metadata=UNSTAMPED[".pdf"])
        write_text(folder / f"{self.name}.svg", kept.getvalue())
        with atomic_path(folder / f"{self.name}.csv") as temporary:
            temporary.write_text(self.data.write_csv(), encoding="utf-8")
        return kept.getvalue()


def legend_below(axes: Axes, columns: int = 2) -> None:
    """The legend under the axes, where it covers nothing at any width."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    handles, labels = axes.get_legend_handles_labels()
    labels = [label.replace("\n", " ") for label in labels]
    figure.legend(
        handles, labels, loc="outside lower left", ncols=columns, fontsize=8, columnspacing=1.2
    )
