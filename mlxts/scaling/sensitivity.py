"""Minimum detectable effect: loss tables with a planted gain, judged like real ones.

The gain is planted in the loss per date; `benchmarks/end_to_end.py` plants it in prices and trains
models. Samples of 10 and 100 times SPY's validation years show the effect of more dates (years, or
independent markets): they reduce the noise of dates, not seed variance, which only more seeds or
more sizes reduce.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlxts.scaling import synthetic, verdict
from mlxts.scaling.synthetic import DAYS, LOSS, SEEDS, SIZES, Noise

POWER = 0.8  # share of samples in which an effect must be detected


@dataclass(frozen=True)
class Power:
    """How often each verdict is given at one planted gain."""

    times: int  # sample size, in units of SPY's validation days
    gain: float  # nats per decade
    tables: int
    shares: dict[str, float]


def power(
    gain: float,
    *,
    times: int = 1,
    tables: int = 100,
    draws: int = 200,
    seeds: int = SEEDS,
    noise: Noise | None = None,
    seed: int = 0,
) -> Power:
    """Judge `tables` samples of `times` SPY's days whose loss falls by `gain` per decade."""
    x = np.log10(SIZES) - np.log10(SIZES).mean()
    rng = np.random.default_rng([seed, times, round(gain * 1e7)])
    words_of_tables = []
    for number in range(tables):
        table = synthetic.table(
            LOSS - gain * x, rng, seeds=seeds, days=DAYS * times, noise=noise, group=times
        )
        judged = verdict.judge([table], draws=draws, seed=number, only=("flat", "power"))
        words_of_tables.append(judged.cells[0].word)
    words = (verdict.SCALING, verdict.INVERSE, verdict.FLAT, verdict.INCONCLUSIVE)
    return Power(
        times, gain, tables, {word: words_of_tables.count(word) / tables for word in words}
    )


def smallest(powers: Sequence[Power], share: float = POWER) -> float | None:
    """The smallest gain that gets the verdict *scaling* in `share` of the samples, by linear
    interpolation between the gains that were tried; None where none of them reaches it."""
    curve = sorted((p.gain, p.shares[verdict.SCALING]) for p in powers)
    gains, shares = np.array(curve).T
    below = np.flatnonzero(shares < share)
    if not len(below):
        return float(gains[0])
    last = below[-1]
    if last + 1 == len(gains):
        return None
    return float(np.interp(share, shares[last : last + 2], gains[last : last + 2]))
