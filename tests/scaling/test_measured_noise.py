"""What runs differ by is found again from their losses."""

import numpy as np
import pytest

from mlxts.protocol import LossNoise
from mlxts.scaling import measured_noise
from mlxts.scaling.loss_table import LossTable


def planted(noise: LossNoise, *, seeds: int = 3, origins: int = 8, days: int = 400) -> LossTable:
    """Losses at sizes a decade apart, by seeds of their own at each origin, and by days."""
    rng = np.random.default_rng(0)
    luck = np.repeat(rng.normal(scale=noise.seed, size=(origins, 3 * seeds)), days, axis=0)
    x = np.repeat([-1.0, 0.0, 1.0], seeds)
    losses = 0.5 + luck - rng.normal(scale=noise.day, size=(origins * days, 1)) * x
    level = losses.mean(axis=1)
    return LossTable(
        name="planted", dates=np.arange(origins * days), losses=losses, har=level, linear=level,
        reference=level, prior=level, sizes=np.repeat([1e4, 1e5, 1e6], seeds)[:, None],
        origins=np.repeat(np.arange(origins), days),
    )  # fmt: skip


def test_the_luck_of_seeds_and_of_days_is_found_again() -> None:
    noise = measured_noise.of_tables([planted(LossNoise(0.01, 0.05))])
    assert noise is not None
    assert noise.seed == pytest.approx(0.01, rel=0.2)
    assert noise.day == pytest.approx(0.05, rel=0.05)


def test_a_single_seed_or_no_run_says_nothing() -> None:
    assert measured_noise.of_tables([planted(LossNoise(0.01, 0.05), seeds=1)]) is None
    assert measured_noise.of_runs([]) is None
