"""Small markets whose volatility moves and whose direction is a coin."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from mlxts import predict
from mlxts.dataset.labels import label_bars
from mlxts.dataset.samples import Dataset, eligible_rows, split_samples
from mlxts.evaluation import score
from mlxts.protocol import TASKS, TIMESCALES, Splits
from mlxts.runs.references import Reference
from mlxts.runs.scored_task import ScoredTask


def scored_task(world: Dataset) -> ScoredTask:
    return ScoredTask(
        world.task, world.timescale, world.horizon, world.score_on, world.splits_title
    )


def score_run(network: pl.DataFrame, world: Dataset) -> tuple[score.Scores, Reference]:
    """Scores of a model's training and validation rows beside all references."""
    others, chosen = predict.predict_references(world, ("train", "validation"))
    reference = chosen[world.score_on]
    return score.score_run(pl.concat([network, others]), reference, scored_task(world)), reference


def market(days: int, seed: int, symbols: tuple[str, ...] = ("A",)) -> pl.DataFrame:
    """Daily bars; the log of volatility is an AR(1), highs and lows reach beyond the bodies."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        noise, state = rng.normal(size=days), np.zeros(days)
        for t in range(1, days):
            state[t] = 0.97 * state[t - 1] + 0.15 * noise[t]
        scale = 0.008 * np.exp(state)
        close = 100.0 * np.exp(np.cumsum(scale * rng.normal(size=days)))
        opened = np.r_[100.0, close[:-1]]
        high = np.maximum(opened, close) * np.exp(0.5 * scale * rng.exponential(size=days))
        low = np.minimum(opened, close) * np.exp(-0.5 * scale * rng.exponential(size=days))
        frames.append(
            pl.DataFrame(
                {
                    "date": calendar(days),
                    "symbol": symbol,
                    "open": opened,
                    "high": high,
                    "low": low,
                    "close": close,
                    "volume": rng.uniform(1e6, 2e6, size=days),
                }
            )
        )
    return pl.concat(frames)


def calendar(days: int) -> list[date]:
    return [date(2001, 1, 1) + timedelta(days=day) for day in range(days)]


def splits(days: int) -> Splits:
    """60 % train, 20 % validation, 20 % test."""
    first, second = calendar(days)[int(0.6 * days)], calendar(days)[int(0.8 * days)]
    day = timedelta(days=1)
    return Splits("drawn", (None, first - day), (first, second - day), (second, None))


def world(bars: pl.DataFrame, task: str = "threshold_1pct", horizon: int = 1) -> Dataset:
    """A data set over `bars` whose samples need 30 bars of context and no features."""
    days = bars.filter(symbol=bars["symbol"][0]).height
    context = 30
    symbols = bars["symbol"].to_numpy()
    fits = eligible_rows(symbols, np.full(bars.height, True), context)
    bars = bars.with_columns(phase=pl.lit(0, dtype=pl.Int16))
    labels = label_bars(bars, bars, TASKS[task], horizon)
    return Dataset(
        features=np.zeros((bars.height, 1), dtype=np.float32),
        names=("zero",),
        bars=bars,
        daily=bars,
        eligible=fits,
        samples=split_samples(labels, fits, splits(days)),
        timescale=TIMESCALES["daily"],
        task=TASKS[task],
        horizon=horizon,
        context=context,
        splits_name="drawn",
        score_on=str(symbols[0]),
        artifacts=(),
        data_hash="drawn",
    )
