"""The tasks: what happens within the next H trading days, from adjusted daily prices.

Prices enter as they traded (adjusted, never normalised): a target computed from a scaled column
would be a different question.
"""

import polars as pl

from mlxts.protocol import HAR_WINDOWS, Task

RESOLUTION = 1e-9  # log price: what is nearer to 0 may be rounding
RANGE_DAYS = HAR_WINDOWS[-1]  # of the range that a threshold may be a multiple of, fewer at first


def compute(bars: pl.DataFrame, task: Task, horizon: int) -> pl.DataFrame:
    """The target of every bar, and the day that decides it.

    Args:
        bars: date, symbol, high, low, close; the bars of a symbol in the order of their dates.
        task: see `protocol.Task`.
        horizon: H, trading days, at least 1.

    Returns:
        As many rows as `bars`, in their order: date, symbol, target (Float64: 0 or 1, or a number
        in the task's unit), label_end (Date of t+H). The last H bars of a symbol have neither:
        their future is not known yet, so both are null. Neither has a bar before H days whose
        highs equal their lows, for `range`: nothing was traded, and 0 has no logarithm; nor one
        whose threshold is a multiple of a range that is 0.
    """
    return bars.select(
        "date",
        "symbol",
        _target(task, horizon).cast(pl.Float64).over("symbol").alias("target"),
        pl.col("date").shift(-horizon).over("symbol").alias("label_end"),
    ).with_columns(pl.when(pl.col("target").is_not_null()).then("label_end"))


def label_bars(bars: pl.DataFrame, days: pl.DataFrame, task: Task, horizon: int) -> pl.DataFrame:
    """The targets of the days on which bars end.

    Args:
        bars: with date, symbol and phase. days: the daily bars, as `compute` takes them.

    Returns:
        As many rows as `bars`, in their order: date, symbol, phase, target and label_end (as of
        `compute`), daily_row (UInt32, row among `days`); the last three are null where the
        symbol did not trade on that date.
    """
    labels = compute(days, task, horizon).with_row_index("daily_row")
    keys = ["date", "symbol"]
    return bars.select(*keys, "phase").join(labels, on=keys, how="left", maintain_order="left")


def _target(task: Task, horizon: int) -> pl.Expr:
    close, future_close = pl.col("close"), pl.col("close").shift(-horizon)
    if task.kind == "direction":
        return future_close > close
    if task.kind == "regression":
        return (future_close / close).log()
    # The rolling maximum that ends at t+H spans t+1..t+H; shifted back by H it is at t.
    future_high = pl.col("high").rolling_max(horizon).shift(-horizon)
    if task.kind == "range":
        future_range = (future_high / pl.col("low").rolling_min(horizon).shift(-horizon)).log()
        return pl.when(future_range > RESOLUTION).then(future_range.log())
    assert task.threshold is not None
    if task.of_range:
        barrier = log_barrier(task)
        return pl.when(barrier > RESOLUTION).then(future_high >= close * barrier.exp())
    return future_high >= close * (1.0 + task.threshold)


def log_barrier(task: Task) -> pl.Expr:
    """How far above the close of a day the threshold lies, log price, as known on that day."""
    assert task.threshold is not None
    if not task.of_range:
        return pl.lit(task.threshold).log1p()
    return task.threshold * (pl.col("high") / pl.col("low")).log().rolling_mean(
        RANGE_DAYS, min_samples=1
    )
