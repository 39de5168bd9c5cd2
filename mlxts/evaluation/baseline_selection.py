"""Which baselines a configuration is compared with; networks, which have to be trained, on
request."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mlxts.baselines.base import Baseline
from mlxts.baselines.registry import ALL, BASELINES
from mlxts.config.experiment import ExperimentConfig
from mlxts.errors import ConfigError
from mlxts.evaluation.neural_baselines import NETWORKS, NeuralBaseline

NAMES = (*ALL, *NETWORKS)


@dataclass(frozen=True)
class BaselineSelection:
    """The chosen ones, and what was left out of the default."""

    chosen: Mapping[str, Baseline]
    left_out: tuple[str, ...]


def choose(
    config: ExperimentConfig,
    *,
    names: Iterable[str] = (),
    everything: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> BaselineSelection:
    """The baselines of a configuration.

    Args:
        names: these besides each asset's own; empty: all that need no training loop.
        everything: all of them.
        progress: called with what the networks are doing.

    Raises:
        ConfigError: a name that is none.
    """
    names = tuple(names)
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"baseline {name} is none of {', '.join(NAMES)}")
    wanted = NAMES if everything else ((*BASELINES, *names) if names else ALL)
    available: dict[str, Baseline] = {
        **ALL,
        **{name: NeuralBaseline(name, config, progress) for name in NETWORKS},
    }
    return BaselineSelection(
        chosen={name: available[name] for name in NAMES if name in wanted},
        left_out=() if names else tuple(name for name in NAMES if name not in wanted),
    )
