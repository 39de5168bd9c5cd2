"""A small data set with something to learn, and configurations that train in a second."""

from typing import Any

from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.testing.baselines import CONTEXT, FEATURES, ROWS, small_dataset

__all__ = ["CONTEXT", "FEATURES", "ROWS", "configuration", "dataset"]


def configuration(**changes: Any) -> ExperimentConfig:
    """A 0.02M model; `changes` are dotted keys."""
    values: dict[str, Any] = {
        "name": "tiny",
        "mode": "exploratory",
        "budget": "0.02M",
        "task": "threshold_1pct",
        "model": {"context": CONTEXT, "patch_length": 4, "stride": 4, "dropout": 0.5},
        "training": {
            "learning_rate": 0.003, "batch_size": 32, "micro_batch": 16, "max_epochs": 3,
            "validations_per_epoch": 2, "patience": 50,
        },
        "thermal": {"sensor": "off"},
        "checkpoint": {"every_seconds": 0.0},
    }  # fmt: skip
    for key, value in changes.items():
        *parents, last = key.replace("__", ".").split(".")
        section = values
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return build_config(values)


dataset = small_dataset
