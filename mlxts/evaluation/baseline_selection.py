"""Which baselines stand beside a configuration, and which of them cost too much to be the default.

Those of `registry.BASELINES` and the closed forms are always there. What reads the features gets
dear with their number, and networks have to be trained.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mlxts.baselines.base import Baseline
from mlxts.baselines.registry import BASELINES, LEARNERS, WALKS
from mlxts.config.experiment import ExperimentConfig
from mlxts.errors import ConfigError
from mlxts.evaluation.neural_baselines import NETWORKS, NeuralBaseline

FREE = (*BASELINES, *(walk.name for walk in WALKS))
LEARNED = tuple(learner.name for learner in LEARNERS)
NAMES = (*FREE, *LEARNED, *NETWORKS)
_NUMBERS = 2_000_000  # training samples x features: a learner is the default up to so many


@dataclass(frozen=True)
class BaselineSelection:
    """The chosen ones, and what was left out of the default."""

    chosen: Mapping[str, Baseline]
    left_out: tuple[str, ...]


def choose(
    config: ExperimentConfig,
    samples: int,
    features: int,
    *,
    names: Iterable[str] = (),
    everything: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> BaselineSelection:
    """The baselines of a configuration.

    Args:
        samples, features: of its training split.
        names: these besides HAR, whatever they cost; empty: what is cheap enough.
        everything: all of them.
        progress: called with what the networks are doing.

    Raises:
        ConfigError: a name that is none.
    """
    names = tuple(names)
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"baseline {name} is none of {', '.join(NAMES)}")
    cheap = FREE if samples * features > _NUMBERS else (*FREE, *LEARNED)
    wanted = NAMES if everything else ((*BASELINES, *names) if names else cheap)
    known: dict[str, Baseline] = {
        **BASELINES,
        **{one.name: one for one in (*WALKS, *LEARNERS)},
        **{name: NeuralBaseline(name, config, progress) for name in NETWORKS},
    }
    return BaselineSelection(
        chosen={name: known[name] for name in NAMES if name in wanted},
        left_out=() if names else tuple(name for name in NAMES if name not in wanted),
    )
