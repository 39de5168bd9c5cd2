"""What does an interval cost: 2,000 bootstrap draws of AUC on 500 dates for 20 models?

The draws depend on the dates alone, so they are made once and shared by all models. Each model's
AUC is then computed for all draws together, and beside it by the plain way, scikit-learn called
once a draw (timed on a few draws, since all of them would take minutes).
"""

import time

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.harness import Benchmark, Row, main
from mlxts.evaluation import metrics
from mlxts.evaluation.block_bootstrap import DRAWS, BlockBootstrap
from mlxts.evaluation.metrics import Forecast

DATES, MODELS = 500, 20
PLAIN_DRAWS = 40  # of scikit-learn, timed for one model
RATES = (0.05, 0.2, 0.5)  # of positives: how many pairs there are to compare


def forecasts(rate: float, models: int, seed: int = 0) -> list[Forecast]:
    """`models` forecasts of one series of labels, each with noise of its own."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(DATES) < rate).astype(float)
    return [Forecast(rng.normal(size=DATES) + targets, targets) for _ in range(models)]


def case(rate: float, draws: int, models: int) -> Row:
    """Seconds for draws and metric, and what the plain way would take."""
    said = forecasts(rate, models)
    began = time.perf_counter()
    weights = BlockBootstrap(np.arange(DATES), 1).weights(draws)[:, 1:]
    drawn = time.perf_counter()
    figures = [metrics.auc(forecast, weights) for forecast in said]
    done = time.perf_counter()
    some = min(PLAIN_DRAWS, draws)
    plain = [
        roc_auc_score(said[0].targets, said[0].logits, sample_weight=weights[:, index])
        for index in range(some)
    ]
    plainly = (time.perf_counter() - done) / some * draws * models
    np.testing.assert_allclose(figures[0][:some], plain)
    return {
        "dates": DATES,
        "models": models,
        "draws": draws,
        "rate": rate,
        "weights": drawn - began,
        "auc": done - drawn,
        "all": done - began,
        "plain": plainly,
    }


def measure(quick: bool) -> list[Row]:
    draws, models = (200, 2) if quick else (DRAWS, MODELS)
    case(RATES[0], 50, 1)  # the first call of a library loads it
    return [case(rate, draws, models) for rate in RATES]


BENCHMARK = Benchmark(
    name="bootstrap",
    question="How long does a bootstrap confidence interval take?",
    measure=measure,
    columns={
        "dates": "dates",
        "models": "models",
        "draws": "draws|,",
        "rate": "base rate|.0%",
        "weights": "draws, s|.2f",
        "auc": "AUC of all, s|.2f",
        "all": "both, s|.2f",
        "plain": "scikit-learn, once a draw, s|.0f",
    },
    notes=(
        "Criterion: both in less than 2 s on two cores.",
        f"The last column is extrapolated from {PLAIN_DRAWS} draws; their AUCs are equal to ours.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
