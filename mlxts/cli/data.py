"""`mlxts data`: fetch, import, simulate and list series."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from mlxts import formats
from mlxts.cli import cells, controls, import_preview, register
from mlxts.cli.output import JsonOption, Part, note, render, say
from mlxts.data import calendar as market_calendar
from mlxts.data.sources import registry
from mlxts.tables import Column, Table

if TYPE_CHECKING:
    from mlxts.data.artifacts import Artifact
    from mlxts.data.sources.base import Source

data = typer.Typer(help="Fetch, import, simulate and list data.", no_args_is_help=True)
data.command()(cells.cell)
data.command()(cells.sources)
data.command()(controls.controls)
data.command()(register.register_raw)
data.command()(register.register_processed)


Online = StrEnum("Online", registry.downloadable())
_DEFAULT = Online(registry.DEFAULT)


class Decimal(StrEnum):
    point = "."
    comma = ","


Calendar = StrEnum("Calendar", {days: days for days in get_args(market_calendar.Days)})
CalendarOption = Annotated[
    Calendar | None,
    typer.Option(
        case_sensitive=False,
        help="Days on which it trades: New York's, all, or any; default: as stored, else NYSE.",
    ),
]
Start = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="First day, included."),
]
End = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Last day, included."),
]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", help="Name to store it under; default: the market's.")
]

_WARNINGS_SHOWN = 5


@data.command()
def download(
    symbols: Annotated[
        list[str] | None,
        typer.Argument(help="e.g. SPY QQQ; for sample: SP500 NASDAQ; for FRED: DGS10."),
    ] = None,
    source: Annotated[Online, typer.Option(help="Source to download from.")] = _DEFAULT,
    cell: Annotated[
        str | None,
        typer.Option(metavar="CELL", help="Instead: the missing series of a cell, e.g. Cb."),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="With --cell: also series already stored.")
    ] = False,
    calendar: CalendarOption = None,
    start: Start = None,
    end: End = None,
    as_json: JsonOption = False,
) -> None:
    """Download daily bars or series, check them and store them."""
    from mlxts.errors import DataError

    if bool(symbols) == bool(cell):
        raise DataError("name symbols, or a cell of the dataset matrix with --cell")
    if cell:
        from mlxts.data import cell_status

        needs = [n for n in cell_status.of(cell) if refresh or n.artifact is None]
        jobs = [(need.id, registry.open_source(need.source, note)) for need in needs]
        if not jobs and not as_json:
            say(f"all series of {cell} are stored; --refresh fetches them again")
            return
    else:
        chosen = registry.open_source(source.value, note)
        jobs = [(symbol.upper(), chosen) for symbol in symbols or ()]
    _store_all(jobs, _day(start), _day(end), as_json, calendar)


@data.command(name="import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="CSV or Parquet files, or folders of them.")],
    symbol: Annotated[
        str | None,
        typer.Option(
            help="The symbol in the file, or the name to use if the file has none; "
            "default: the file's own symbol, else its name."
        ),
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", help="Store it under this name instead of the file's.")
    ] = None,
    decimal: Annotated[
        Decimal | None,
        typer.Option(help="Decimal mark; default: detected in each column."),
    ] = None,
    values: Annotated[
        bool, typer.Option("--values", help="One date and one value (or close) per row, not bars.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="OURS=THEIRS,...",
            help="Columns by name, or position without a header: date=open_time,close=5.",
        ),
    ] = None,
    trends: Annotated[
        bool, typer.Option("--trends", help="Exports of Google Trends; each term is a series.")
    ] = False,
    calendar: CalendarOption = None,
    start: Start = None,
    end: End = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what was understood; write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import files of your own, check them and store them."""
    from mlxts.data.sources.files import FilesSource
    from mlxts.data.sources.trends_csv import TrendsSource
    from mlxts.errors import DataError

    export_files = _files(paths)
    if trends and (as_ or decimal or columns or calendar or dry_run):
        raise DataError(
            "--trends takes none of --as, --decimal, --columns, --calendar and --dry-run; leave "
            "them out"
        )
    if trends:
        exports = [TrendsSource(path) for path in export_files]
        jobs = [(name, e) for e in exports for name in ([symbol] if symbol else e.symbols())]
        _store_all(jobs, _day(start), _day(end), as_json)
        return
    if (symbol or as_) and len(export_files) > 1:
        raise DataError("--symbol and --as name one file; leave them out to name each by itself")
    mark = decimal.value if decimal else None
    named = _columns(columns)
    sources = [FilesSource(path, values, mark, symbol, named) for path in export_files]
    if as_:
        sources = [replace(source, named=source.symbol) for source in sources]
    names = [(as_ or source.symbol).upper() for source in sources]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DataError(f"two files would be named {min(twice)}; import them one by one")
    jobs = list(zip(names, sources, strict=True))
    if dry_run:
        import_preview.preview(jobs, _day(start), _day(end), as_json, calendar)
    else:
        _store_all(jobs, _day(start), _day(end), as_json, calendar)


@data.command()
def simulate(
    market: Annotated[
        str, typer.Argument(help="A control, e.g. sv; `mlxts data controls` lists them.")
    ],
    symbol: SymbolOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Determines the market and its paths.")] = 0,
    symbols: Annotated[
        int, typer.Option(min=1, help="Paths of the same market: NAME, NAME2, NAME3 ...")
    ] = 1,
    dial: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="DIAL=VALUE", help="e.g. exponent=1; repeat."),
    ] = None,
    start: Start = None,
    end: End = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a market and store it with the exact probability of every binary target."""
    from mlxts.config.yamltext import parse_override
    from mlxts.simulation.markets import make
    from mlxts.simulation.source import SimulatedSource

    _require_order(_day(start), _day(end))
    dials = dict(parse_override(text) for text in dial or ())
    make(market, dials)  # refused once, not once a symbol
    bounds = {"first": _day(start), "last": _day(end)}
    chosen = SimulatedSource(market, seed, **{k: v for k, v in bounds.items() if v}, dials=dials)
    name = (symbol or market).upper()
    names = [name, *(f"{name}{number}" for number in range(2, symbols + 1))]
    _store_all([(symbol, chosen) for symbol in names], None, None, as_json)


@data.command(name="list")
def list_(as_json: JsonOption = False) -> None:
    """List what is registered, oldest first."""
    from mlxts.data import store

    raw = [artifact.to_dict() for artifact in store.raw_artifacts()]
    processed = [artifact.to_dict() for artifact in store.processed_artifacts()]
    first, *rest = (
        "dataset", "rows", ("first", "last"),
        (
            Column("timestamp", "registered (UTC)", lambda when: when[:16].replace("T", " ")),
            Column("sha256", form=lambda digest: digest[:12]),
        ),
    )  # fmt: skip
    screen: list[Part] = []
    if raw or processed:
        screen.append(Table("Raw", (first, *rest), raw))
    else:
        screen.append("nothing is registered; try `mlxts data download --source sample SP500`")
    if processed:
        columns = (first, "version", "tier", *rest)
        screen.append(Table("Processed", columns, processed))
    render({"raw": raw, "processed": processed}, as_json, screen)


@data.command()
def sample(
    rows: Annotated[int, typer.Option(min=1, help="Rows from each end of a file.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """Write the first and last rows of every registered dataset to data/samples/ as CSV."""
    from mlxts.data import preview

    written = preview.write(rows)
    nothing = "nothing is registered, so there is nothing to sample"
    render({"files": [str(path) for path in written]}, as_json, written or nothing)


def _store_all(
    jobs: Sequence[tuple[str, "Source"]],
    start: date | None,
    end: date | None,
    as_json: bool,
    calendar: Calendar | None = None,
) -> None:
    """Fetch, check and register each; one that fails does not stop the others, no network does."""
    from mlxts.data import checks, store
    from mlxts.errors import DataError, OfflineError

    _require_order(start, end)

    failures: list[DataError] = []
    stored: list[dict[str, Any]] = []
    for position, (symbol, source) in enumerate(jobs, 1):
        if len(jobs) > 1:
            note(f"[{position}/{len(jobs)}] {symbol}")
        try:
            fetched = source.fetch(symbol, start, end)
            former = import_preview.newest(symbol, source.name)
            artifact = store.register_raw(
                fetched.frame, source=source.name, symbol=symbol, parameters=fetched.parameters,
                days_of=import_preview.days_of(calendar, former),
            )  # fmt: skip
        except DataError as error:
            failures.append(error)
            if isinstance(error, OfflineError):
                break
            if len(jobs) > 1:
                note(f"error: {error}")
            continue
        warnings = checks.warnings(checks.check(fetched.frame, days_of=artifact.days_of))
        _remark(artifact, fetched.notes, warnings)
        if store.find(artifact.symbol, [artifact.source]) != artifact:
            note(f"{symbol}: this content is registered already and a newer one is in use")
        elif former and (former.first < artifact.first or artifact.last < former.last):
            note(
                f"{symbol}: used from now on instead of {formats.count(former.rows, 'row')}, "
                f"{former.first} to {former.last}, which cover days that these do not; the others "
                f"are used again with data.artifact_sha256: {{{symbol}: {former.sha256}}}"
            )
        messages = [f"{w.rule}: {w}" for w in warnings]
        stored.append(artifact.to_dict() | {"warnings": messages, "notes": list(fetched.notes)})
        if not as_json:
            say(
                f"{artifact.dataset}: {formats.count(artifact.rows, 'row')}, "
                f"{artifact.first} to {artifact.last}, "
                f"{artifact.path}"
            )
    render({"artifacts": stored, "errors": [str(error) for error in failures]}, as_json, ())
    if failures and (len(failures) == 1 or isinstance(failures[-1], OfflineError)):
        raise failures[-1]
    if failures:
        raise DataError(f"{len(failures)} of {len(jobs)} could not be stored; see above")


def _remark(artifact: "Artifact", notes: Iterable[str], warnings: Sequence[Any]) -> None:
    from mlxts.data import checks

    for text in notes:
        note(f"{artifact.symbol}: {text}")
    if checks.is_of_another_market(warnings):
        note(f"{artifact.symbol}: {import_preview.OTHER_MARKET}")
        warnings = checks.of_any_market(warnings)
    if warnings:
        note(f"{artifact.symbol}: warning ({checks.summary(warnings)}), stored anyway:")
    for warning in warnings[:_WARNINGS_SHOWN]:
        note(f"  {warning}")
    if len(warnings) > _WARNINGS_SHOWN:
        note(f"  … and {len(warnings) - _WARNINGS_SHOWN} more (--json lists all)")


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those in the folders named."""
    from mlxts.data.sources.files import SUFFIXES
    from mlxts.errors import DataError

    data_files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            data_files.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not inside:
            raise DataError(f"{path} holds no CSV or Parquet file; name another folder")
        data_files += inside
    return data_files


def _columns(text: str | None) -> dict[str, str]:
    """`date=open_time,close=5` as a mapping."""
    from mlxts.errors import DataError

    pairs = [part.partition("=") for part in text.split(",")] if text else []
    wrong = next((name for name, sign, _ in pairs if not sign), None)
    if wrong is not None:
        raise DataError(f"--columns: {wrong!r} names no column; write date=open_time,close=...")
    return {name.strip(): theirs for name, _, theirs in pairs}


def _require_order(start: date | None, end: date | None) -> None:
    from mlxts.errors import DataError

    if start and end and start > end:
        raise DataError(f"--start {start} is after --end {end}; exchange them")


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
