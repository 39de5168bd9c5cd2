"""The baselines that need no training loop: a new one is a file here and a line below.

HAR and linear are the references: the better of the two, by cross-validation within training, is
the one that a model has to beat. The others (`mlxts baselines`) ask what else is worth a network: a
random walk's closed form, boosted trees without a window. The same window without attention needs
the loop that trains PatchTST, so it stands further down (`evaluation/neural_baselines.py`).
"""

from collections.abc import Mapping
from types import MappingProxyType

from mlxts.baselines.base import Baseline
from mlxts.baselines.base_rate import BaseRateByVolatility
from mlxts.baselines.har import ScaleRegression
from mlxts.baselines.linear import Linear
from mlxts.baselines.random_walk import RandomWalkBaseline
from mlxts.baselines.sklearn_models import Trees
from mlxts.protocol import BASELINE

BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        baseline.name: baseline
        for baseline in (
            BaseRateByVolatility(),
            ScaleRegression("volatility"),
            ScaleRegression(BASELINE),
            Linear(),
        )
    }
)
WALKS = (
    RandomWalkBaseline("ewma_random_walk", "ewma"),
    RandomWalkBaseline("garch_random_walk", "garch"),
)
LEARNERS = (Trees(),)
