"""One part of a page or a paper: its text, figures and tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxts.tables import Table

if TYPE_CHECKING:
    from mlxts.report.figure import Picture


@dataclass(frozen=True)
class Section:
    """One part.

    Attributes:
        key: its anchor. title: its heading; in a paper a part may have none.
        text: paragraphs. missing: what to run, where there is nothing to show.
    """

    key: str
    title: str
    text: Sequence[str] = ()
    pictures: "Sequence[Picture]" = ()
    tables: Sequence[Table] = ()
    missing: Sequence[str] = ()

    def markdown(self) -> str:
        """Heading, figures, tables and text of a paper; figures lie beside it."""
        heading = [f"## {self.title}"] * bool(self.title)
        pictures = [f"![{p.title}]({p.name}.svg)\n\n*{p.description}*" for p in self.pictures]
        tables = [table.markdown() for table in self.tables]
        return "\n\n".join([*heading, *self.missing, *pictures, *tables, *self.text])
