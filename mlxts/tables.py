"""One table and its faces: a terminal's, HTML, Markdown, CSV and LaTeX."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxts.files import write_text
from mlxts.formats import MINUS, Format, interval, is_known, number

if TYPE_CHECKING:
    from markupsafe import Markup
    from rich.table import Table as RichTable

Row = Mapping[str, Any]

_WORD = 24  # characters of a cell that HTML never breaks
_NARROW = 12  # characters that a column of texts needs on a terminal
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "−": "$-$", "–": "--", "×": r"$\times$", "±": r"$\pm$", "·": r"$\cdot$", "<": "$<$",
    ">": "$>$", "\n": " ",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: of the value in a row. title: its heading, with the unit; by default the key.
        form: a format specification or a function of the value; by default what suits its type.
        ends: keys of the lower and upper end of its interval, in brackets.
        ends_form: format of the ends, where it is shorter than the value's.
    """

    key: str
    title: str | None = None
    form: Format = ""
    ends: tuple[str, str] | None = None
    ends_form: Format = ""

    @property
    def heading(self) -> str:
        return self.key.replace("_", " ") if self.title is None else self.title

    def text(self, row: Row, minus: str = "-") -> str:
        """The formatted value."""
        value = row.get(self.key)
        text = number(value, self.form)
        return text.replace("-", minus) if isinstance(value, int | float) else text

    def interval(self, row: Row, minus: str = "-", between: str = ", ") -> str:
        """`[low, high]`, empty where there is none."""
        if self.ends is None:
            return ""
        low, high = map(row.get, self.ends)
        return interval(low, high, self.ends_form or self.form, between).replace("-", minus)

    def noted(self, row: Row, minus: str = "-") -> list[str]:
        """Lines under another value: a number with its heading, a text alone; none if not known."""
        value, text = row.get(self.key), self.text(row, minus)
        if not is_known(value) or value == "":
            return []
        named = text if isinstance(value, str) else f"{self.heading} {text}"
        return [named, self.interval(row, minus)]

    def numeric(self, rows: Iterable[Row]) -> bool:
        """Whether all values that are known are numbers: then they are aligned to the right."""
        values = [row[self.key] for row in rows if is_known(row.get(self.key))]
        return bool(values) and all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in values
        )


def ranged(key: str, title: str | None, form: Format, ends_form: Format = "") -> Column:
    """A column of a figure whose interval is in `<key>_low` and `<key>_high`."""
    return Column(key, title, form, (f"{key}_low", f"{key}_high"), ends_form)


def with_ends(figures: Row) -> dict[str, Any]:
    """Figures of the evaluator as a row: each `interval` as `<key>_low` and `<key>_high`."""
    row = dict(figures)
    for key, (low, high) in (row.pop("interval", None) or {}).items():
        row |= {f"{key}_low": low, f"{key}_high": high}
    return row


@dataclass(frozen=True)
class Table:
    """Rows, and the columns and formats of their values.

    Attributes:
        title: what it shows.
        columns: in order, by their keys where nothing but the key is needed; those of a tuple
            share one column of a terminal and of a page, one under the other.
        rows: mappings with the same keys; CSV holds them all.
        note: how to read it. name: of its files.
    """

    title: str
    columns: Sequence[Column | str | tuple[Column | str, ...]]
    rows: Sequence[Row]
    note: str = ""
    name: str = ""

    @classmethod
    def of(cls, title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> "Table":
        """A table of rows whose values are in the order of the headings."""
        keys = [str(index) for index, _ in enumerate(headings)]
        return cls(
            title,
            [*map(Column, keys, headings)],
            [dict(zip(keys, row, strict=True)) for row in rows],
        )

    @property
    def flat(self) -> list[Column]:
        """All columns, each by itself."""
        return [column for group in self._groups() for column in group]

    def _groups(self) -> list[tuple[Column, ...]]:
        groups = [column if isinstance(column, tuple) else (column,) for column in self.columns]
        return [tuple(Column(c) if isinstance(c, str) else c for c in group) for group in groups]

    def rich(self, style: Callable[[Row], str] = lambda row: "", *, width: int = 80) -> "RichTable":
        """For a terminal: intervals under their values, and nothing is cut off.

        Args:
            style: of a row, as rich names styles.
            width: of the terminal, characters.
        """
        from rich.markup import escape
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(title=escape(self.title), title_justify="left", title_style="bold")
        groups = self._groups()
        lines = [
            [
                [t for c in group for t in (c.text(row), c.interval(row, between=",")) if t]
                for row in self.rows
            ]
            for group in groups
        ]
        figures = [
            any(c.ends for c in group) or all(c.numeric(self.rows) for c in group)
            for group in groups
        ]
        # Figures stay in one line where the other columns keep room for a word.
        widths = [max((len(text) for cell in cells for text in cell), default=0) for cells in lines]
        needed = [w if f else _NARROW for w, f in zip(widths, figures, strict=True)]
        fits = sum(needed) + 3 * len(groups) + 1 <= width
        for group, figure, longest in zip(groups, figures, widths, strict=True):
            numbers = [c for c in group if any(is_known(row.get(c.key)) for row in self.rows)]
            right = bool(numbers) and all(column.numeric(self.rows) for column in numbers)
            headings = [column.heading for column in group]
            if figure and fits:  # no wider than the figures, but for its words
                headings = ["\n".join(_broken(heading, longest)) for heading in headings]
            table.add_column(
                escape("\n".join(headings)),
                justify="right" if right else "left",
                overflow="fold",
                no_wrap=figure and fits,
            )
        for row, cells in zip(self.rows, zip(*lines, strict=True), strict=False):
            table.add_row(*(Text("\n".join(texts)) for texts in cells), style=style(row))
        return table

    def html(self, files: "str | Markup" = "", *, sortable: bool = True) -> "Markup":
        """For a page: values that a script can sort by; intervals, and what shares a column with
        others, in small print.

        Args:
            files: behind the title, markup that leads to the other faces.
            sortable: headings are buttons of that script.
        """
        from markupsafe import Markup

        groups = self._groups()
        shapes = [self._shape(first) for first, *_ in groups]
        heading = Markup('<button type="button">{}</button>' if sortable else "{}")
        head = Markup('<th scope="col" class="{}">{}</th>\n')
        lines = [
            Markup('<div class="table">\n<table>\n<caption>{}\n{}</caption>\n<thead><tr>\n').format(
                self.title, files
            ),
            *(
                head.format(shape, heading.format(first.heading))
                for shape, (first, *_) in zip(shapes, groups, strict=True)
            ),
            Markup("</tr></thead>\n<tbody>\n"),
        ]
        small = Markup(" <small>{}</small>")
        for row in self.rows:
            lines.append(Markup("<tr>\n"))
            for shape, (first, *others) in zip(shapes, groups, strict=True):
                value, ends = row.get(first.key), first.interval(row, MINUS)
                by = Markup(' data-value="{}"').format(repr(value) if is_known(value) else "")
                notes = [ends, *(note for c in others for note in c.noted(row, MINUS))]
                lines.append(
                    Markup('<td class="{}"{}>{}{}</td>\n').format(
                        shape,
                        by if shape == "number" else "",
                        first.text(row, MINUS),
                        Markup("").join(small.format(note) for note in notes if note),
                    )
                )
            lines.append(Markup("</tr>\n"))
        return Markup("").join([*lines, Markup("</tbody>\n</table>\n</div>\n")])

    def _shape(self, column: Column) -> str:
        """The class of a column on a page: `number`, `word` (one line) or `text`."""
        if column.numeric(self.rows):
            return "number"
        longest = max((len(column.text(row)) for row in self.rows), default=0)
        return "text" if longest > _WORD else "word"

    def markdown(self) -> str:
        """For a document; a bar inside a cell is escaped. Title and note are the document's."""
        dashes = ["---:" if column.numeric(self.rows) else "---" for column in self.flat]
        lines = [[column.heading for column in self.flat], dashes, *self._texts(MINUS)]
        return "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
        )

    def csv(self) -> str:
        """Every key of the rows, unrounded; without a row the headings' keys."""
        import polars as pl

        keys = None if self.rows else [column.key for column in self.flat]
        rows = [dict(row) for row in self.rows]
        return pl.DataFrame(rows, schema=keys, infer_schema_length=None).write_csv()

    def latex(self) -> str:
        """A floating `tabular` between `booktabs` rules, to be read in with \\input."""
        aligned = "".join("r" if column.numeric(self.rows) else "l" for column in self.flat)
        lines = [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            "\\centering\\small",
            f"\\caption{{{_escape(self.title)}}}",
            f"\\label{{tab:{self.name}}}",
            f"\\begin{{tabular}}{{{aligned}}}",
            "\\toprule",
            _latex_row(column.heading for column in self.flat),
            "\\midrule",
            *map(_latex_row, self._texts(MINUS)),
            "\\bottomrule",
            "\\end{tabular}",
            *([f"\n\\smallskip\\footnotesize {_escape(self.note)}"] if self.note else []),
            "\\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def _texts(self, minus: str) -> list[list[str]]:
        """Each row's cells, a value and its interval in one line."""
        return [
            [f"{c.text(row, minus)} {c.interval(row, minus)}".strip() for c in self.flat]
            for row in self.rows
        ]

    def write(self, folder: Path) -> None:
        """Write `<name>.csv` and `<name>.tex`. Raises StorageError."""
        write_text(folder / f"{self.name}.csv", self.csv())
        write_text(folder / f"{self.name}.tex", self.latex())


def markdown(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of a document."""
    return Table.of("", headings, rows).markdown()


def _broken(heading: str, width: int) -> list[str]:
    words = max(map(len, heading.split()), default=1)
    return textwrap.wrap(heading, max(width, words, _NARROW), break_on_hyphens=False)


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(map(_escape, cells)) + r" \\"
