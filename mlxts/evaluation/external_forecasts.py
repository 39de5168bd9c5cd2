"""Forecasts of anybody, out of a file: read, checked, and aligned with the rows that are scored.

A row is the forecast of one symbol on one decision day: `date` (the day whose close it may know),
`symbol` (may be left out where one symbol is scored), and `probability` or `logit`; for tasks that
are no classification `value`, in the task's units. `made_at` or `as_of`, the moment at which a
forecast was made or up to which it knew the world, has to lie before the next session opens. A
column `target` has to agree with what happened.

What is certainly wrong is refused here. What only looks wrong is judged in `lookahead.py`.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from scipy.special import logit

from mlxts import files, formats
from mlxts.data import calendar
from mlxts.data.sources import csv_table, parquet
from mlxts.errors import DataError, SourceError
from mlxts.protocol import Task

LABEL_COLUMNS = ("probability", "logit")
VALUE_COLUMN = "value"
MOMENTS = ("made_at", "as_of")
_NEW_YORK = ZoneInfo("America/New_York")
_OPEN = time(9, 30)
_PARQUET = b"PAR1"
_ROUNDING = 1e-6  # of targets that were written as text or as float32


@dataclass(frozen=True)
class Forecasts:
    """The forecasts of a file for the scored rows.

    Attributes:
        name: of the file. sha256: of its bytes.
        rows: the scored rows that it predicts, with a column logit.
        unused: how many rows of the file are of other days.
        dated: the column that says when forecasts were made, as the file has it; None: none does.
    """

    name: str
    sha256: str
    rows: pl.DataFrame
    unused: int
    dated: str | None

    def table(self) -> pl.DataFrame:
        """As `runs/predictions.py` has it."""
        return self.rows.select(pl.lit(self.name).alias("model"), pl.all())


@dataclass(frozen=True)
class File:
    """A file that was read and checked by itself: date, symbol (if it has one), logit."""

    path: Path
    sha256: str
    frame: pl.DataFrame
    dated: str | None

    def on(self, scored: pl.DataFrame, scored_on: str, *, complete: bool = True) -> Forecasts:
        """Its forecasts of the scored rows.

        Args:
            scored: date, symbol, canonical, target: what may be forecast. Other days of the file
                are left out and counted.
            scored_on: the symbol of a file without that column.
            complete: whether every canonical row of every symbol that the file names has to be
                there, and `scored_on` among these.

        Raises:
            DataError: a symbol that is not scored, a date that is no trading day, a scored date
                without a forecast, or a target that is not what happened.
        """
        frame = self.frame
        if "symbol" not in frame.columns:
            frame = frame.with_columns(symbol=pl.lit(scored_on))
        self._known_symbols(frame, scored)
        self._trading_days(frame, scored)
        forecasts = frame.rename({"target": "in_file"}) if "target" in frame.columns else frame
        rows = scored.drop("logit", strict=False).join(forecasts, on=("date", "symbol"))
        rows = rows.sort("date", "symbol")
        if complete:
            self._covered(rows, scored.filter("canonical"), {scored_on, *frame["symbol"]})
        if "in_file" in rows.columns:
            wrong = rows.filter((pl.col("in_file") - pl.col("target")).abs() > _ROUNDING)
            if wrong.height:
                raise DataError(
                    f"{self.path}: target is {wrong['in_file'][0]:g} for {wrong['symbol'][0]} on "
                    f"{wrong['date'][0]} where it was {wrong['target'][0]:g}, wrong in "
                    f"{formats.count(wrong.height, 'row')}: it forecasts something else "
                    "than the task; give its own target, or leave that column out"
                )
        return Forecasts(
            name=self.path.name,
            sha256=self.sha256,
            rows=rows.select(*(c for c in scored.columns if c != "logit"), "logit"),
            unused=frame.height - rows.height,
            dated=self.dated,
        )

    def _known_symbols(self, frame: pl.DataFrame, scored: pl.DataFrame) -> None:
        scored_symbols = set(scored["symbol"])
        unknown = sorted(set(frame["symbol"]) - scored_symbols)
        if unknown:
            raise DataError(
                f"{self.path} names {unknown[0]}, which is not scored here; those that are: "
                f"{', '.join(sorted(scored_symbols))}"
            )

    def _trading_days(self, frame: pl.DataFrame, scored: pl.DataFrame) -> None:
        """Where the scored market keeps New York's calendar, so must the file."""
        days = set(scored["date"])
        if not all(map(calendar.is_session, days)):
            return
        closed = sorted(day for day in set(frame["date"]) - days if not calendar.is_session(day))
        if closed:
            raise DataError(
                f"{self.path} has a forecast for {closed[0]:%A} {closed[0]}, which is no trading "
                f"day ({formats.count(len(closed), 'such date')}); date each forecast by the "
                "session whose close it may know"
            )

    def _covered(self, rows: pl.DataFrame, scored: pl.DataFrame, symbols: set[str]) -> None:
        keys = ("symbol", "date")
        wanted = scored.filter(pl.col("symbol").is_in(sorted(symbols)))
        absent = wanted.join(rows, on=keys, how="anti").sort(keys)
        if not absent.height:
            return
        symbol, day = absent["symbol"][0], absent["date"][0]
        due = wanted.filter(symbol=symbol)
        days = absent.filter(symbol=symbol).height
        raise DataError(
            f"{self.path} lacks {days:,} of the {due.height:,} scored dates of {symbol} "
            f"({due['date'].min()} to {due['date'].max()}), the first {day}; every one needs a "
            "forecast, or losses of unequal days would be compared"
        )


def read(path: Path, task: Task) -> File:
    """Read a file of forecasts, CSV or Parquet, and check all that can be checked without data.

    Raises:
        DataError: it cannot be read, columns are missing or contradict each other, a date has
            two forecasts, a forecast is no finite number or no probability, or it was made too
            late.
    """
    data, table = _table(path)
    table = table.rename({name: name.strip().lower() for name in table.columns})
    if not table.height:
        raise DataError(f"{path} has no row")
    column = _forecast_column(table, task, path)
    named = [pl.col("symbol").cast(pl.String).str.strip_chars()] if "symbol" in table else []
    targets = [_numbers(table["target"], path)] if "target" in table else []
    frame = table.select(
        _dates(table, path), *named, _logits(_numbers(table[column], path), path), *targets
    )
    if named and frame["symbol"].null_count():
        raise DataError(f"{path}: symbol is empty in a row; fill it in")
    keys = ["date", *(["symbol"] if named else [])]
    twice = frame.filter(frame.select(keys).is_duplicated()).sort(keys)
    if twice.height:
        whose = f" of {twice['symbol'][0]}" if named else ""
        several = "; keep the rows of one model" if "model" in table else ""
        several = several or ("" if named else "; name the symbols in a column symbol")
        raise DataError(
            f"{path} has several forecasts for {twice['date'][0]}{whose}; keep one{several}"
        )
    moments = [name for name in MOMENTS if name in table]
    for name in moments:
        _made_in_time(frame["date"], table[name], path)
    sha256 = hashlib.sha256(data).hexdigest()
    return File(path, sha256, frame, moments[0] if moments else None)


def _table(path: Path) -> tuple[bytes, pl.DataFrame]:
    try:
        data = files.read_bytes(path)
        if data.startswith(_PARQUET):
            return data, parquet.read(data)
        return data, csv_table.read(path).rows
    except (OSError, pl.exceptions.PolarsError, SourceError) as error:
        raise DataError(
            f"{path} cannot be read as CSV or Parquet: {files.reason(error)}"
        ) from error


def _forecast_column(table: pl.DataFrame, task: Task, path: Path) -> str:
    there = ", ".join(table.columns)
    if "date" not in table:
        raise DataError(f"{path} has no column date (of the decision day); it has {there}")
    wanted = LABEL_COLUMNS if task.kind in ("direction", "threshold") else (VALUE_COLUMN,)
    columns = [name for name in (*LABEL_COLUMNS, VALUE_COLUMN) if name in table]
    if len(columns) > 1:
        raise DataError(f"{path} has both {columns[0]} and {columns[1]}; keep one of them")
    if not columns or columns[0] not in wanted:
        raise DataError(
            f"{path} has no column {' or '.join(wanted)}, which forecasts of {task.name} need; "
            f"it has {there}"
        )
    return columns[0]


def _numbers(column: pl.Series, path: Path) -> pl.Series:
    values = column.cast(pl.Float64, strict=False)
    wrong = (~values.is_finite()).fill_null(True).arg_true()
    if len(wrong):
        cell = column[int(wrong[0])]
        raise DataError(
            f"{path}: {column.name} is {'empty' if cell is None else repr(cell)} in row "
            f"{int(wrong[0]) + 1}, no finite number ({formats.count(len(wrong), 'such row')})"
        )
    return values


def _logits(values: pl.Series, path: Path) -> pl.Series:
    if values.name != "probability":
        return values.alias("logit")
    shares = values.to_numpy()
    low, high = float(shares.min()), float(shares.max())
    if low >= 0.0 and 1.0 < high <= 100.0:
        raise DataError(
            f"{path}: probability goes up to {high:g}; if these are percentages, divide by 100"
        )
    if low < 0.0 or high > 1.0:
        outside = low if low < 0.0 else high
        hint = "; name the column logit if these are logits" if low < 0.0 else ""
        raise DataError(f"{path}: probability {outside:g} lies outside of 0 to 1{hint}")
    if low == 0.0 or high == 1.0:
        sure = int(((shares == 0.0) | (shares == 1.0)).sum())
        raise DataError(
            f"{path}: probability is exactly 0 or 1 in {formats.count(sure, 'row')}, which has an "
            "infinite loss when it is wrong; clip it, say to [0.001, 0.999], or give probabilities "
            "where these are classes"
        )
    return pl.Series("logit", logit(shares))


def _dates(table: pl.DataFrame, path: Path) -> pl.Series:
    column = table["date"]
    if column.dtype == pl.Date and not column.null_count():
        return column
    days = []
    for row, cell in enumerate(column, 1):
        moment = _moment(cell)
        if moment is None:
            raise DataError(f"{path}: date {cell!r} in row {row} is no date; write 2024-01-31")
        if isinstance(moment, datetime) and moment.time() != time():
            raise DataError(
                f"{path}: date {cell} in row {row} has a time of day; date is the decision day, "
                "the moment of the forecast belongs in made_at"
            )
        days.append(moment.date() if isinstance(moment, datetime) else moment)
    return pl.Series("date", days, dtype=pl.Date)


def _made_in_time(days: pl.Series, moments: pl.Series, path: Path) -> None:
    """Whether each forecast was made before the next session opened, by New York's clock."""
    for row, (day, cell) in enumerate(zip(days, moments, strict=True), 1):
        moment = _moment(cell)
        if moment is None:
            raise DataError(
                f"{path}: {moments.name} {cell!r} in row {row} is no moment; write 2024-01-31 or "
                "2024-01-31T18:00-05:00"
            )
        if isinstance(moment, datetime):
            here = moment.astimezone(_NEW_YORK) if moment.tzinfo else moment
            late = here.replace(tzinfo=None) >= datetime.combine(_next_session(day), _OPEN)
        else:
            late = moment > day
        if late:
            raise DataError(
                f"{path}: the forecast for {day} has {moments.name} {cell}, after what it "
                f"forecasts began (the session of {_next_session(day)}); date it by the last "
                "session that had closed"
            )


def _next_session(day: date) -> date:
    following = day + timedelta(days=1)
    while not calendar.is_session(following):
        following += timedelta(days=1)
    return following


def _moment(cell: Any) -> date | datetime | None:
    """A cell as a date, or as a date with a time of day."""
    if isinstance(cell, date | None):
        return cell
    text = str(cell).strip()
    try:
        return (date if len(text) == len("2024-01-31") else datetime).fromisoformat(text)
    except ValueError:
        return None
