"""Power before time is spent: the formula, against the registered designs and a simulation."""

import math

import numpy as np
import pytest

from mlxts.evaluation import power
from mlxts.evaluation.power import Design
from mlxts.protocol import NOISE, LossNoise

THREE = (2e4, 2e5, 2e6)
SEVEN = tuple(10 ** (4.3 + k / 2) for k in range(7))


@pytest.mark.parametrize(
    ("design", "noise", "gain", "margin"),
    [
        (Design(THREE, 3, 501), "strict", 0.0149, 0.0155),
        (Design(THREE, 3, 501), "residual", 0.0078, 0.0081),
        (Design(THREE, 3, 5032, 10), "residual", 0.0024, 0.0026),
        (Design(THREE, 3, 5032, 10, 4.5), "residual", 0.0017, 0.0018),
        (Design(SEVEN, 3, 5032, 10, 4.5), "residual", 0.0012, 0.0013),
    ],
)
def test_the_designs_that_were_registered_see_what_was_said(design, noise, gain, margin) -> None:
    error = design.error(NOISE[noise])
    assert power.smallest_gain(error) == pytest.approx(gain, abs=6e-5)
    assert power.smallest_margin(error) == pytest.approx(margin, abs=6e-5)


@pytest.mark.parametrize("assets", [1, 4])
def test_the_error_is_that_of_simulated_slopes(assets: int) -> None:
    """Independent seeds at each origin and independent days of independent assets."""
    rng, noise, design = np.random.default_rng(0), LossNoise(0.01, 0.3), None
    design = Design(THREE, seeds=3, days=200, origins=4, n_eff_assets=assets)
    x = np.log10(THREE) - np.log10(THREE).mean()
    trials = 4000
    luck = rng.normal(scale=noise.seed, size=(trials, 4, 3, len(x))).mean(axis=(1, 2))
    of_days = rng.normal(scale=noise.day, size=(trials, 200, assets)).mean(axis=(1, 2))
    slopes = luck @ x / (x @ x) + of_days
    assert slopes.std() == pytest.approx(design.error(noise), rel=0.04)
    seen = np.abs(slopes + power.smallest_gain(slopes.std())) > 1.96 * slopes.std()
    assert seen.mean() == pytest.approx(0.8, abs=0.02)
    margin = power.smallest_margin(slopes.std())
    flat = np.abs(slopes) + 1.645 * slopes.std() < margin
    assert flat.mean() == pytest.approx(0.8, abs=0.02)


def test_one_size_or_no_day_sees_nothing() -> None:
    assert Design((2e6,), 3, 501).error() == math.inf
    assert Design(THREE, 3, 0).error() == math.inf


def test_independent_assets_lie_between_those_that_were_measured() -> None:
    assert power.effective_assets(1) == 1.0
    assert 1.0 < power.effective_assets(4) < 2.3
    assert power.effective_assets(19) == power.effective_assets(40) == 4.5
