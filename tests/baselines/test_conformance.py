"""What `base.Baseline` promises, asked of every baseline that needs no training loop."""

import pytest

from mlxts.baselines.base import Baseline
from mlxts.baselines.registry import ALL, STANDARD
from mlxts.dataset.samples import Dataset
from mlxts.runs.predictions import SIMPLE_MODELS
from mlxts.testing.baselines import BaselineSuite, small_dataset


class TestBaselines(BaselineSuite):
    @pytest.fixture(params=ALL)
    def baseline(self, request: pytest.FixtureRequest) -> Baseline:
        return ALL[request.param]

    @pytest.fixture(params=["threshold_1pct", "threshold_0.5range", "regression", "range"])
    def dataset(self, request: pytest.FixtureRequest) -> Dataset:
        return small_dataset(request.param)


def test_run_folders_know_every_baseline_beside_a_network_by_name() -> None:
    assert tuple(STANDARD) == SIMPLE_MODELS
