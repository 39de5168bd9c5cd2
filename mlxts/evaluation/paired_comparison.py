"""Two forecasts of the same days: which loses less, how sure is that, what could have been seen.

The test is that of Diebold and Mariano (1995) on a panel: the losses' difference is averaged over
the assets of a date, with equal weights, and the mean over dates is set against a long-run variance
with Bartlett weights (Newey, West 1987). Its lags: 4 (n/100)^(2/9) dates (Newey, West 1994); where
labels of H days overlap 1.3 sqrt(n) (Lazarus, Lewis, Stock, Watson 2018), and at least three times
as many as share days. An estimated variance is no known one: quantiles are Student's with 1.5 n /
lags degrees of freedom, those of the Bartlett window. It is reported with the block bootstrap of
`block_bootstrap.py`, which all other intervals come from. How often the test calls two equal
forecasts different is measured in its tests.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy import stats

from mlxts import formats
from mlxts.data import bars
from mlxts.errors import DataError
from mlxts.evaluation import estimability, power
from mlxts.evaluation.block_bootstrap import DRAWS, LEVEL, BlockBootstrap
from mlxts.evaluation.metrics import mean
from mlxts.losses import sample_losses
from mlxts.protocol import Task
from mlxts.runs.scored_task import ScoredTask

BETTER, SAME, WORSE = "better", "not significantly different", "worse"
_KEYS = ("symbol", "date")
_MIN_DATES = 30


@dataclass(frozen=True)
class Difference:
    """What `compare` found. Losses are nats; of regression squared errors.

    Attributes:
        loss_a, loss_b: means over the dates of the means over assets. difference: a minus b.
        standard_error: of the difference. lags: of its long-run variance, in dates.
        statistic, p_value: Diebold and Mariano's, two-sided; None where the losses never differ.
        interval: 95 %, of the block bootstrap.
        smallest_detectable: a true difference that is seen with 80 % power, 2.80 standard errors.
        rows, dates, assets: how many of each.
        n_eff: as how many independent dates these count, see `BlockBootstrap.effective`.
        n_eff_assets: as how many independent assets theirs count: the variance of an asset's
            difference over that of their mean.
        not_estimable: why nothing may be claimed, or None.
    """

    loss_a: float
    loss_b: float
    difference: float
    standard_error: float
    lags: int
    statistic: float | None
    p_value: float | None
    interval: tuple[float, float]
    smallest_detectable: float
    rows: int
    dates: int
    assets: int
    n_eff: float
    n_eff_assets: float
    not_estimable: str | None

    @property
    def verdict(self) -> str:
        """Whether a is better or worse; for that, test and interval have to agree."""
        if self.not_estimable:
            return "not estimable"
        low, high = self.interval
        if self.p_value is None or self.p_value >= 1.0 - LEVEL or low <= 0.0 <= high:
            return SAME
        return BETTER if self.difference < 0.0 else WORSE

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}


def pair(a: pl.DataFrame, b: pl.DataFrame, task: Task) -> pl.DataFrame:
    """The losses of two forecasts on the rows that both predict.

    Args:
        a, b: date, symbol, target, logit, each date of a symbol once.
        task: what was predicted.

    Returns:
        Sorted by date and symbol: date, symbol, target, a, b (losses).

    Raises:
        DataError: no row is in both, or they do not agree about what happened.
    """
    columns = (*_KEYS, "target", "logit")
    both = a.select(columns).join(b.select(columns), on=_KEYS, suffix="_b").sort("date", "symbol")
    if not both.height:
        raise DataError(
            "the two have no date of a symbol in common; compare what predicts the same days"
        )
    wrong = both.filter(pl.col("target") != pl.col("target_b"))
    if wrong.height:
        raise DataError(
            f"the two do not agree about what happened to {wrong['symbol'][0]} after "
            f"{wrong['date'][0]}, nor on {wrong.height - 1} other rows: the data changed in "
            "between; train on the same artifacts"
        )
    target = both["target"].to_numpy()
    return both.select(
        "date",
        "symbol",
        "target",
        a=sample_losses(both["logit"].to_numpy(), target, task),
        b=sample_losses(both["logit_b"].to_numpy(), target, task),
    )


def compare(
    rows: pl.DataFrame,
    task: Task,
    horizon: int,
    spacing: int = 1,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Test whether two forecasts lose the same.

    Args:
        rows: of `pair`.
        task, horizon: what was predicted, H in trading days.
        spacing: trading days from one date to the next.
        draws, seed: of the block bootstrap.

    Raises:
        DataError: fewer than 30 dates.
    """
    panel = (
        rows.with_columns(difference=pl.col("a") - pl.col("b"))
        .group_by("date")
        .agg(pl.mean("a", "b", "difference"), pl.len().alias("assets"))
        .sort("date")
    )
    if panel.height < _MIN_DATES:
        raise DataError(
            f"the two have {formats.count(panel.height, 'date')} in common, at least "
            f"{_MIN_DATES} are needed to compare them"
        )
    daily, days = panel["difference"].to_numpy(), panel["date"].to_numpy()
    bootstrap = BlockBootstrap(days, horizon, spacing)
    lags = _lags(len(daily), bootstrap.overlap)
    error = math.sqrt(long_run_variance(daily, lags) / len(daily))
    center = float(daily.mean())
    mean_draws = mean(daily, bootstrap.weights(draws, seed))
    statistic = center / error if error > 0.0 else None
    freedom = max(1.0, 1.5 * len(daily) / max(lags, 1))
    targets = rows["target"].to_numpy()
    return Difference(
        loss_a=float(panel["a"].to_numpy().mean()),
        loss_b=float(panel["b"].to_numpy().mean()),
        difference=center,
        standard_error=error,
        lags=lags,
        statistic=statistic,
        p_value=None if statistic is None else float(2.0 * stats.t.sf(abs(statistic), freedom)),
        interval=bootstrap.interval(mean_draws),
        smallest_detectable=power.smallest_gain(error),
        rows=rows.height,
        dates=len(daily),
        assets=rows["symbol"].n_unique(),
        n_eff=bootstrap.effective(daily, mean_draws),
        n_eff_assets=_independent_assets(rows),
        not_estimable=estimability.obstacle_of(
            task, rows["date"].to_numpy(), targets, horizon, spacing
        ),
    )


def estimands(rows: pl.DataFrame, scored_task: ScoredTask) -> dict[str, Difference]:
    """`compare` on the scored symbol; and where there are several, on the mean of all assets.

    Args:
        rows: of `pair`, canonical ones.
    """
    parts = {scored_task.score_on: rows.filter(symbol=scored_task.score_on)}
    assets = rows["symbol"].n_unique()
    if assets > 1 or not parts[scored_task.score_on].height:
        parts[f"mean of {formats.count(assets, 'asset')}"] = rows
    spacing = bars.spacing(scored_task.timescale)
    return {
        name: compare(part, scored_task.task, scored_task.horizon, spacing)
        for name, part in parts.items()
        if part.height
    }


def by_asset(rows: pl.DataFrame, scored_task: ScoredTask) -> dict[str, Difference]:
    """`compare` on each asset by itself; those with fewer than 30 dates are left out."""
    parts = rows.partition_by("symbol", as_dict=True, maintain_order=True)
    spacing = bars.spacing(scored_task.timescale)
    return {
        str(symbol): compare(part, scored_task.task, scored_task.horizon, spacing)
        for (symbol,), part in sorted(parts.items())
        if part.height >= _MIN_DATES
    }


def long_run_variance(values: Float[np.ndarray, " n"], lags: int) -> float:
    """Of the mean of n successive values, times n: autocovariances with Bartlett weights
    1 - k / (lags + 1) (Newey, West 1987), never negative."""
    centred = values - values.mean()
    total = float(centred @ centred)
    for lag in range(1, lags + 1):
        total += 2.0 * (1.0 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag])
    return max(total, 0.0) / len(values)


def sentence(a: str, b: str, difference: Difference, subject: str) -> str:
    """What was found, in words.

    Args:
        subject: was predicted, of whom and when.
    """
    where = f"{subject}, {formats.count(difference.dates, 'date')}"
    if difference.not_estimable:
        return f"Not estimable ({where}): {difference.not_estimable}; no claim about {a} is made."
    verb = {BETTER: "better than", WORSE: "worse than", SAME: f"{SAME} from"}[difference.verdict]
    low, high = difference.interval
    test = "the losses never differ"
    if difference.p_value is not None:
        p = formats.p_value(difference.p_value)
        test = f"Diebold-Mariano t {difference.statistic:+.2f}, p {p}"
    return (
        f"{a} is {verb} {b} ({where}): difference {difference.difference:+.5f}, 95 % interval "
        f"[{low:+.5f}, {high:+.5f}], {test}; a difference of "
        f"{difference.smallest_detectable:.5f} would have been seen with 80 % power."
    )


def mean_of(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The mean logit of several models (of regression: the mean forecast) as a model of its own.

    Args:
        tables: date, symbol, canonical, target, logit, the same rows in each.

    Raises:
        DataError: they do not predict the same rows.
    """
    forecasts = list(tables)
    keys = (*_KEYS, "canonical", "target")
    joined = pl.concat(table.select(*keys, "logit") for table in forecasts)
    averaged = joined.group_by(keys).agg(pl.len(), pl.mean("logit")).sort("date", "symbol")
    if not (averaged["len"] == len(forecasts)).all():
        incomplete = averaged.filter(pl.col("len") != len(forecasts)).row(0, named=True)
        raise DataError(
            f"not all of these runs predict {incomplete['symbol']} on {incomplete['date']}; only "
            "runs that predict the same rows have a mean"
        )
    return averaged.drop("len")


def _lags(dates: int, overlap: int) -> int:
    """Dates over which the long-run variance reaches."""
    if overlap == 1:
        return math.ceil(4.0 * (dates / 100.0) ** (2.0 / 9.0))
    return min(max(math.ceil(1.3 * math.sqrt(dates)), 3 * overlap), dates // 3)


def _independent_assets(rows: pl.DataFrame) -> float:
    """Variance of an asset's difference, the mean over assets, over that of the mean of assets."""
    differences = rows.select("date", "symbol", d=pl.col("a") - pl.col("b"))
    complete_dates = differences.filter(pl.len().over("date") == rows["symbol"].n_unique())
    asset_variance = complete_dates.group_by("symbol").agg(pl.var("d"))["d"].mean()
    mean_variance = complete_dates.group_by("date").agg(pl.mean("d"))["d"].var()
    if (
        not isinstance(asset_variance, float)
        or not isinstance(mean_variance, float)
        or mean_variance <= 0.0
    ):
        return 1.0
    return max(1.0, asset_variance / mean_variance)
