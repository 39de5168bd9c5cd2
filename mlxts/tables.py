"""One table and its faces: a terminal's, HTML, Markdown, CSV and LaTeX."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxts import column_widths
from mlxts.column_widths import TextColumn
from mlxts.files import write_text
from mlxts.formats import MINUS, Format, interval, is_known, number

if TYPE_CHECKING:
    from markupsafe import Markup
    from rich.console import Group as RichGroup
    from rich.table import Table as RichTable

Row = Mapping[str, Any]

_WORD = 24  # characters of a cell that HTML never breaks
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

    def rich(
        self, style: Callable[[Row], str] = lambda row: "", *, width: int = 80
    ) -> "RichTable | RichGroup":
        """For a terminal: as few lines a row as its width allows, and no word is broken.

        Columns of a group, and values and their intervals, stand side by side where there is room,
        else one under the other. What does not fit even then follows in another table, which
        begins with the first column again; or else each row is a list of its values.

        Args:
            style: of a row, as rich names styles.
            width: of the terminal, characters.
        """
        groups = [[self._texts_of(column) for column in group] for group in self._groups()]
        tallest = max((sum(part.lines for part in group) for group in groups), default=1)
        for height in range(1, tallest + 1):
            columns = [
                _stacked(parts, inline=height == 1)
                for group in groups
                for parts in _at_most(group, height)
            ]
            if column_widths.fits(columns, width, closely=height == tallest):
                return self._drawn(columns, style, width)
        from rich.console import Group as RichGroup

        parts = column_widths.parts(columns, width)
        if not parts:
            return self._listed(style, width)
        return RichGroup(*(self._drawn(part, style, width, part is parts[0]) for part in parts))

    def _texts_of(self, column: Column) -> "_Texts":
        return _Texts(
            column.heading,
            [(column.text(row), column.interval(row, between=",")) for row in self.rows],
            column.ends is not None,
            column.numeric(self.rows),
            any(is_known(row.get(column.key)) for row in self.rows),
        )

    def _drawn(
        self,
        columns: Sequence[TextColumn],
        style: Callable[[Row], str],
        width: int,
        titled: bool = True,
    ) -> "RichTable":
        from rich.markup import escape
        from rich.table import Table as RichTable
        from rich.text import Text

        widths = column_widths.shared(columns, width)
        table = RichTable(
            title=escape(self.title) if titled else None,
            title_justify="left",
            title_style="bold",
            show_lines=any(len(column.headings) > 1 for column in columns),
        )
        for column, given in zip(columns, widths, strict=True):
            table.add_column(
                escape("\n".join(column.headings)),
                justify="right" if column.right else "left",
                overflow="fold",
                width=given,
            )
        cells = zip(*(column.cells for column in columns), strict=True)
        for row, texts in zip(self.rows, cells, strict=False):
            table.add_row(*(Text("\n".join(lines)) for lines in texts), style=style(row))
        return table

    def _listed(self, style: Callable[[Row], str], width: int) -> "RichGroup":
        """Each row as a list: headings to the left, values with their intervals to the right."""
        from rich.console import Group as RichGroup
        from rich.table import Table as RichTable
        from rich.text import Text

        parts: list[Text | RichTable] = [Text(self.title, style="bold")]
        for row in self.rows:
            grid = RichTable.grid(padding=(0, 2, 0, 0))
            grid.add_column(style="dim", overflow="fold", max_width=width // 3)
            grid.add_column(overflow="fold")
            for column in self.flat:
                text = f"{column.text(row)} {column.interval(row)}".strip()
                grid.add_row(column.heading.replace("\n", " "), Text(text, style=style(row)))
            parts += [grid, Text()]
        return RichGroup(*parts)

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
            Markup(
                '<div class="table" tabindex="0" role="region" aria-label="{0}">\n<table>\n'
                "<caption>{0}\n{1}</caption>\n<thead><tr>\n"
            ).format(self.title, files),
            *(
                head.format(shape, heading.format(first.heading))
                for shape, (first, *_) in zip(shapes, groups, strict=True)
            ),
            Markup("</tr></thead>\n<tbody>\n"),
        ]
        small, named = Markup(" <small>{}</small>"), Markup(' <small data-key="{}"{}>{}</small>')
        by = Markup(' data-value="{}"')
        for row in self.rows:
            lines.append(Markup("<tr>\n"))
            for shape, (first, *others) in zip(shapes, groups, strict=True):
                value, ends = row.get(first.key), first.interval(row, MINUS)
                notes = [small.format(ends)] * bool(ends)
                for column in others:
                    text, *interval = column.noted(row, MINUS) or [""]
                    key = by.format(row.get(column.key)) if text else ""
                    notes += [named.format(column.heading, key, text)] * bool(text)
                    notes += [small.format(end) for end in interval if end]
                lines.append(
                    Markup('<td class="{}"{}>{}{}</td>\n').format(
                        shape,
                        by.format(repr(value) if is_known(value) else "")
                        if shape == "number"
                        else "",
                        first.text(row, MINUS),
                        Markup("").join(notes),
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


@dataclass(frozen=True)
class _Texts:
    """One column's heading, and of each row its value and its interval."""

    heading: str
    cells: list[tuple[str, str]]
    has_ends: bool
    numeric: bool
    known: bool

    @property
    def lines(self) -> int:
        return 1 + self.has_ends


def _at_most(parts: Sequence[_Texts], height: int) -> list[list[_Texts]]:
    """In columns of at most so many lines, in their order; one line has an interval in it."""
    columns: list[list[_Texts]] = [[]]
    for part in parts:
        if columns[-1] and sum(p.lines for p in (*columns[-1], part)) > height:
            columns.append([])
        columns[-1].append(part)
    return columns


def _stacked(parts: Sequence[_Texts], *, inline: bool) -> TextColumn:
    """Columns one under the other, intervals beside or under their values."""
    rows = list(zip(*(part.cells for part in parts), strict=True))
    if inline:
        cells = [tuple(f"{text} {ends}".strip() for text, ends in row) for row in rows]
    else:
        cells = [tuple(t for pair in row for t in pair if t) for row in rows]
    known = [part for part in parts if part.known]
    right = bool(known) and all(part.numeric for part in known)
    return TextColumn(
        headings=tuple(line for part in parts for line in part.heading.split("\n")),
        cells=tuple(cells),
        whole=any(part.has_ends for part in parts) or right,
        right=right,
    )


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(map(_escape, cells)) + r" \\"
