"""What `mlxts data import --dry-run` shows: how files were understood."""

from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args

from mlxts.cli.output import Part, render, show
from mlxts.data import calendar
from mlxts.tables import Table

if TYPE_CHECKING:
    from mlxts.data.artifacts import Artifact
    from mlxts.data.sources.base import Fetched, Source

OTHER_MARKET = (
    "it trades on days on which New York does not; give --calendar 24/7 if it trades every day, "
    "else --calendar none"
)
_ROWS = 3  # from each end
_FINDINGS_SHOWN = 5


def preview(
    jobs: Sequence[tuple[str, "Source"]],
    start: date | None,
    end: date | None,
    as_json: bool,
    chosen: Enum | None,
) -> None:
    """Show what would be stored under each symbol, and refuse what would be refused.

    Raises:
        DataError: of the first one that could not be stored.
    """
    from mlxts.data import checks

    imports: list[dict[str, Any]] = []
    for symbol, source in jobs:
        fetched = source.fetch(symbol, start, end)
        days = days_of(chosen, newest(symbol, source.name))
        findings = checks.check(fetched.frame, days_of=days)
        imports.append(
            {
                "symbol": symbol,
                "rows": fetched.frame.height,
                "calendar": days,
                "columns": fetched.parameters["columns"],
                "notes": list(fetched.notes),
                "findings": [f"{f.severity}, {f.rule}: {f}" for f in findings],
            }
        )
        if not as_json:
            notes = [*fetched.notes]
            if checks.is_of_another_market(findings):
                notes.append(OTHER_MARKET)
                findings = checks.of_any_market(findings)
            messages = [f"{f.severity}, {f.rule}: {f}" for f in findings]
            show(_screen(imports[-1], fetched, notes, messages))
        checks.require(fetched.frame, subject=f"{source.name}/{symbol}", days_of=days)
    render({"imports": imports}, as_json, "nothing was written; without --dry-run it is stored")


def days_of(chosen: Enum | None, former: "Artifact | None") -> calendar.Days:
    """The calendar chosen, else the one that the series is stored with."""
    if chosen is not None:
        return next(days for days in get_args(calendar.Days) if days == chosen.value)
    return former.days_of if former else "NYSE"


def newest(symbol: str, source: str) -> "Artifact | None":
    """What a source's series of a symbol is read from so far, if there is one."""
    from mlxts.data import store
    from mlxts.errors import DataError

    try:
        return store.find(symbol, [source])
    except DataError:
        return None


def _screen(
    shown: dict[str, Any], fetched: "Fetched", notes: list[str], messages: list[str]
) -> list[Part]:
    """Columns, the first and last rows, and what was noticed."""
    frame, columns, symbol = fetched.frame, shown["columns"], shown["symbol"]
    read = [name for name in frame.columns if name in columns]
    ends = frame if frame.height <= 2 * _ROWS else frame.head(_ROWS).vstack(frame.tail(_ROWS))
    parts: list[Part] = [
        Table.of(
            f"{symbol}: {frame.height:,} rows, {frame['date'][0]} to {frame['date'][-1]}",
            ("read as", "column of the file", "empty cells"),
            ((name, columns[name], frame[name].null_count()) for name in read),
        ),
        Table("First and last rows", read, ends.select(read).rows(named=True)),
        *(f"{symbol}: {note}" for note in notes),
        f"{symbol}: checked with calendar {shown['calendar']}: {len(messages) or 'nothing'} to "
        "report",
        *messages[:_FINDINGS_SHOWN],
    ]
    if len(messages) > _FINDINGS_SHOWN:
        parts.append(f"… and {len(messages) - _FINDINGS_SHOWN} more (--json lists all)")
    return parts
