"""Laws come back from tables without noise, and an independent fitter finds no better ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from mlxts.scaling import laws
from mlxts.scaling.fit import HUBER, fit, huber_sum
from mlxts.scaling.laws import FAMILIES, Family

N, D = np.geomspace(2e5, 2e8, 7), np.geomspace(1e3, 1e5, 5)
BOUND = 0.53

# As searched; exponents as they are told.
TRUTHS = {
    "flat": [-0.8],
    "power": [-0.8, 0.05],
    "power_floor": [np.log(0.4), np.log(0.05), 0.3],
    "bounded": [1.5, 0.0, 0.3],
    "broken": [-0.8, 0.02, 0.15, 0.7],
    "bounded_overfit": [1.0, -1.0, 0.5, -2.0, 0.3],
    "flat_surface": [-0.8],
    "power_surface": [-0.8, 0.05, 0.1],
    "kaplan": [-3.0, 0.08, -2.5, 0.2],
    "additive": [np.log(0.4), np.log(0.05), 0.3, np.log(0.06), 0.4],
    "bounded_surface": [1.0, -1.0, 0.5, -2.0, 0.3, 0.4],
}


def sizes_of(family: Family) -> np.ndarray:
    if family.axes == 1:
        return N[:, None]
    return np.stack([axis.ravel() for axis in np.meshgrid(N, D)], axis=-1)


def drawn(family: Family, searched: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Sizes, and (1, n) losses without noise."""
    sizes = sizes_of(family)
    u = np.log(sizes) - np.log(sizes).mean(axis=0)
    return sizes, np.exp(family.log_loss(np.array([searched]), u, BOUND))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_table_without_noise_gives_its_law_back(name: str) -> None:
    family = FAMILIES[name]
    sizes, losses = drawn(family, TRUTHS[name])
    found = fit(family, sizes, losses, bound=BOUND)
    np.testing.assert_allclose(found.searched[0], TRUTHS[name], atol=1e-6)
    np.testing.assert_allclose(found.predict(sizes), losses, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    floor=st.floats(0.1, 0.6), part=st.floats(0.02, 0.3), exponent=st.floats(0.08, 1.5)
)  # fmt: skip
def test_any_exponent_over_a_floor_comes_back(floor: float, part: float, exponent: float) -> None:
    family = FAMILIES["power_floor"]
    sizes, losses = drawn(family, [np.log(floor), np.log(part), exponent])
    told = fit(family, sizes, losses, bound=BOUND).parameters()
    assert told["a"][0] == pytest.approx(exponent, abs=1e-6)
    assert told["E"][0] == pytest.approx(floor, abs=1e-6)


@pytest.mark.parametrize("name", ["power", "power_floor", "broken", "additive", "kaplan"])
def test_scipy_finds_no_better_fit_of_a_noisy_table(name: str) -> None:
    family = FAMILIES[name]
    sizes, losses = drawn(family, TRUTHS[name])
    rng = np.random.default_rng(1)
    losses = losses * np.exp(rng.normal(scale=0.01, size=losses.shape))
    found = fit(family, sizes, losses, bound=BOUND)
    u = np.log(sizes) - found.center
    low, high = family.limits(u).T

    def residuals(values: np.ndarray) -> np.ndarray:
        return family.log_loss(values, u, BOUND) - np.log(losses[0])

    best = min(
        least_squares(
            residuals, np.clip(start, low + 1e-9, high - 1e-9), bounds=(low, high), loss="huber",
            f_scale=HUBER, xtol=1e-15, ftol=1e-15, gtol=1e-15,
        ).cost
        for start in np.array(TRUTHS[name]) + rng.normal(scale=0.2, size=(8, len(low)))
    )  # fmt: skip
    assert found.objective[0] == pytest.approx(huber_sum(residuals(found.searched[0]), HUBER))
    assert found.objective[0] <= best * (1 + 1e-7)


def test_many_tables_at_once_are_fitted_as_one_by_one() -> None:
    family = FAMILIES["power_floor"]
    sizes, losses = drawn(family, TRUTHS["power_floor"])
    noise = np.random.default_rng(2).normal(scale=0.003, size=(20, len(sizes)))
    many = losses * np.exp(noise)
    together = fit(family, sizes, many, bound=BOUND)
    alone = [fit(family, sizes, one[None], bound=BOUND).objective[0] for one in many]
    np.testing.assert_allclose(together.objective, alone, rtol=1e-4)


def test_one_bad_rung_moves_the_law_little() -> None:
    family = FAMILIES["power"]
    sizes, losses = drawn(family, TRUTHS["power"])
    spoilt = losses.copy()
    spoilt[0, 3] *= 1.3
    moved = fit(family, sizes, spoilt, bound=BOUND).searched - TRUTHS["power"]
    squares = (
        np.polyfit(np.log(N), np.log(spoilt[0]), 1)[1]
        - np.polyfit(np.log(N), np.log(losses[0]), 1)[1]
    )
    assert np.abs(moved).max() < 0.2 * abs(squares)


def test_a_bounded_law_stays_under_the_loss_without_information() -> None:
    family = FAMILIES["bounded_surface"]
    rng = np.random.default_rng(3)
    sizes = sizes_of(family)
    losses = BOUND * np.exp(rng.normal(scale=0.2, size=(1, len(sizes))))
    found = fit(family, sizes, losses, bound=BOUND)
    assert (found.predict(sizes * [1e-6, 1e6]) <= BOUND * (1 + 1e-12)).all()
    assert (found.predict(sizes * [1e6, 1e-6]) <= BOUND * (1 + 1e-12)).all()


def test_a_family_is_offered_only_where_a_size_is_left_to_judge_it() -> None:
    assert [f.name for f in laws.available(1, 3)] == ["flat", "power"]
    assert [f.name for f in laws.available(1, 5)] == [
        "flat", "power", "power_floor", "bounded", "broken",
    ]  # fmt: skip
    for axes in (1, 2):
        counts = [len(f.parameters) for f in laws.available(axes, 99)]
        assert counts == sorted(counts)
