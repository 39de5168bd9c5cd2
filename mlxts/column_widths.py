"""How wide each column of a table is on a terminal: words and figures stay whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

_WORD = 48  # characters of a word that is never broken; a path may have more
_PROSE = 24  # characters that a column of longer texts should have
_BORDERS = 3  # characters that a column takes besides its text; a table takes one more


@dataclass(frozen=True)
class TextColumn:
    """What stands in one column of a terminal.

    Attributes:
        headings: one under the other.
        cells: of each row its lines.
        whole: whether its lines are figures, which are not broken between words either.
        right: whether it is aligned to the right.
    """

    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    whole: bool
    right: bool

    @cached_property
    def longest(self) -> int:
        """Width at which no line is broken."""
        return max([self.widest, *map(_cells, self.headings)])

    @cached_property
    def least(self) -> int:
        """Width below which a word or a figure would be broken."""
        words = max(map(_cells, _words((*self.headings, *self._lines))), default=0)
        return max(self.widest, words) if self.whole else min(words, _WORD)

    @cached_property
    def preferred(self) -> int:
        """As `longest`, but headings and long texts may be broken between words."""
        return max(self.least, self.widest if self.whole else min(self.widest, _PROSE))

    @cached_property
    def widest(self) -> int:
        """Width at which no line but of the heading is broken."""
        return max(map(_cells, self._lines), default=0)

    @property
    def _lines(self) -> list[str]:
        return [part for cell in self.cells for line in cell for part in line.split("\n")]


def fits(columns: Sequence[TextColumn], width: int, *, closely: bool = False) -> bool:
    """Whether columns have room in so many characters.

    Args:
        closely: every text may be broken between any two words.
    """
    needed = sum(column.least if closely else column.preferred for column in columns)
    return needed <= _inside(columns, width)


def parts(columns: Sequence[TextColumn], width: int) -> list[list[TextColumn]]:
    """Columns in parts that fit, each of which begins with the first column.

    Returns:
        No part where the first column leaves too little room for one of the others.
    """
    first, *others = columns
    found = [[first]]
    for column in others:
        if not fits([first, column], width, closely=True):
            return []
        if not fits([*found[-1], column], width) and len(found[-1]) > 1:
            found.append([first])
        found[-1].append(column)
    return found


def shared(columns: Sequence[TextColumn], width: int) -> list[int]:
    """The width of each column: what it needs, and the rest to those that would like more."""
    widths = [min(column.least, column.longest) for column in columns]
    rest = _inside(columns, width) - sum(widths)
    wanting = [i for i, column in enumerate(columns) if column.longest > widths[i]]
    while rest > 0 and wanting:
        # The columns that want least get all they want; then fewer share what is left.
        share = max(1, rest // len(wanting))
        for i in wanting:
            more = min(share, columns[i].longest - widths[i], rest)
            widths[i] += more
            rest -= more
        wanting = [i for i in wanting if columns[i].longest > widths[i]]
    return widths


def _inside(columns: Sequence[TextColumn], width: int) -> int:
    return width - _BORDERS * len(columns) - 1


def _words(lines: Sequence[str]) -> list[str]:
    return [word for line in lines for word in line.split()]


def _cells(text: str) -> int:
    """Characters of a terminal that a text takes; some letters take two."""
    from rich.cells import cell_len

    return cell_len(text)
