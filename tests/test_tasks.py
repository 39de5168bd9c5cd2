"""Thresholds of one's own: named once, and carried by the name wherever a task is."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts import tasks
from mlxts.config.loading import build_config
from mlxts.dataset import labels
from mlxts.errors import ConfigError
from mlxts.protocol import TASKS
from mlxts.runs.scored_task import ScoredTask
from tests import homes
from tests.evaluation import worlds


@given(st.floats(1e-5, 10.0), st.sampled_from(["close", "range"]))
def test_a_threshold_goes_by_a_name_that_gives_it_back(
    threshold: float, unit: tasks.ThresholdUnit
) -> None:
    name = tasks.name_of(threshold, unit)
    task = tasks.named(name)
    assert task.name == name
    assert task.threshold == pytest.approx(threshold, abs=1e-6)
    assert task.of_range == (unit == "range")
    assert task.kind == "threshold" and task.binary and task.strict == (name in TASKS)


def test_thresholds_of_the_protocol_keep_their_tasks() -> None:
    for task in TASKS.values():
        assert tasks.named(task.name) is task
        if task.threshold is not None:
            assert tasks.name_of(task.threshold, "close") == task.name


@pytest.mark.parametrize(
    "name", ["up", "threshold_pct", "threshold_0pct", "threshold_1.50pct", "threshold_1.2.3pct",
             "threshold_1e3pct", "threshold_-1pct", "threshold_2", "threshold_0range", ""]
)  # fmt: skip
def test_what_names_no_task_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        tasks.named(name)


def test_tasks_are_sorted_by_the_protocol_and_then_by_size() -> None:
    names = ["threshold_2range", "threshold_10pct", "threshold_1.5pct", "range", "direction"]
    assert sorted(names, key=tasks.position) == [
        "direction", "range", "threshold_1.5pct", "threshold_10pct", "threshold_2range",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"threshold": 0.015}, "threshold_1.5pct"),
        ({"threshold": 0.07}, "threshold_7pct"),
        ({"threshold": 2, "threshold_unit": "range"}, "threshold_2range"),
        ({"threshold": 0.01}, "threshold_1pct"),
    ],
)
def test_a_configuration_and_its_scored_task_carry_it(given: dict[str, Any], name: str) -> None:
    built = build_config({**homes.SETTINGS, "task": "threshold", **given})
    assert built.task == name
    assert build_config(built.model_dump(mode="json")).hash == built.hash
    assert ScoredTask.of(built.model_dump(mode="json")).task == tasks.named(name)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"task": "threshold"}, "threshold: should be a number beside task: threshold"),
        ({"task": "threshold", "threshold": "1%"}, "threshold: should be a number"),
        ({"task": "threshold", "threshold": 0.0}, "threshold: 0 must be above 0"),
        ({"task": "threshold", "threshold": 0.01, "threshold_unit": "ATR"}, "threshold_unit: "),
        ({"task": "direction", "threshold": 0.01}, "threshold: goes with task: threshold"),
        ({"task": "threshold", "threshold": 0.015, "mode": "strict"},
         "task: threshold_1.5pct is not a task of the protocol"),
    ],
)  # fmt: skip
def test_a_threshold_that_is_none_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_config({**homes.SETTINGS, **values})


def test_a_threshold_of_the_range_is_a_multiple_of_the_mean_of_22_days() -> None:
    bars = worlds.market(120, seed=3)
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    targets = labels.compute(bars, tasks.named("threshold_0.7range"), 5)["target"].to_list()
    assert targets[-5:] == [None] * 5
    for t in range(115):
        days = slice(max(t - 21, 0), t + 1)
        mean_range = np.log(high[days] / low[days]).mean()
        reached = high[t + 1 : t + 6].max() >= close[t] * np.exp(0.7 * mean_range)
        assert targets[t] == float(reached)
    assert 0 < sum(target or 0 for target in targets) < 115


def test_a_range_of_nothing_is_no_threshold() -> None:
    flat = worlds.market(60, seed=3).with_columns(high=pl.col("close"), low=pl.col("close"))
    assert labels.compute(flat, tasks.named("threshold_1range"), 1)["target"].null_count() == 60
