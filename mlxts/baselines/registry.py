"""The baselines that need no training loop: a new one is a file here and a line below.

Those of `BASELINES`, each asset's own, and of `POOLED` are scored with every network (`STANDARD`).
HAR and linear are the references: the better of the two, by cross-validation within training, is
the one that a model has to beat. Those of `ON_REQUEST` are fitted by `mlxts baselines` alone. The
same window without attention needs the loop that trains PatchTST, so it is defined further down
(`evaluation/neural_baselines.py`).
"""

from collections.abc import Mapping
from types import MappingProxyType

from mlxts.baselines.base import Baseline
from mlxts.baselines.base_rate import BaseRateByVolatility
from mlxts.baselines.har import ScaleRegression
from mlxts.baselines.lhar import LeverageHAR
from mlxts.baselines.linear import Linear
from mlxts.baselines.random_walk import RandomWalkBaseline
from mlxts.baselines.trees import Trees
from mlxts.protocol import BASELINE


def _by_name(*baselines: Baseline) -> Mapping[str, Baseline]:
    return MappingProxyType({baseline.name: baseline for baseline in baselines})


BASELINES = _by_name(
    BaseRateByVolatility(),
    ScaleRegression("volatility"),
    ScaleRegression(BASELINE),
    LeverageHAR(),
    Linear(),
)
POOLED = _by_name(Trees())
ON_REQUEST = _by_name(
    RandomWalkBaseline("ewma_random_walk", "ewma"),
    RandomWalkBaseline("garch_random_walk", "garch"),
)
STANDARD: Mapping[str, Baseline] = MappingProxyType({**BASELINES, **POOLED})
ALL: Mapping[str, Baseline] = MappingProxyType({**STANDARD, **ON_REQUEST})
