"""A plan of many runs works out once what they have in common."""

from pathlib import Path

import pytest

from mlxts.dataset.build import build_dataset
from mlxts.search import cost_estimate
from mlxts.training.plan import make_plan
from tests import homes
from tests.search import sweeps


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return homes.simulated(tmp_path, monkeypatch)


def test_data_are_read_once_each_and_shapes_solved_once_each_whatever_the_order(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = {"seed": list(range(20)), "task": ["direction", "threshold_1pct"], "budget": ["0.02M"]}
    points = sweeps.sweep(axes).points()
    calls: dict[str, int] = {"build": 0, "plan": 0}

    def counting(name: str, real):
        def call(*arguments, **named):
            calls[name] += 1
            return real(*arguments, **named)

        return call

    monkeypatch.setattr(cost_estimate, "build_dataset", counting("build", build_dataset))
    monkeypatch.setattr(cost_estimate, "make_plan", counting("plan", make_plan))
    estimates = cost_estimate.estimate(points, {}, timed=False)
    assert calls == {"build": 2, "plan": 2}
    assert [one.point for one in estimates] == points
    monkeypatch.undo()
    monkeypatch.setenv("MLXTS_HOME", str(home))
    for one in estimates[::7]:
        plan = make_plan(one.point.config)
        assert (one.run_id, one.n_total) == (plan.run_id, plan.to_dict()["n_total"])
        assert one.total_steps == plan.total_steps
        assert one.memory_bytes == plan.memory_bytes


def test_a_run_that_cannot_be_planned_keeps_none_of_the_others_from_it(home: Path) -> None:
    axes = {"seed": [0, 1], "data.score_on": ["SPY"], "model.context": [80, 100_000]}
    estimates = cost_estimate.estimate(sweeps.sweep(axes).points(), {}, timed=False)
    assert [one.run_id is not None for one in estimates] == [True, False, True, False]
    assert all(one.problem for one in estimates if one.run_id is None)
