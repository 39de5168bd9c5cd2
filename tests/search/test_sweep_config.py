"""Axes over a base: every combination once, in the order of the file, valid before it is queued."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts import protocol
from mlxts.errors import ConfigError
from mlxts.scaling import ledger
from mlxts.search import sweep, sweep_config
from mlxts.search.sweep_config import Sweep

SHIPPED = Path(__file__).parents[2] / "configs" / "sweeps"


def _sweep(axes: dict, base: dict | None = None) -> Sweep:
    return sweep_config.build({"name": "s", "base": base or {"mode": "exploratory"}, "axes": axes})


def test_the_last_axis_varies_fastest() -> None:
    points = _sweep({"seed": [0, 1], "budget": ["2M", "20M"]}).points()
    assert [point.label for point in points] == ["s0-2M", "s0-20M", "s1-2M", "s1-20M"]
    assert [(p.config.seed, p.config.budget) for p in points][2] == (1, "2M")
    assert points[3].config.name == "s-s1-20M"


axes_values = {
    "seed": st.integers(0, 9),
    "budget": st.sampled_from(sorted(protocol.BUDGETS)),
    "horizon": st.integers(1, 30),
    "tier": st.sampled_from(protocol.TIERS),
    "train_fraction": st.sampled_from([0.125, 0.25, 0.5, 1.0]),
    "model.depth": st.integers(1, 4),
}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_there_are_as_many_experiments_as_combinations_and_no_two_are_the_same(data) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(axes_values)), min_size=1, unique=True))
    axes = {
        name: data.draw(st.lists(axes_values[name], min_size=1, max_size=3, unique=True))
        for name in names
    }
    points = _sweep(axes).points()
    expected = 1
    for values in axes.values():
        expected *= len(values)
    assert len({p.config.hash for p in points}) == len({p.label for p in points}) == expected
    for point in points:
        assert _sweep(axes).point(point.values) == point


def test_the_study_is_named_by_its_runs_and_not_by_how_they_are_written_down() -> None:
    one = _sweep({"seed": [0, 1], "budget": ["2M", "20M"]})
    other = _sweep(
        {"budget": ["20M", "2M"], "seed": [1, 0]}, {"mode": "exploratory", "task": "threshold_1pct"}
    )
    assert sweep.name_of(one) == sweep.name_of(other)
    assert sweep.name_of(_sweep({"seed": [0, 2], "budget": ["2M", "20M"]})) != sweep.name_of(one)


def test_a_timescale_brings_its_own_horizon() -> None:
    points = _sweep({"timescale": ["daily", "monthly"]}, {"mode": "strict", "horizon": 1}).points()
    assert [point.config.horizon for point in points] == [1, 21]


def test_the_base_may_be_a_configuration_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: base\nmode: exploratory\ntask: direction\n")
    (tmp_path / "grid.yaml").write_text("base: base.yaml\naxes: {seed: [3]}\n")
    loaded = sweep_config.load(tmp_path / "grid.yaml")
    assert loaded.name == "grid"
    assert loaded.points()[0].config.task == "direction"


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({}, "axes"),
        ({"seed": []}, "no value"),
        ({"seed": [1, 1]}, "occurs twice"),
        ({"budgte": ["2M"]}, "unknown key budgte"),
        ({"budget": ["3M"]}, "none of"),
        ({"horizon": [1, None]}, "same experiment"),
    ],
)
def test_a_mistake_is_found_before_anything_is_queued(axes: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _sweep(axes).points()


@pytest.mark.parametrize(
    ("name", "count", "mode"),
    [
        ("phase6a", 3 * 4 * 5, "strict"),
        ("feature_scaling", 7 * 2 * 3, "strict"),
        ("data_scaling", 4 * 5 * 5, "exploratory"),
        ("matrix_48", 48, "strict"),
        ("walk_forward", 3 * 6 * 5, "exploratory"),
        ("spy_2M", 5 * 4, "strict"),
        ("spy_revin", 3, "exploratory"),
        ("spy_offset", 3, "exploratory"),
        ("spy_decay", 3, "exploratory"),
        ("spy_pooled", 3, "exploratory"),
        ("demo_data", 3 * 3, "exploratory"),
    ],
)
def test_the_shipped_sweeps_are_what_their_names_say(name: str, count: int, mode: str) -> None:
    loaded = sweep_config.load(SHIPPED / f"{name}.yaml")
    points = loaded.points()
    assert (loaded.name, len(points)) == (name, count)
    assert {point.config.mode for point in points} == {mode}


LARGE = ("study_20M", "study_200M")  # at fewer origins
STUDY = {
    "study_parameters": 3 * 10 * 3, "study_range": 3 * 10 * 3, "study_direction": 3 * 10 * 2,
    "study_panel": 3 * 3 * 10, "study_assets": 3 * 2 * 10 * 4, "study_history": 3 * 10 * 5,
    "study_features": 3 * 10 * 4, "study_columns": 3 * 10 * 4, "study_series": 3 * 10 * 2,
    "study_20M": 3 * 4, "study_200M": 3,
}  # fmt: skip


@pytest.mark.parametrize(("name", "count"), STUDY.items())
def test_a_sweep_of_the_study_walks_forward_over_what_the_linear_reference_leaves(
    name: str, count: int
) -> None:
    loaded = sweep_config.load(SHIPPED / f"{name}.yaml")
    windows = loaded.axes["walk_forward_window"]
    assert loaded.name == name
    points = loaded.points()
    assert len(points) == count
    assert {point.config.mode for point in points} == {"exploratory"}
    assert set(windows) <= set(range(1, protocol.ORIGINS["protocol"] + 1))
    assert (len(windows) == protocol.ORIGINS["protocol"]) == (name not in LARGE)
    assert loaded.base["model"] == {"residual_of": "linear"}
    assert loaded.axes["seed"] == (0, 1, 2)


def test_every_sweep_that_is_shipped_is_tested_here() -> None:
    fixed = {"phase6a", "feature_scaling", "data_scaling", "matrix_48", "walk_forward", "demo_data"}
    spy = {"spy_2M", "spy_revin", "spy_offset", "spy_decay", "spy_pooled"}
    assert {path.stem for path in SHIPPED.glob("*.yaml")} == fixed | spy | set(STUDY)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("spy_revin", ["model.revin.statistics_to_head: true"]),
        ("spy_offset", ["model.residual_of: har"]),
        ("spy_decay", ["training.weight_decay: 1.0"]),
        ("spy_pooled", []),
    ],
)
def test_an_ablation_differs_from_the_main_table_in_one_thing(name: str, changed: list) -> None:
    main = sweep_config.load(SHIPPED / "spy_2M.yaml").points()
    strict = {p.config.seed: p.config for p in main if p.config.horizon == 1}
    for point in sweep_config.load(SHIPPED / f"{name}.yaml").points():
        own, beside = point.config.model_dump(mode="json"), strict[point.config.seed]
        assert ledger.non_default_settings(own) == changed
        assert (own["data"]["cell"] != beside.data.cell) == (changed == [])
        kept = ("budget", "task", "timescale", "horizon", "features")
        assert {k: own[k] for k in kept} == {k: beside.model_dump(mode="json")[k] for k in kept}


def test_the_matrix_holds_every_task_at_every_timescale() -> None:
    points = sweep_config.load(SHIPPED / "matrix_48.yaml").points()
    assert {(p.config.task, p.config.timescale) for p in points} == {
        (task.name, scale)
        for task in protocol.TASKS.values()
        for scale in protocol.TIMESCALES
        if task.strict
    }
    assert all(p.config.horizon == protocol.TIMESCALES[p.config.timescale].horizon for p in points)


def test_an_axis_of_lists_sets_each_list_and_a_storage_can_hold_its_choices() -> None:
    swept = sweep_config.build(
        {
            "name": "pools",
            "base": {"mode": "exploratory", "budget": "0.02M", "data": {"score_on": "A"}},
            "axes": {"data.symbols": [["A"], ["A", "B"]], "seed": [0, 1]},
        }
    )
    points = swept.points()
    assert [point.config.data.symbols for point in points] == [("A",)] * 2 + [("A", "B")] * 2
    assert [point.label for point in points][1:3] == ["1_symbols-s1", "2_symbols-s0"]
    stored = json.loads(json.dumps([point.values for point in points]))
    assert [swept.point(values).config for values in stored] == [p.config for p in points]
