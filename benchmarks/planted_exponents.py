"""Does the pattern market scale as its law says, for a learner without a network?

Bars, labels and codes are those that `mlxts data simulate zipf` stores. The learner keeps a count
of ups and downs for every code that it has met and says what Bayes' rule says of its drift, which
is one of two. Its expected log loss on other paths of the same market, above that of the stored
probabilities, must fall with the number of samples D like D^-(a / (1 + a)), whatever the drift.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import expit, ndtr

from benchmarks.harness import Benchmark, Picture, Row, main
from mlxts import protocol
from mlxts.data.sources.base import PLANTED, oracle_column
from mlxts.dataset import labels as targets
from mlxts.simulation.source import SimulatedSource

EXPONENTS = (0.5, 1.0)
DRIFTS = (0.5, 1.0)  # in daily volatilities: two signal-to-noise ratios
PATHS = (1, 3, 10, 30, 100)  # of SPY's length each: up to a hundred times its history
UNSEEN = 20  # paths to score on
SEEDS = (0, 1)


def rows_of(market: SimulatedSource, symbol: str) -> pl.DataFrame:
    """One path: code (bytes of the planted features), up (0 or 1 the next day), p (exact)."""
    bars = market.fetch(symbol).frame.with_columns(symbol=pl.lit(symbol))
    labels = targets.compute(bars, protocol.TASKS["direction"], 1)
    codes = pl.Series("code", list(map(bytes, bars[PLANTED].to_numpy())), dtype=pl.Binary)
    exact = bars[oracle_column("direction", 1)].alias("p")
    return pl.DataFrame([codes, labels["target"].alias("up"), exact]).drop_nulls()


def excess(train: pl.DataFrame, unseen: pl.DataFrame, drift: float) -> float:
    """Expected log loss of the learner above the Bayes forecast's on `unseen`, nats."""
    known = train.group_by("code").agg(lead=(2 * pl.col("up") - 1).sum())
    lead = unseen.join(known, on="code", how="left", maintain_order="left")["lead"]
    right = ndtr(drift)
    rises = expit(np.log(right / (1 - right)) * lead.fill_null(0.0).to_numpy())
    said, p = rises * right + (1 - rises) * (1 - right), unseen["p"].to_numpy()
    return float(np.mean(p * np.log(p / said) + (1 - p) * np.log((1 - p) / (1 - said))))


def ladder(
    exponent: float, drift: float, paths: Sequence[int], unseen: int, seed: int
) -> list[tuple[int, float]]:
    """(samples, excess loss) of learners that have seen so many paths."""
    market = SimulatedSource("zipf", seed, dials={"exponent": exponent, "drift": drift})
    seen = [rows_of(market, f"SEEN{number}") for number in range(max(paths))]
    others = pl.concat(rows_of(market, f"OTHER{number}") for number in range(unseen))
    trained = [pl.concat(seen[:count]) for count in paths]
    return [(one.height, excess(one, others, drift)) for one in trained]


def slope(steps: Sequence[tuple[int, float]]) -> float:
    """The exponent: minus the slope of log excess on log samples, least squares."""
    samples, losses = np.log(np.array(steps)).T
    return -float(np.polyfit(samples, losses, 1)[0])


def measure(quick: bool) -> list[Row]:
    """A row for every market and size; the exponent is of the mean over seeds."""
    paths, unseen, seeds = (PATHS[:3], 3, SEEDS[:1]) if quick else (PATHS, UNSEEN, SEEDS)
    rows: list[Row] = []
    for exponent in EXPONENTS:
        for drift in DRIFTS:
            runs = [ladder(exponent, drift, paths, unseen, seed) for seed in seeds]
            mean = [
                (step[0][0], float(np.mean([s[1] for s in step])))
                for step in zip(*runs, strict=True)
            ]
            shared = {
                "market": f"a = {exponent:g}, drift {drift:g}",
                "exponent": exponent / (1 + exponent),
                "found": slope(mean),
            }
            rows += [shared | {"samples": n, "excess": loss} for n, loss in mean]
    return rows


BENCHMARK = Benchmark(
    name="planted_exponents",
    question="Does a counting learner scale on the pattern market with the theoretical exponent?",
    measure=measure,
    columns={
        "market": "market",
        "samples": "samples|,",
        "excess": "excess log loss, nats|.5f",
        "exponent": "theoretical exponent|.3f",
        "found": "estimated|.3f",
    },
    picture=Picture("lines", ("samples",), "excess", by="market", log=True),
    notes=(
        "A path is as long as SPY's history; sample sizes go up to a hundred paths. The learner "
        "counts rises and falls of each pattern; no network is trained.",
        "The exponent is estimated by one fit over all sample sizes. Criterion: within 0.05.",
    ),
)


if __name__ == "__main__":
    main(BENCHMARK)
