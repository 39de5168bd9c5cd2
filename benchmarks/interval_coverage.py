"""Do the intervals of a score hold the truth as often as they claim to, where labels overlap?

Markets are drawn whose log-volatility is an AR(1); within a day the price is a Brownian motion, so
that highs are exact. The label is a touch of a barrier within H days, and successive labels share
H - 1 of them. The forecast is today's exponentially weighted mean of absolute returns.
Evaluation windows of some years are drawn over and over, and it is counted how often each kind of
interval holds the truth:

- single days: days are drawn one by one, as if they were independent;
- blocks: percentiles of the block bootstrap;
- ours: the percentiles that `BlockBootstrap.level` asks for, which stand beside every score.

There are two truths, and both are asked for in every row. Days of one window differ less from each
other than days of decades do, so that a forecast of volatility ranks them less well: the mean AUC
over windows lies below the AUC of a history so long that it has no noise. The first is what a score
of so many days is an estimate of, and what an interval beside it speaks about; the second is what
somebody may wish that it spoke about.

The primary figure of a model is no score but a difference: its log loss minus HAR's on the same
days. What kind of years they are meets both alike, and so the last column asks how often our
intervals hold the true difference between two logistic regressions, one on the slow mean of
absolute returns, one also on two faster means of the days' highs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter
from sklearn.linear_model import LogisticRegression

from benchmarks.harness import Benchmark, Picture, Row, main
from mlxts.evaluation import metrics
from mlxts.evaluation.block_bootstrap import LEVEL, BlockBootstrap, percentile_interval
from mlxts.evaluation.metrics import Forecast
from mlxts.protocol import MIN_BLOCK_DAYS

WINDOWS, DRAWS = 600, 600
HISTORY = 2_000_000  # days of the history that says the truth
_WARM = 250  # days before a window, for the forecast to forget how it began
_VOLATILITY = 0.0095  # median deviation of a day's log return
_DECAY, _FASTER = 0.94, (0.8, 0.5)
_FITTED = 200_000  # days that the two regressions are fitted on


@dataclass(frozen=True)
class Case:
    """A market, a label and how many days are scored.

    Attributes:
        persistence: of the log-volatility from a day to the next.
        spread: deviation of the log-volatility.
        horizon: H, days. barrier: log price above the close.
        days: of a window.
    """

    persistence: float
    spread: float
    horizon: int
    barrier: float
    days: int

    @property
    def title(self) -> str:
        half_life = np.log(0.5) / np.log(self.persistence)
        return f"H = {self.horizon}, volatility halves in {half_life:.0f} days"


CASES = (
    Case(0.90, 0.45, 21, 0.05, 500),
    Case(0.95, 0.45, 21, 0.05, 500),
    Case(0.95, 0.45, 21, 0.03, 500),
    Case(0.95, 0.45, 21, 0.05, 1_500),
    Case(0.98, 0.45, 21, 0.05, 500),
    Case(0.98, 0.45, 21, 0.05, 1_500),
    Case(0.98, 0.45, 1, 0.01, 500),
)


class Window(NamedTuple):
    """Successive days of a market."""

    known: np.ndarray  # (days, 3) logs of the slow mean and of the faster ones
    targets: np.ndarray  # (days,) 0 or 1

    @property
    def slow(self) -> Forecast:
        return Forecast(self.known[:, 0], self.targets)


def window(case: Case, days: int, rng: np.random.Generator) -> Window:
    """`days` successive days of a market."""
    total = _WARM + days + case.horizon
    rho, spread = case.persistence, case.spread
    shocks = spread * np.sqrt(1.0 - rho**2) * rng.normal(size=total)
    shocks[0] = spread * rng.normal()
    volatility = _VOLATILITY * np.exp(lfilter([1.0], [1.0, -rho], shocks))
    moves = volatility * rng.normal(size=total)
    # The highest point of a Brownian bridge that ends at x: (x + sqrt(x^2 - 2 v^2 log U)) / 2.
    highs = 0.5 * (moves + np.sqrt(moves**2 - 2.0 * volatility**2 * np.log(rng.random(total))))
    closes = np.cumsum(moves)
    tops = closes - moves + highs
    ahead = np.lib.stride_tricks.sliding_window_view(tops, case.horizon)[1:].max(axis=1)
    touched = ahead[: total - case.horizon] >= closes[: total - case.horizon] + case.barrier
    known = [_mean(np.abs(moves), _DECAY), *(_mean(highs, decay) for decay in _FASTER)]
    chosen = slice(_WARM, _WARM + days)
    return Window(np.log(np.stack(known, axis=1)[chosen]), touched[chosen].astype(float))


def _mean(values: np.ndarray, decay: float) -> np.ndarray:
    """Exponentially weighted; far below any volatility where it is 0."""
    return lfilter([1.0 - decay], [1.0, -decay], values) + 1e-9


def _losses(model: LogisticRegression, drawn: Window) -> np.ndarray:
    inputs = drawn.known[:, : model.coef_.shape[1]]
    return Forecast(model.decision_function(inputs), drawn.targets).losses


def coverage(case: Case, windows: int, *, draws: int = DRAWS, seed: int = 0) -> Row:
    """How often each kind of interval holds the true AUC, over `windows` drawn windows."""
    rng = np.random.default_rng([seed, case.horizon, case.days, int(1000 * case.persistence)])
    history = window(case, HISTORY, rng)
    once = np.ones((HISTORY, 1))
    true = float(metrics.auc(history.slow, once)[0])
    one, other = (
        LogisticRegression().fit(history.known[:_FITTED, :k], history.targets[:_FITTED])
        for k in (1, 3)
    )
    gain = float(np.mean(_losses(other, history) - _losses(one, history)))
    dates = np.arange(case.days)
    bootstrap, apart = BlockBootstrap(dates, case.horizon), BlockBootstrap(dates, 1, MIN_BLOCK_DAYS)
    weights = {
        "single": apart.weights(draws)[:, 1:],  # blocks of one date
        "blocks": bootstrap.weights(draws)[:, 1:],
    }
    kinds = {
        "single": ("single", LEVEL),
        "blocks": ("blocks", LEVEL),
        "ours": ("blocks", bootstrap.level),
    }
    ends: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    found, differences = [], []
    for _ in range(windows):
        drawn_days = window(case, case.days, rng)
        forecast = drawn_days.slow
        if forecast.targets.min() == forecast.targets.max():
            continue  # no AUC, and no interval that could be wrong
        found.append(float(metrics.auc(forecast, np.ones((case.days, 1)))[0]))
        drawn = {name: metrics.auc(forecast, counts) for name, counts in weights.items()}
        for kind, (name, at) in kinds.items():
            ends[kind].append(percentile_interval(drawn[name], at))
        gains = metrics.mean(
            _losses(other, drawn_days) - _losses(one, drawn_days), weights["blocks"]
        )
        differences.append(percentile_interval(gains, bootstrap.level))
    mean = float(np.mean(found))
    return {
        "case": case.title,
        "barrier": case.barrier,
        "days": case.days,
        "windows": len(found),
        "rate": float(history.targets.mean()),
        "true": true,
        "mean": mean,
        "deviation": float(np.std(found)),
        **{f"{kind}_window": held(pairs, mean) for kind, pairs in ends.items()},
        **{f"{kind}_history": held(pairs, true) for kind, pairs in ends.items()},
        "difference": gain,
        "held_difference": held(differences, gain),
        "width": float(np.mean([high - low for low, high in ends["ours"]])),
    }


def held(intervals: Sequence[tuple[float, float]], value: float) -> float:
    """The share of intervals that hold a value."""
    return float(np.mean([low <= value <= high for low, high in intervals]))


def measure(quick: bool) -> list[Row]:
    if quick:
        return [coverage(CASES[1], 60, draws=300)]
    return [coverage(case, WINDOWS) for case in CASES]


BENCHMARK = Benchmark(
    name="interval_coverage",
    question="Do 95 % confidence intervals of AUC have their coverage where labels overlap?",
    measure=measure,
    columns={
        "case": "market and horizon",
        "barrier": "touch of|.0%",
        "days": "scored days|,",
        "rate": "base rate|.2f",
        "mean": "mean AUC of such windows|.3f",
        "deviation": "std over windows|.3f",
        "ours_window": "coverage of that mean: ours|.1%",
        "blocks_window": "blocks|.1%",
        "single_window": "single days|.1%",
        "true": "AUC of the whole history|.3f",
        "ours_history": "coverage of it: ours|.1%",
        "blocks_history": "blocks|.1%",
        "single_history": "single days|.1%",
        "width": "mean width of ours|.3f",
        "difference": "true log-loss difference|+.4f",
        "held_difference": "coverage of it: ours|.1%",
    },
    picture=Picture("bars", ("case", "days", "barrier"), "ours_window", level=0.95),
    notes=(
        f"{WINDOWS:,} windows a row, {DRAWS:,} draws each; two years have about 500 days.",
        "Criterion at H = 21: coverage of 92 to 98 % of the mean AUC over windows of as many days, "
        "which is what a score estimates. Where volatility changes more slowly than a block is "
        "long, a window contains too few changes for the bootstrap, and an interval of AUC is "
        "valid for years like the scored ones, not for the whole history, whose coverage is given "
        "too. Differences between two models on the same days are not affected.",
        "ours: the widened percentiles of `BlockBootstrap`; blocks: plain percentiles of the same "
        "draws; single days: days drawn as if they were independent.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
