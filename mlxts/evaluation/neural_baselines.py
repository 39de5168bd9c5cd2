"""The same windows without attention, trained by the same loop (`model/baseline_networks.py`).

They read the same features, batches, learning rate, dropout and early stopping as the
configuration's PatchTST. They live in a temporary folder: they are a yardstick, not a run.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from mlxts.baselines.base import Forecast
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.samples import Dataset, Samples
from mlxts.model.baseline_networks import MLP, BaselineNetwork, DLinear, WindowShape
from mlxts.model.initialisation import feature_statistics, initial_bias
from mlxts.training.events import Event, ValidationEvent
from mlxts.training.loop import Arrays, fresh_state, restore_best, train
from mlxts.training.losses import TargetScale
from mlxts.training.step import Forward, make_optimizer

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
        model = NETWORKS[self.name](
            WindowShape(dataset.context, len(dataset.names)),
            feature_statistics(dataset),
            seed=config.training_seed,
            bias=initial_bias(dataset),
            rate=config.model.dropout,
        )
        optimizer = make_optimizer(config.training)
        arrays = Arrays.from_dataset(
            dataset, scale, dataset.features, stop_on=config.training.stop_on
        )
        with tempfile.TemporaryDirectory(prefix="mlxts-") as folder:
            outcome = train(
                config,
                arrays,
                model,
                optimizer,
                fresh_state(config, self.name),
                binary=dataset.task.binary,
                micro_batch=config.training.micro_batch or config.training.batch_size,
                folder=Path(folder),
                emit=self._tell,
                gate=lambda step: None,
                evaluation_batch=_AT_ONCE,
            )
            outcome = restore_best(Path(folder), outcome, model, self._tell)
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
