"""Losses of many runs beside each other."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from mlxts.scaling.run_table import by_run


def rows(runs: int, dates: int) -> pl.DataFrame:
    """Of runs in no order, each without one of the dates but the first run."""
    days = [date(2020, 1, 1) + timedelta(days=day) for day in range(dates)]
    losses = np.random.default_rng(0).normal(size=(runs, dates))
    return pl.DataFrame(
        [
            (f"r{(7 * run) % runs}", day, symbol, losses[run, n])
            for run in range(runs)
            for n, day in enumerate(days)
            for symbol in "BA"
            if not run or n != run % dates
        ],
        schema=["run", "date", "symbol", "loss"],
        orient="row",
    )


@pytest.mark.parametrize("complete", [False, True])
def test_runs_beside_each_other_are_a_pivot(complete: bool) -> None:
    keys = ["date", "symbol"]
    pivoted = rows(6, 9).pivot("run", index=keys, values="loss").sort(keys)
    expected = pivoted.drop_nulls() if complete else pivoted.fill_null(float("nan"))
    assert by_run(rows(6, 9), keys, "loss", complete=complete).equals(expected)
