"""One table of the report: shown on the page, kept as CSV (every column, unrounded) and LaTeX."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mlxts.files import atomic_path, write_text
from mlxts.report import latex, words

Form = str | Callable[[Any], str]
_LINE = 24  # characters that are never broken


@dataclass(frozen=True)
class Column:
    """One column that is shown.

    Attributes:
        key: of the value in a row. title: its heading, with the unit.
        form: a format specification or a function of the value; by default what suits its type.
        ends: keys of the lower and upper end of its interval, shown in brackets.
    """

    key: str
    title: str
    form: Form = ""
    ends: tuple[str, str] | None = None

    def text(self, row: dict[str, Any]) -> str:
        """The value as it is shown."""
        return self._said(row.get(self.key))

    def raw(self, row: dict[str, Any]) -> str:
        """What a column of numbers is sorted by; empty where nothing is known."""
        value = row.get(self.key)
        return repr(value) if words.known(value) else ""

    def interval(self, row: dict[str, Any]) -> str:
        """`[low, high]`, empty where there is none."""
        if self.ends is None or not all(words.known(row.get(end)) for end in self.ends):
            return ""
        low, high = (self._said(row[end]) for end in self.ends)
        return f"[{low}, {high}]"

    def _said(self, value: Any) -> str:
        if not words.known(value):
            return words.ABSENT
        if not isinstance(self.form, str):
            return self.form(value)
        if self.form:
            return format(value, self.form).replace("-", "−")
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return f"{value:,}"
        return f"{value:.4f}".replace("-", "−") if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Table:
    """Rows, and which of their values are shown how.

    Attributes:
        name: of its files. title: one line above it. note: how to read it.
        rows: dicts with the same keys; the CSV holds them all.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[dict[str, Any]]
    note: str = ""

    def numeric(self, column: Column) -> bool:
        """Whether a column is aligned to the right."""
        values = [row.get(column.key) for row in self.rows if words.known(row.get(column.key))]
        return bool(values) and all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in values
        )

    @property
    def shapes(self) -> list[str]:
        """The class of each column on the page: `number`, `word` (one line) or `text`."""
        return [self._shape(column) for column in self.columns]

    def _shape(self, column: Column) -> str:
        if self.numeric(column):
            return "number"
        longest = max((len(column.text(row)) for row in self.rows), default=0)
        return "text" if longest > _LINE else "word"

    def write(self, folder: Path) -> None:
        """Write `<name>.csv` and `<name>.tex`. Raises StorageError."""
        # Without a row there is still a heading, so that whoever reads the file knows its columns.
        keys = None if self.rows else [column.key for column in self.columns]
        frame = pl.DataFrame(list(self.rows), schema=keys, infer_schema_length=None)
        with atomic_path(folder / f"{self.name}.csv") as temporary:
            temporary.write_text(frame.write_csv(), encoding="utf-8")
        body = [
            [" ".join((c.text(row), c.interval(row))).strip() for c in self.columns]
            for row in self.rows
        ]
        text = latex.tabular(
            [column.title for column in self.columns],
            body,
            [self.numeric(column) for column in self.columns],
            caption=self.title,
            label=f"tab:{self.name}",
            note=self.note,
        )
        write_text(folder / f"{self.name}.tex", text)
