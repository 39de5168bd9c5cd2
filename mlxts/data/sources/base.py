"""What every source of data promises, and the two shapes it may deliver."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Protocol

import polars as pl

from mlxts.errors import SourceError

# Prices are in the asset's currency and as the source gave them; `adj_close` is null where they
# are adjusted already, `volume` where it is not known. `dividends` is cash a share, `splits` new
# shares for an old one (0: none).
BAR_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(
    {
        "date": pl.Date(),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "adj_close": pl.Float64(),
        "dividends": pl.Float64(),
        "splits": pl.Float64(),
    }
)
VALUE_SCHEMA: Mapping[str, pl.DataType] = MappingProxyType(
    {"date": pl.Date(), "value": pl.Float64()}
)
ORACLE_PREFIX = "oracle_"  # exact probabilities that a simulation stores with its bars
PLANTED = "planted"  # Array(Float32, F): features that a simulation stores with its bars


def oracle_column(task: str, horizon: int) -> str:
    """The column that holds P(target | all that is known at t) of a simulated series."""
    return f"{ORACLE_PREFIX}{task}_h{horizon}"


@dataclass(frozen=True)
class Fetched:
    """A series as a source delivered it.

    Attributes:
        frame: columns of BAR_SCHEMA (plus oracle columns and PLANTED) or of VALUE_SCHEMA, oldest
            row first.
        parameters: JSON-serialisable; the request, enough to repeat it.
        notes: what the source did to the data on its way, a sentence each.
    """

    frame: pl.DataFrame
    parameters: dict[str, Any]
    notes: tuple[str, ...] = field(default=())


class Source(Protocol):
    """Where series come from. One class a source; a conformance suite runs over all of them."""

    @property
    def name(self) -> str:
        """As configurations and paths spell it."""
        ...

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """The series of `symbol` from `start` to `end`, both included; None: no bound.

        Raises:
            SourceError: it cannot be reached, does not know the symbol, has no row in the range,
                or delivered something that is no price series.
        """
        ...


def is_bars(frame: pl.DataFrame) -> bool:
    """Whether a frame has all the columns of a bar."""
    return set(BAR_SCHEMA) <= set(frame.columns)


def within(
    frame: pl.DataFrame, start: date | None, end: date | None, *, subject: str
) -> pl.DataFrame:
    """The rows from `start` to `end`, both included. Raises SourceError when none is left."""
    rows = frame
    if start is not None:
        rows = rows.filter(pl.col("date") >= start)
    if end is not None:
        rows = rows.filter(pl.col("date") <= end)
    if rows.is_empty():
        span = f"{frame['date'].min()} to {frame['date'].max()}" if frame.height else "no rows"
        raise SourceError(
            f"{subject} has no row from {start or 'its beginning'} to {end or 'its end'} "
            f"(it holds {span}); choose other dates"
        )
    return rows


def requested_range(start: date | None, end: date | None) -> dict[str, str | None]:
    """The bounds of a request, for `Fetched.parameters`."""
    return {"start": str(start) if start else None, "end": str(end) if end else None}


def without_gaps(values: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """A value series without its empty rows (vendors list holidays so), and a note on them."""
    complete = values.with_columns(pl.col("value").cast(pl.Float64).fill_nan(None)).drop_nulls(
        "value"
    )
    empty = values.height - complete.height
    return complete, (f"{empty} dates without a value were left out",) if empty else ()


def as_bars(columns: pl.DataFrame) -> pl.DataFrame:
    """Give a frame exactly the columns of a bar; what may be missing gets its neutral value.

    Vendors write "no split" as 0 or as a ratio of 1; here it is 0.
    """
    neutral = {"volume": None, "adj_close": None, "dividends": 0.0, "splits": 0.0}
    missing = [
        pl.lit(value, dtype=pl.Float64).alias(name)
        for name, value in neutral.items()
        if name not in columns.columns
    ]
    return (
        columns.with_columns(missing)
        .select(pl.col(name).cast(dtype) for name, dtype in BAR_SCHEMA.items())
        .with_columns(pl.col("dividends", "splits").fill_null(0.0).fill_nan(0.0))
        .with_columns(pl.col("splits").replace(1.0, 0.0))
    )
