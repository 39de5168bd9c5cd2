"""Numbers as people and vendors write them: `$1,234.50`, `2.206,16`, `1 234,5`, `85.57M`, `(3.2)`.

Whether a comma or a point marks the decimals can be decided only from a column, not from a cell:
`1,234` alone may be either of two numbers. A column is read by the mark under which *every* cell is
a number. Where both marks allow that and the numbers differ, the other columns of the file decide;
where they cannot, nothing is guessed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import polars as pl

from mlxts.errors import SourceError

Mark = Literal[".", ","]

_SCALES = MappingProxyType({"k": 1e3, "m": 1e6, "b": 1e9})
_EMPTY = ("", "-", "--", ".", "n/a", "#n/a", "na", "nan", "null", "none")
_CURRENCIES = "[$€£¥₹]"
_NAMES: Mapping[Mark, str] = MappingProxyType({".": "point", ",": "comma"})


def _pattern(mark: Mark) -> str:
    """A number with decimals behind `mark`; one other sign may set its thousands apart."""
    point, other = rf"\{mark}", "," if mark == "." else r"\."
    in_threes = [rf"[1-9][0-9]{{0,2}}(?:{apart}[0-9]{{3}})+" for apart in (other, " ", "'")]
    indian = rf"[1-9][0-9]?(?:{other}[0-9]{{2}})+{other}[0-9]{{3}}"  # 12,34,567
    whole = "|".join(("[0-9]+", *in_threes, indian))
    return rf"^[-+]?(?:(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+)(?:e[-+]?[0-9]{{1,3}})?[kmb]?$"


_PATTERNS: Mapping[Mark, str] = MappingProxyType({".": _pattern("."), ",": _pattern(",")})


@dataclass(frozen=True)
class Numbers:
    """Columns as float64, and the names of those whose decimals follow a comma."""

    columns: tuple[pl.Series, ...]
    with_comma: tuple[str, ...]


def numbers(column: pl.Series, decimal: Mark | None = None) -> pl.Series:
    """One column by itself. Raises SourceError as `read` does."""
    return read([column], decimal).columns[0]


def read(
    columns: Sequence[pl.Series],
    decimal: Mark | None = None,
    *,
    likely: Mark | None = None,
    counts: Collection[str] = (),
) -> Numbers:
    """Read the number columns of one file; an empty cell becomes null.

    Args:
        decimal: the mark before the decimals in all of them; None: found for each.
        likely: what an unclear column is read by where no other one is clear.
        counts: columns of counts. Vendors write volumes in a way of their own, so a clear one says
            nothing of the others, and the others nothing of an unclear one: that is read by what
            is likely alone, and never as fractions.

    Raises:
        SourceError: a cell is no number, a column holds something else altogether, or either mark
            could be meant.
    """
    readings = [_readings(column, decimal) for column in columns]
    hint = _hint(
        [(c.name in counts, parsed) for c, parsed in zip(columns, readings, strict=True)], likely
    )
    unclear = [
        column.name
        for column, parsed in zip(columns, readings, strict=True)
        if len(parsed) > 1
        and (
            hint is None
            or (column.name in counts and not (hint == likely and _is_whole(parsed[hint])))
        )
    ]
    if unclear:
        raise SourceError(
            f"{', '.join(unclear)}: the numbers can be read with a decimal comma or with a decimal "
            "point; choose with --decimal , or --decimal ."
        )
    chosen = [hint if len(parsed) > 1 else next(iter(parsed)) for parsed in readings]
    return Numbers(
        tuple(parsed[mark] for parsed, mark in zip(readings, chosen, strict=True)),
        tuple(c.name for c, mark in zip(columns, chosen, strict=True) if mark == ","),
    )


def _hint(
    readings: list[tuple[bool, dict[Mark | None, pl.Series]]], likely: Mark | None
) -> Mark | None:
    """The mark of what is unclear; each reading comes with whether it is of a count."""
    clear = {
        (is_count, mark)
        for is_count, parsed in readings
        for mark in parsed
        if mark and len(parsed) == 1
    }
    measured = {mark for is_count, mark in clear if not is_count}
    if measured:
        return measured.pop() if len(measured) == 1 else None
    return likely if all(mark == likely for _, mark in clear) else None


def _is_whole(numbers: pl.Series) -> bool:
    return bool((numbers == numbers.floor()).all())


def _readings(column: pl.Series, decimal: Mark | None) -> dict[Mark | None, pl.Series]:
    """The column under each mark that fits all its cells; under None where no mark matters."""
    if column.dtype.is_numeric() or column.dtype == pl.Null:
        return {None: column.cast(pl.Float64)}
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise SourceError(f"column {column.name} holds {column.dtype}, not numbers; convert it")
    cells = column.cast(pl.String)
    texts = _plain(cells).alias(column.name)
    parsed = {mark: _parse(texts, mark) for mark in ([decimal] if decimal else _PATTERNS)}
    wrong = {mark: (p.is_null() & texts.is_not_null()).arg_true() for mark, p in parsed.items()}
    fitting: dict[Mark | None, pl.Series] = {m: p for m, p in parsed.items() if wrong[m].is_empty()}
    if not fitting:
        mark = min(wrong, key=lambda m: len(wrong[m]))
        row = wrong[mark][0]
        raise SourceError(
            f"row {row + 1}: {column.name} {cells[row]!r} is no number with a decimal "
            f"{_NAMES[mark]}; correct it"
        )
    first = next(iter(fitting.values()))
    if len(fitting) > 1 and all(first.equals(other) for other in fitting.values()):
        return {None: first}
    return fitting


def _plain(cells: pl.Series) -> pl.Series:
    """Cells without what changes no number: blanks around it, one currency, spellings of signs."""
    texts = cells.str.strip_chars().str.to_lowercase()
    texts = texts.str.replace_all(r"\s", " ").str.replace_all("[’ʼ´`′]", "'")
    texts = texts.str.replace_all("[−–]", "-").str.replace(r"^\((.*)\)$", "-$1")
    currencies = texts.str.extract(f"({_CURRENCIES})").drop_nulls().unique().sort()
    if len(currencies) > 1:
        raise SourceError(
            f"column {cells.name} has amounts in {' and '.join(currencies)}; keep one currency"
        )
    texts = texts.str.replace(rf"^([-+]?) ?{_CURRENCIES} ?", "$1")
    texts = texts.str.replace(rf" ?{_CURRENCIES}$", "")
    return pl.select(pl.when(texts.is_in(_EMPTY)).then(None).otherwise(texts)).to_series()


def _parse(texts: pl.Series, mark: Mark) -> pl.Series:
    """Null where a text is no number under the mark."""
    apart = "[ ',]" if mark == "." else r"[ '.]"
    digits = (
        texts.str.replace("[kmb]$", "")
        .str.replace_all(apart, "")
        .str.replace(mark, ".", literal=True)
    )
    scales = texts.str.extract("([kmb])$").replace_strict(_SCALES, default=1.0)
    parsed = digits.cast(pl.Float64, strict=False) * scales
    fits = texts.str.contains(_PATTERNS[mark])
    return pl.select(pl.when(fits).then(parsed)).to_series().alias(texts.name)
