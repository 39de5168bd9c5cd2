"""The law that foresees is chosen, and the simplest of those that do."""

from dataclasses import replace

import numpy as np
import pytest

from mlxts.scaling import bootstrap, laws, select, synthetic

SIZES = synthetic.SIZES


def selected(truth: np.ndarray, sizes: np.ndarray = SIZES) -> select.Selection:
    table = synthetic.table(truth, np.random.default_rng(0), sizes=sizes)
    (weights,) = bootstrap.date_weights([table], draws=60)
    return select.select(table, bootstrap.draw(table, weights))


def test_flat_is_chosen_where_nothing_changes() -> None:
    found = selected(np.full(5, 0.45))
    assert found.chosen == "flat"
    assert sum(found.frequencies.values()) == pytest.approx(1.0)


def test_a_steady_fall_is_a_power_law_and_foreseen() -> None:
    found = selected(0.45 * (SIZES / SIZES.mean()) ** -0.04)
    assert found.chosen == "power"
    assert found.skill > 0.5
    law = found.fits["power"]
    low, high = np.percentile(law.parameters()["a"][1:], [0.5, 99.5])
    assert low < 0.04 < high


def test_a_turn_is_not_taken_for_a_power_law() -> None:
    z = np.linspace(-0.5, 0.5, 5)
    found = selected(0.43 + 0.15 * (z + 0.1) ** 2)
    assert found.chosen == "broken"
    assert found.frequencies["power"] < 0.1


def test_the_errors_are_those_of_the_size_left_out() -> None:
    found = selected(0.45 * (SIZES / SIZES.mean()) ** -0.04)
    x, y = np.log(SIZES), np.log(found.losses[0])
    assert found.errors["flat"][0] == pytest.approx(abs(y[-1] - y[:-1].mean()), rel=0.1)
    slope, level = np.polyfit(x[:-1], y[:-1], 1)
    assert found.errors["power"][0] == pytest.approx(abs(y[-1] - slope * x[-1] - level), abs=2e-3)


def test_three_sizes_are_enough_for_a_power_law_and_two_are_not() -> None:
    three, two = SIZES[::2], SIZES[:2]
    assert set(selected(np.full(3, 0.45), three).fits) == {"flat", "power"}
    found = selected(np.full(2, 0.45), two)
    assert set(found.fits) == {"flat"}
    assert np.isnan(found.skill)


def test_every_family_is_summed_up() -> None:
    found = selected(np.full(5, 0.45))
    rows = found.summary()
    assert [row["family"] for row in rows] == [f.name for f in laws.available(1, 5)]
    assert sum(row["chosen"] for row in rows) == 1
    for row in rows:
        law = found.fits[row["family"]]
        assert row == {
            "family": law.family.name,
            "formula": law.family.formula,
            "parameters": {key: values[0] for key, values in law.parameters().items()},
            "intervals": {
                key: pytest.approx(np.quantile(values[1:], (0.025, 0.975)))
                for key, values in law.parameters().items()
            },
            "objective": law.objective[0],
            "extrapolation_error": found.errors[law.family.name][0],
            "selection_frequency": found.frequencies[law.family.name],
            "chosen": law.family.name == found.chosen,
        }


def test_skill_of_several_tables_weighs_them_by_what_there_is_to_foresee() -> None:
    falls, still = selected(0.45 * (SIZES / SIZES.mean()) ** -0.04), selected(np.full(5, 0.45))
    both = select.skill([falls, still])
    assert min(falls.skill, still.skill) <= both <= max(falls.skill, still.skill)
    assert abs(both - falls.skill) < abs(both - still.skill)
    assert np.isnan(select.skill([]))


def test_a_surface_is_asked_for_the_largest_of_each_axis() -> None:
    grid = [(1e6, 1e3), (1e6, 1e4), (1e6, 1e5), (1e7, 1e3), (1e7, 1e4), (1e8, 1e3)]
    sizes = np.array(grid)
    truth = 0.45 * (sizes[:, 0] / 1e7) ** -0.03 * (sizes[:, 1] / 1e4) ** -0.02
    quiet = synthetic.Noise(seed=1e-4, paired=1e-4, market=1e-4)
    drawn = synthetic.table(truth, np.random.default_rng(0), sizes=np.arange(1.0, 7.0), noise=quiet)
    table = replace(drawn, sizes=np.repeat(sizes, synthetic.SEEDS, axis=0))
    (weights,) = bootstrap.date_weights([table], draws=20)
    found = select.select(table, bootstrap.draw(table, weights))
    logs = np.log(found.losses[0])
    largest = [sizes[:, 0] == 1e8, sizes[:, 1] == 1e5]
    missed = np.concatenate([logs[out] - logs[~out].mean() for out in largest])
    assert found.flat_error == pytest.approx(np.sqrt(np.mean(missed**2)), rel=0.2)
    assert found.power_error < 0.1 * found.flat_error


def test_a_law_that_cannot_be_fitted_without_the_largest_of_an_axis_is_not_chosen() -> None:
    """Six sizes are enough for some laws that the four left without a largest are too few for."""
    grid = [(1e6, 1e3), (1e6, 1e4), (1e6, 1e5), (1e7, 1e3), (1e8, 1e3)]
    sizes = np.array([*grid, (1e8, 1e4)])
    truth = 0.45 * (sizes[:, 0] / 1e7) ** -0.03 * (sizes[:, 1] / 1e4) ** -0.02
    quiet = synthetic.Noise(seed=1e-4, paired=1e-4, market=1e-4)
    drawn = synthetic.table(truth, np.random.default_rng(0), sizes=np.arange(1.0, 7.0), noise=quiet)
    table = replace(drawn, sizes=np.repeat(sizes, synthetic.SEEDS, axis=0))
    (weights,) = bootstrap.date_weights([table], draws=20)
    selection = select.select(table, bootstrap.draw(table, weights))
    remaining = min((sizes[:, axis] < sizes[:, axis].max()).sum() for axis in range(2))
    too_many = [n for n, law in selection.fits.items() if len(law.family.parameters) > remaining]
    assert too_many
    assert all(np.isinf(selection.errors[name]).all() for name in too_many)
    assert all(selection.frequencies[name] == 0.0 for name in too_many)
    assert selection.chosen not in too_many
    rows = {row["family"]: row for row in selection.summary()}
    assert all(rows[name]["extrapolation_error"] == np.inf for name in too_many)
