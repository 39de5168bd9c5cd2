"""The same windows without attention, trained by the same loop (`model/baseline_networks.py`).

They read the same features, batches, learning rate, dropout and early stopping as the
configuration's PatchTST. They live in a temporary folder: they are a yardstick, not a run.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlxts.baselines.base import Forecast
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.samples import Dataset, Samples
from mlxts.model.baseline_networks import MLP, DLinear, Rival, Window
from mlxts.platform import device
from mlxts.training import best, start
from mlxts.training.events import Event, ValidationEvent
from mlxts.training.loop import Arrays, fresh_state, train
from mlxts.training.step import Forward, make_optimizer

NETWORKS: dict[str, type[Rival]] = {"mlp": MLP, "dlinear": DLinear}
_AT_ONCE = 256  # windows that are scored at once; these networks keep nothing between layers

Progress = Callable[[str], None]


@dataclass(frozen=True)
class TrainedRival:
    """A network as a baseline.

    Attributes:
        name: key of `NETWORKS`.
        config: its training section, seed and dropout are those of the rival.
        progress: told after every look at validation.
    """

    name: str
    config: ExperimentConfig
    progress: Progress = lambda line: None

    def fit(self, dataset: Dataset) -> Forecast:
        """Train to the best validation loss.

        Raises:
            DivergedError, DeviceError: see `loop.train`.
        """
        config, scale = self.config, start.target_scale(dataset)
        model = NETWORKS[self.name](
            Window(dataset.context, len(dataset.names)),
            start.feature_statistics(dataset),
            seed=config.seed,
            bias=start.first_bias(dataset),
            rate=config.model.dropout,
        )
        optimizer = make_optimizer(config.training)
        splits = {name: dataset.samples[name] for name in ("train", "validation")}
        targets = {n: (s.targets - scale.center) / scale.scale for n, s in splits.items()}
        features = device.on_device(dataset.features)
        with tempfile.TemporaryDirectory(prefix="mlxts-") as folder:
            outcome = train(
                config,
                Arrays(
                    features,
                    splits["train"].rows,
                    targets["train"],
                    splits["validation"].rows,
                    targets["validation"],
                ),
                model,
                optimizer,
                fresh_state(config, self.name),
                binary=dataset.task.kind != "regression",
                micro_batch=config.training.micro_batch or config.training.batch_size,
                folder=Path(folder) / "checkpoint",
                emit=self._tell,
                gate=lambda step: None,
                evaluation_batch=_AT_ONCE,
            )
            outcome = best.finish(Path(folder), outcome, model, self._tell)
        self.progress(f"{self.name}: {outcome.stop.message}")
        forward = Forward(model, _AT_ONCE)

        def said(samples: Samples) -> np.ndarray:
            return forward(features, samples.rows) * scale.scale + scale.center

        return said

    def _tell(self, event: Event) -> None:
        if isinstance(event, ValidationEvent):
            self.progress(
                f"{self.name}: step {event.step:,}, validation loss {event.loss:.4f}, "
                f"best {event.best:.4f}"
            )
