"""A network trained by the loop without a run folder: a yardstick, or an estimator's own."""

import tempfile
from pathlib import Path

from mlxts.config.experiment import ExperimentConfig
from mlxts.model.interfaces import Network
from mlxts.training import loop
from mlxts.training.events import Listener
from mlxts.training.loop import Arrays, Outcome
from mlxts.training.step import make_optimizer


def train(
    config: ExperimentConfig,
    arrays: Arrays,
    model: Network,
    *,
    binary: bool,
    evaluation_batch: int,
    emit: Listener,
    name: str,
) -> Outcome:
    """Train a fresh model to its best validation loss; it has those weights then.

    Checkpoints are kept in a temporary folder for as long as training takes.

    Args:
        config: its training section and seed count.
        name: of the model, for errors.

    Raises:
        DivergedError, DeviceError, StorageError: see `loop.train`.
    """
    with tempfile.TemporaryDirectory(prefix="mlxts-") as folder:
        outcome = loop.train(
            config,
            arrays,
            model,
            make_optimizer(config.training),
            loop.fresh_state(config, name),
            binary=binary,
            micro_batch=config.training.micro_batch or config.training.batch_size,
            folder=Path(folder),
            emit=emit,
            gate=lambda step: None,
            evaluation_batch=evaluation_batch,
        )
        return loop.restore_best(Path(folder), outcome, model, emit)
