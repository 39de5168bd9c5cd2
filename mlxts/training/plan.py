"""Everything that is derived before the first step: data, shape, micro-batch, run id, cost.

plan = make_plan(configuration)  # nothing is written but features that had to be computed
plan.to_dict()                   # what is printed first, and stored in run.json
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlxts.config.experiment import ExperimentConfig
from mlxts.data import bars
from mlxts.dataset import split_dates
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.errors import ConfigError
from mlxts.features import timescales
from mlxts.files import runs_folder
from mlxts.model import flops, parameter_budget
from mlxts.model.patchtst import Shape
from mlxts.runs.folder import RunFolder
from mlxts.training import batch_size
from mlxts.training.run_id import make_run_id


@dataclass(frozen=True)
class Plan:
    """What will be trained, on what, and what it takes."""

    config: ExperimentConfig
    dataset: Dataset
    shape: Shape
    micro_batch: int
    run_id: str
    ranks: int = 1  # processes that train it together

    @property
    def folder(self) -> Path:
        return runs_folder() / self.run_id

    @property
    def binary(self) -> bool:
        return self.dataset.task.binary

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.dataset.learned("train")) / self.config.training.batch_size)

    @property
    def total_steps(self) -> int:
        """If early stopping does not end it before."""
        return self.steps_per_epoch * self.config.training.max_epochs

    @property
    def evaluation_batch(self) -> int:
        return flops.evaluation_batch(self.shape, self.micro_batch)

    @property
    def step_bytes(self) -> int:
        """Planned peak of a step besides the features: calibrated where tuned, else counted."""
        return batch_size.planned_bytes(self.config, self.shape, self.dataset, self.micro_batch)

    @property
    def memory_bytes(self) -> int:
        """Planned peak of MLX's memory."""
        return self.dataset.features.nbytes + self.step_bytes

    @property
    def largest_bytes(self) -> int:
        """From how many bytes on MLX waits for the device, see `flops.largest_bytes`."""
        training = self.config.training
        step_bytes = flops.largest_bytes(
            self.shape,
            self.micro_batch,
            training.batch_size // self.micro_batch,
            precision=training.precision,
            checkpointing=training.gradient_checkpointing,
        )
        return self.dataset.features.nbytes + max(step_bytes, self.step_bytes)

    def time_steps(self, count: int = 3) -> float:
        """Median seconds of one update, over `count` real ones after the first (compilation)."""
        return batch_size.time_steps(self.config, self.shape, self.dataset, self.micro_batch, count)

    def to_dict(self) -> dict[str, Any]:
        """Every derived figure: shown before training, stored in run.json."""
        samples = {**self.dataset.samples, "train": self.dataset.learned("train")}
        return {
            "run_id": self.run_id,
            **parameter_budget.table(self.shape),
            "samples": {name: len(split) for name, split in samples.items()},
            "canonical_samples": {
                name: int((split.phases == bars.CANONICAL).sum()) for name, split in samples.items()
            },
            "features": len(self.dataset.names),
            "days_without_decision": self.dataset.undecided,
            "coverage": dict(self.dataset.coverage),
            "joined_features": timescales.joined(self.dataset.names),
            "micro_batch": self.micro_batch,
            "ranks": self.ranks,
            "flops_per_step": flops.training_flops(self.shape, self.config.training.batch_size),
            "memory_bytes": self.memory_bytes,
            "total_steps": self.total_steps,
            "training_seed": self.config.training_seed,
            "stop_on": self.config.training.stop_on,
        }


def make_plan(
    configuration: ExperimentConfig,
    *,
    register: bool = True,
    data: Dataset | None = None,
    ranks: int = 1,
    tuned: bool = True,
) -> Plan:
    """Load the data and solve the shape.

    A run that has begun keeps its micro-batch: sums over another one differ in the last bits.

    Args:
        register: keep features that had to be computed; without it nothing is written.
        data: what `build_dataset` made of this configuration, where it is there already.
        ranks: how many processes will train it; their sums differ in the last bits, so each
            number is a run of its own.
        tuned: strict mode wants the batch size tuned; False: plan all the same.

    Raises:
        ConfigError: a batch larger than the training split.
        DataError, BudgetError: see `build_dataset`, `parameter_budget.solve` and
            `batch_size.micro_batch`.
        RunError: strict mode without a batch-size record for this budget and machine.
    """
    configuration = split_dates.resolved(configuration)
    data = data or build_dataset(configuration, register=register)
    samples = len(data.learned("train"))
    if configuration.training.batch_size > samples:
        raise ConfigError(
            f"training.batch_size: {configuration.training.batch_size} is more than the {samples} "
            "training samples; choose a smaller one"
        )
    shape = parameter_budget.solve(
        configuration.budget, len(data.names), configuration.model, len(configuration.assets)
    )
    micro_batch = batch_size.micro_batch(configuration, shape, data, tuned=tuned)
    run_id = make_run_id(configuration, data, micro_batch, ranks=ranks)
    recorded = _recorded_micro_batch(runs_folder() / run_id)
    return Plan(configuration, data, shape, recorded or micro_batch, run_id, ranks)


def _recorded_micro_batch(folder: Path) -> int | None:
    """The micro-batch that a run began with; None where it has not begun. Raises RunError."""
    if not RunFolder(folder).has_begun:
        return None
    return RunFolder(folder).metadata(("micro_batch",))["micro_batch"]
