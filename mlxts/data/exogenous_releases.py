"""Joining dated series to bars as of their release, never as of the date that they bear."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from mlxts.data.exogenous_catalog import ALIVE_DAYS, Series
from mlxts.errors import DataError


@dataclass(frozen=True)
class Releases:
    """A series as the world came to know it.

    Attributes:
        series: what it is.
        frame: release (Date, increasing), value (Float64, in the form that `series` states):
            the newest observation known from that day on.
    """

    series: Series
    frame: pl.DataFrame


def releases(series: Series, values: pl.DataFrame) -> Releases:
    """When which value became known.

    An observation that is released on the same day as a newer one, or after it, is never used.

    Args:
        values: date (of reference, increasing), value.
    """
    lag = pl.lit(series.lag_days)
    for late in series.late:
        delayed = pl.col("date").is_between(late.first, late.last)
        lag = pl.when(delayed).then(late.lag_days).otherwise(lag)
    release = pl.col("date") + pl.duration(days=lag)
    released = formed(series, values).with_columns(release=release)
    newest = released.sort("release", "date").filter(pl.col("date") == pl.col("date").cum_max())
    frame = newest.unique("release", keep="last", maintain_order=True).select("release", "value")
    return Releases(series, frame.set_sorted("release"))


def formed(series: Series, values: pl.DataFrame) -> pl.DataFrame:
    """The observations in the form that features use; those without one are left out."""
    if series.form == "level":
        return values
    if series.form == "log":
        positive = values.filter(pl.col("value") > 0)
        return positive.with_columns(pl.col("value").log())
    # By the calendar and not by rows: a month that was never published must not shift a year.
    year_ago = values.select(pl.col("date").dt.offset_by("12mo"), before="value")
    both = values.join(year_ago, on="date", how="inner", maintain_order="left")
    return both.select("date", value=(pl.col("value") / pl.col("before")).log())


def as_of(dates: pl.Series, all_releases: Sequence[Releases]) -> pl.DataFrame:
    """What was known on each of some dates.

    Args:
        dates: in any order, with or without repetition.

    Returns:
        date (each once, increasing), then `Series.column` of each series, Float64: the value
        released last until that date, null before the first release.
    """
    table = pl.DataFrame({"date": dates}).unique().sort("date")
    for released in all_releases:
        right = released.frame.rename({"value": released.series.column})
        table = table.join_asof(right, left_on="date", right_on="release", strategy="backward")
        table = table.drop("release", strict=False)
    return table


def coverage(dates: pl.Series, all_releases: Sequence[Releases]) -> dict[str, float]:
    """On which share of some dates a value of each series was known, by its id; 0 of no dates."""
    seen = pl.DataFrame({"date": dates}).join(as_of(dates, all_releases), on="date", how="left")
    days = max(seen.height, 1)
    return {one.series.id: seen[one.series.column].count() / days for one in all_releases}


def require_alive(all_releases: Sequence[Releases], last: date) -> None:
    """Raises DataError for a series that ended long before the bars that it is joined to."""
    for released in all_releases:
        ends = released.frame["release"].max()
        if (
            not isinstance(ends, date)
            or ends + timedelta(ALIVE_DAYS[released.series.frequency]) < last
        ):
            raise DataError(
                f"{released.series.id} is known until {ends or 'never'} and the bars go on until "
                f"{last}; fetch or import it again, or leave it out"
            )
