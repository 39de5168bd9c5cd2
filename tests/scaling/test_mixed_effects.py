"""A planted interaction comes back, and intervals know of dates and seeds."""

import itertools

import numpy as np
import polars as pl
import pytest
import statsmodels.formula.api as smf

from mlxts.errors import RunError
from mlxts.scaling import mixed_effects

TRUTH = {"logN": 0.02, "logD": 0.03, "logN:logD": 0.015, "logF": 0.0, "logN:logF": -0.01}


def design(cells: int = 6, seeds: int = 3) -> pl.DataFrame:
    rows = itertools.product(
        [f"cell {index}" for index in range(cells)], range(seeds), [2e5, 2e6, 2e7],
        [1e3, 1e4], [20, 200],
    )  # fmt: skip
    return pl.DataFrame(list(rows), schema=["cell", "seed", "N", "D", "F"], orient="row")


def planted(runs: pl.DataFrame, noise: float, draws: int = 40) -> np.ndarray:
    """(draws + 1, runs): a truth with cells and seeds that differ; draws scatter around row 0."""
    rng = np.random.default_rng(0)
    log = {axis: np.log10(runs[axis].to_numpy()) for axis in "NDF"}
    log = {f"log{axis}": values - values.mean() for axis, values in log.items()}
    skill = sum(
        size * np.prod([log[part] for part in name.split(":")], axis=0)
        for name, size in TRUTH.items()
    )
    _, cell = np.unique(runs["cell"].to_numpy(), return_inverse=True)
    own = rng.normal(scale=noise, size=(cell.max() + 1, 2))
    skill = skill + own[cell, 0] + own[cell, 1] * log["logN"] / 3
    skill = skill + rng.normal(scale=noise, size=runs.height)
    return np.vstack([skill, skill + rng.normal(scale=noise, size=(draws, runs.height))])


def test_slopes_at_low_middle_and_high_sizes_come_back() -> None:
    runs = design()
    found = mixed_effects.fit(runs, planted(runs, 0.0005))
    for name, size in TRUTH.items():
        assert found.effects[name][0] == pytest.approx(size, abs=1e-3)
    slopes = {slope.at: slope.slope for slope in found.slopes}
    assert set(slopes) == {"middle", "low D", "high D", "low F", "high F"}
    assert slopes["high D"] - slopes["low D"] == pytest.approx(0.015, abs=1e-3)
    assert slopes["high F"] < slopes["middle"] < slopes["low F"]
    assert (found.cells, found.runs, found.converged) == (6, 216, True)


@pytest.mark.filterwarnings("ignore")  # statsmodels warns where a component is zero
def test_fixed_effects_are_those_of_statsmodels() -> None:
    runs = design(seeds=2)
    skills = planted(runs, 0.01)
    found = mixed_effects.fit(runs, skills)
    table = pl.DataFrame(
        {
            "skill": skills[0],
            "cell": runs["cell"],
            "seed": runs["seed"],
            **{f"log{a}": np.log10(runs[a]) - np.log10(runs[a]).mean() for a in "NDF"},
        }
    ).to_pandas()
    oracle = smf.mixedlm(
        "skill ~ logN*logD + logN*logF", table, groups="cell", re_formula="~logN",
        vc_formula={"seed": "0 + C(seed)"},
    ).fit(reml=True, method=["lbfgs", "powell"])  # fmt: skip
    for name in TRUTH:
        assert found.effects[name][0] == pytest.approx(oracle.params[name], abs=2e-4)
    assert found.between_cells == pytest.approx(float(oracle.cov_re.iloc[1, 1]) ** 0.5, rel=0.1)


def test_intervals_are_those_of_the_draws() -> None:
    runs = design(cells=1)
    still = np.repeat(planted(runs, 0.01)[:1], 21, axis=0)
    found = mixed_effects.fit(runs, still)
    value, low, high = found.effects["logN"]
    assert low == pytest.approx(value) == pytest.approx(high)
    assert np.isnan(found.between_cells)


def test_what_does_not_vary_is_left_out() -> None:
    runs = design(cells=2).filter(D=1e3, F=20)
    found = mixed_effects.fit(runs, planted(runs, 0.001))
    assert set(found.effects) == {"intercept", "logN"}
    assert [slope.at for slope in found.slopes] == ["middle"]


def test_an_interaction_that_cannot_be_told_apart_is_left_out() -> None:
    runs = design(cells=1).filter(
        ((pl.col("N") == 2e5) | (pl.col("D") == 1e3)) & (pl.col("F") == 20)
    )
    one_line = runs.filter(pl.col("N") < 1e7)
    found = mixed_effects.fit(one_line, planted(one_line, 0.001))
    assert "logN:logD" not in found.effects


def test_one_size_is_one_line() -> None:
    runs = design().filter(N=2e5)
    with pytest.raises(RunError, match="second budget"):
        mixed_effects.fit(runs, np.zeros((3, runs.height)))
