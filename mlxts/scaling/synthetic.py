"""Loss tables with a known truth and the noise that was measured on real ones.

They answer two questions that no real table can: the coverage of this room's intervals, and the
minimum detectable effect of its verdict.

A run's loss on a date is

    truth(x) + market_t + tilt_t z(x) + rung_xt + seed_r + noise_rt

with z the standardised ln x. What is common to all runs cancels in comparisons; `tilt` and `rung`
are what makes two sizes differ from day to day, persistent and heavy-tailed (AR(1), Student t with
5 degrees of freedom); `seed` is the error of an initialisation. Where labels reach H days ahead,
successive ones share days: every daily series is then a moving mean of H, with the same long-run
error.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from mlxts.scaling.loss_table import LossTable

DAYS = 501  # SPY, daily, validation 2023–24
LOSS, HAR_GAIN = 0.444, 0.076  # HAR's log loss at H = 1, 1 %, and its gain over the base rate
RUNGS, SEEDS = 5, 5
SIZES = np.geomspace(2e5, 2e8, RUNGS)  # parameters, three decades


@dataclass(frozen=True)
class Noise:
    """Standard errors as measured on two years of the S&P 500, in nats.

    Attributes:
        seed: standard deviation between seeds of a run's mean loss.
        paired: standard error of the difference in mean loss of two models, over `days`.
        market: standard error of a mean loss itself.
        days: of the measurement.
        persistence: autocorrelation of the daily differences.
    """

    seed: float = 0.003
    paired: float = 0.005
    market: float = 0.022
    days: int = DAYS
    persistence: float = 0.3


def table(
    truth: np.ndarray,
    rng: np.random.Generator,
    *,
    sizes: np.ndarray = SIZES,
    seeds: int = SEEDS,
    days: int = DAYS,
    noise: Noise | None = None,
    group: int = 1,
    horizon: int = 1,
    name: str = "synthetic",
) -> LossTable:
    """Draw a table.

    Args:
        truth: (K,) expected loss at each of the K `sizes`, nats.
        days: of the simulation.
        group: that many days in a row are averaged to one date, so that long samples stay small;
            blocks then count as many fewer dates.
        horizon: H, how many days a label reaches ahead.
    """
    noise, count = noise or Noise(), len(sizes)
    z = np.log(sizes) - np.log(sizes).mean()
    z = z / (z[-1] - z[0])
    half = noise.paired / np.sqrt(2.0)  # of the difference of the ends: from the tilt, from rungs

    def series(error: float, columns: int) -> np.ndarray:
        return _series(rng, noise, error, days, columns, horizon)

    market = series(noise.market, 1)
    tilt = series(half, 1) * z
    rung_noise = series(half / np.sqrt(2.0), count)
    by_rung = truth + market + tilt + rung_noise
    seed_effect = rng.normal(scale=noise.seed / np.sqrt(2.0), size=(count, seeds))
    daily = series(noise.seed / np.sqrt(2.0), count * seeds)
    losses = (by_rung[:, :, None] + seed_effect).reshape(days, -1) + daily
    har = LOSS + market[:, 0] + series(noise.paired, 1)[:, 0]
    prior = har + HAR_GAIN + series(noise.paired, 1)[:, 0]
    whole = days // group * group
    first = np.datetime64("2001-01-01")

    def grouped(values: np.ndarray) -> np.ndarray:
        return values[:whole].reshape(whole // group, group, -1).mean(axis=1)

    return LossTable(
        name=name,
        dates=first + np.arange(whole // group),
        losses=grouped(losses),
        har=grouped(har)[:, 0],
        linear=grouped(har)[:, 0],
        reference=grouped(har)[:, 0],
        prior=grouped(prior)[:, 0],
        sizes=np.repeat(sizes, seeds)[:, None],
        horizon=horizon,
        spacing=group,
        bound=LOSS + HAR_GAIN,
    )


def _series(
    rng: np.random.Generator, noise: Noise, error: float, days: int, columns: int, horizon: int
) -> np.ndarray:
    """(days, columns) AR(1) series, or its moving mean over `horizon` days, whose mean over
    `noise.days` has the standard error `error`."""
    rho, warm = noise.persistence, 49 + horizon
    shocks = rng.standard_t(5, size=(days + warm, columns)) / np.sqrt(5.0 / 3.0)
    # The long-run deviation of an AR(1) is that of its shocks over 1 - rho; a moving mean keeps it.
    scale = error * np.sqrt(noise.days) * (1.0 - rho)
    walked = lfilter([1.0], [1.0, -rho], shocks, axis=0)
    if horizon > 1:
        walked = lfilter(np.full(horizon, 1.0 / horizon), [1.0], walked, axis=0)
    return scale * walked[warm:]
