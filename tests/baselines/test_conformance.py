"""What `base.Baseline` promises, asked of every baseline that needs no training loop."""

import pytest

from mlxts.baselines.base import Baseline
from mlxts.baselines.registry import ALL
from mlxts.testing.baselines import BaselineSuite


class TestBaselines(BaselineSuite):
    @pytest.fixture(params=ALL)
    def baseline(self, request: pytest.FixtureRequest) -> Baseline:
        return ALL[request.param]
