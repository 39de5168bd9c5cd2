"""More days and larger gains are seen more often; the smallest one is read off the curve."""

import numpy as np
import pytest

from mlxts.scaling import sensitivity, synthetic, verdict
from mlxts.scaling.sensitivity import Power, power, smallest


def curve(*shares: float) -> list[Power]:
    return [Power(1, 0.001 * i, 9, {verdict.SCALING: s}) for i, s in enumerate(shares)]


def test_the_smallest_gain_lies_between_two_that_were_tried() -> None:
    assert smallest(curve(0.0, 0.4, 0.9, 1.0)) == pytest.approx(0.0018)
    assert smallest(curve(0.9, 1.0)) == 0.0
    assert smallest(curve(0.0, 0.9, 0.5, 1.0)) == pytest.approx(0.0026)
    assert smallest(curve(0.0, 0.5)) is None


def test_a_large_gain_is_seen_and_none_is_not() -> None:
    seen, none = (power(gain, tables=6, draws=80) for gain in (0.02, 0.0))
    assert seen.shares[verdict.SCALING] == 1.0
    assert none.shares[verdict.SCALING] <= 1 / 6
    assert sum(none.shares.values()) == pytest.approx(1.0)


def test_ten_times_the_days_halve_more_than_twice_the_error_of_dates() -> None:
    rng = np.random.default_rng(0)
    truth = np.full(synthetic.RUNGS, 0.45)

    def spread(times: int) -> float:
        tables = [
            synthetic.table(truth, rng, days=501 * times, group=times, seeds=1) for _ in range(60)
        ]
        return float(np.std([table.har.mean() for table in tables]))

    assert spread(1) / spread(10) == pytest.approx(np.sqrt(10), rel=0.35)


def test_the_noise_is_the_one_that_was_measured() -> None:
    rng, noise = np.random.default_rng(1), synthetic.Noise()
    truth = np.full(synthetic.RUNGS, 0.45)
    tables = [synthetic.table(truth, rng) for _ in range(150)]
    means = np.stack([t.losses.mean(axis=0).reshape(synthetic.RUNGS, -1) for t in tables])
    assert means.std(axis=2, ddof=1).mean() == pytest.approx(noise.seed, rel=0.1)
    ends = means.mean(axis=2)[:, -1] - means.mean(axis=2)[:, 0]
    assert ends.std() == pytest.approx(np.hypot(noise.paired, noise.seed * (2 / 5) ** 0.5), rel=0.2)
    assert np.std([t.har.mean() for t in tables]) == pytest.approx(noise.market, rel=0.2)


def test_the_days_of_simulations_carry_dates_of_their_own() -> None:
    table = synthetic.table(
        np.full(5, 0.45), np.random.default_rng(0), days=1000, group=10
    )  # fmt: skip
    assert table.losses.shape == (100, 25)
    assert table.spacing == 10
    assert sensitivity.DAYS == synthetic.DAYS
