"""The same windows without attention, trained by the same loop (`model/baseline_networks.py`).

They read the same features, batches, learning rate, dropout and early stopping as the
configuration's PatchTST. They leave no run folder: they are a yardstick, not a run.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mlxts.baselines.base import Forecast
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.samples import Dataset, Samples
from mlxts.model.baseline_networks import MLP, BaselineNetwork, DLinear, WindowShape
from mlxts.model.initialisation import base_rate_logit, feature_statistics
from mlxts.training import unrecorded
from mlxts.training.events import Event, ValidationEvent
from mlxts.training.loop import Arrays
from mlxts.training.losses import TargetScale
from mlxts.training.step import Forward

NETWORKS: dict[str, type[BaselineNetwork]] = {"mlp": MLP, "dlinear": DLinear}
_AT_ONCE = 256  # windows that are scored at once; these networks keep nothing between layers

Progress = Callable[[str], None]


@dataclass(frozen=True)
class NeuralBaseline:
    """A network as a baseline.

    Attributes:
        name: key of `NETWORKS`.
        config: its training section, seed and dropout are those of the network.
        progress: called after every validation.
    """

    name: str
    config: ExperimentConfig
    progress: Progress = lambda line: None

    def fit(self, dataset: Dataset) -> Forecast:
        """Train to the best validation loss.

        Raises:
            DivergedError, DeviceError: see `loop.train`.
        """
        config, scale = self.config, TargetScale.fit(dataset)
        train = dataset.learned("train")
        model = NETWORKS[self.name](
            WindowShape(dataset.context, len(dataset.names)),
            feature_statistics(dataset.features, train.rows),
            seed=config.training_seed,
            bias=base_rate_logit(train.targets) if dataset.task.binary else 0.0,
            rate=config.model.dropout,
        )
        arrays = Arrays.from_dataset(
            dataset, scale, dataset.features, stop_on=config.training.stop_on
        )
        outcome = unrecorded.train(
            config,
            arrays,
            model,
            binary=dataset.task.binary,
            evaluation_batch=_AT_ONCE,
            emit=self._tell,
            name=self.name,
        )
        self.progress(f"{self.name}: {outcome.stop.message}")
        forward = Forward(model, _AT_ONCE)

        def predict(samples: Samples) -> Float64[np.ndarray, " {len(samples)}"]:
            return scale.unscaled(forward(arrays.features, samples.rows))

        return predict

    def _tell(self, event: Event) -> None:
        if isinstance(event, ValidationEvent):
            self.progress(
                f"{self.name}: step {event.step:,}, validation loss {event.loss:.4f}, "
                f"best {event.best:.4f}"
            )
