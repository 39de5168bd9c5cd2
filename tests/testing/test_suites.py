"""The suites for extensions see what they are there to see, and nothing loads them unasked."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from mlxts.baselines.base import Forecast
from mlxts.data.sources.base import Fetched
from mlxts.data.sources.sample import SampleSource
from mlxts.dataset.samples import Dataset, Samples
from mlxts.model.interfaces import Network, Windows
from mlxts.testing import trackers
from mlxts.testing.baselines import BaselineSuite, small_dataset
from mlxts.testing.networks import NetworkSuite
from mlxts.testing.sensors import SensorSuite
from mlxts.testing.sources import SourceSuite
from mlxts.testing.trackers import TrackerSuite
from mlxts.thermal.sensors.base import Probe, Sample
from mlxts.thermal.sensors.scripted import Scripted

found_out = pytest.raises(AssertionError)


@dataclass(frozen=True)
class _Cheating:
    """Knows the validation targets, or the next close, of what it forecasts."""

    knows: str
    name = "cheating"

    def fit(self, dataset: Dataset) -> Forecast:
        close = dataset.bars["close"].to_numpy()

        def forecast(samples: Samples) -> np.ndarray:
            if self.knows == "targets":
                return dataset.samples["validation"].targets.mean() + np.zeros(len(samples))
            return np.log(close[samples.rows + 1] / close[samples.rows])

        return forecast


def test_a_baseline_that_knows_targets_or_the_future_is_found_out() -> None:
    suite, data = BaselineSuite(), small_dataset()
    with found_out:
        suite.test_no_target_outside_of_training_changes_a_forecast(_Cheating("targets"), data)
    with found_out:
        suite.test_nothing_after_a_decision_changes_its_forecast(_Cheating("closes"), data)


@dataclass(frozen=True)
class _Careless:
    """Delivers all that it has whatever is asked for, and perhaps in an order of its own."""

    shuffled: bool = False
    name = "careless"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        bars = SampleSource().fetch("SP500").frame
        return Fetched(
            bars.sample(fraction=1.0, shuffle=True, seed=1) if self.shuffled else bars, {}
        )


def test_a_source_without_bounds_or_order_is_found_out() -> None:
    suite = SourceSuite()
    with found_out:
        suite.test_both_bounds_are_included_and_nothing_else_changes((_Careless(), "A"))
    with found_out:
        suite.test_what_is_delivered_passes_every_check((_Careless(shuffled=True), "A"))


def test_a_sensor_that_reads_on_when_it_is_closed_is_found_out() -> None:
    class Endless(Scripted):
        def close(self) -> None:
            pass

    sensor = Endless((Sample((Probe("cpu", "cpu", 70.0),)),))
    SensorSuite().test_a_working_one_reads_a_temperature_if_it_measures_any(sensor, True)
    with found_out:
        SensorSuite().test_a_closed_one_knows_nothing_and_can_be_closed_again(sensor)


def test_a_tracker_that_loses_a_step_or_keeps_it_twice_is_found_out() -> None:
    losses = {str(step): 1.0 / step for step in range(1, trackers.STEPS)}
    with found_out:
        TrackerSuite().test_every_step_has_its_numbers({"metrics": {"train/loss": losses}})
    twice = {"metrics": {"train/loss": {str(step): 0.0 for step in range(1900)}}}
    with found_out:
        TrackerSuite().test_a_run_that_is_told_again_is_there_once_and_whole(twice)


class _Window:
    context = 5


class _Random(Network):
    """Is random in evaluation too, by no seed of its samples, and takes whatever it is given."""

    @property
    def shape(self) -> Windows:
        return _Window()

    @property
    def columns(self) -> int:
        return 2

    def __call__(self, x: Any, keys: Any = None, *, checkpointing: bool = False) -> mx.array:
        return self.forward(mx.array(x))

    def forward(self, x: mx.array, keys: Any = None, *, checkpointing: bool = False) -> mx.array:
        return x.astype(mx.float32).mean(axis=(1, 2)) + mx.random.normal((len(x),))


def test_a_network_that_checks_nothing_and_is_random_is_found_out() -> None:
    suite, model = NetworkSuite(), _Random()
    windows = np.zeros((4, 5, 2), dtype=np.float32)
    with pytest.raises(pytest.fail.Exception):
        suite.test_windows_that_a_model_was_not_built_for_are_refused(
            model, windows, "a bar too few", on_device=False
        )
    with found_out:
        suite.test_evaluation_mode_has_no_dropout_and_no_statistics_of_the_batch(model, windows)
    with found_out:
        suite.test_given_keys_decide_what_is_dropped_whatever_the_seed(model, windows, True)


def test_neither_the_suites_nor_pytest_are_loaded_with_the_package() -> None:
    code = (
        "import sys, mlxts, mlxts.cli.app, mlxts.experiment, mlxts.search.worker\n"
        "print([n for n in sys.modules if n == 'pytest' or n.startswith('mlxts.testing')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
