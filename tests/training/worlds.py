"""A small data set with something to learn, and configurations that train in a second."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from mlxts import protocol
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.dataset.samples import Dataset, Samples

FEATURES = 4
CONTEXT = 12
ROWS = 400


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


def dataset(task: str = "threshold_1pct", seed: int = 0) -> Dataset:
    """Whether the first feature rose over the window decides most of the target."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    signal = np.convolve(features[:, 0], np.ones(3) / 3)[:ROWS]
    noisy = signal + 0.3 * rng.normal(size=ROWS)
    regression = protocol.TASKS[task].kind == "regression"
    targets = (0.01 * noisy if regression else noisy > 0.3).astype(np.float32)
    days = np.array([date(2015, 1, 1) + timedelta(n) for n in range(ROWS)], dtype="datetime64[D]")

    def split(first: int, last: int) -> Samples:
        rows = np.arange(first, last, dtype=np.int32)
        names = np.full(len(rows), "TEST")
        phases = np.zeros(len(rows), dtype=np.int16)
        return Samples(rows, days[rows], names, targets[rows], days[rows] + 1, phases, rows)

    price = 100 * np.exp(np.cumsum(0.01 * rng.normal(size=ROWS)))
    bars = pl.DataFrame(
        {
            "date": days,
            "symbol": ["TEST"] * ROWS,
            "open": price,
            "high": price * 1.01,
            "low": price * 0.99,
            "close": price,
            "volume": np.full(ROWS, 1e6),
        }
    )
    return Dataset(
        features=features,
        names=tuple(f"f{i}" for i in range(FEATURES)),
        bars=bars,
        daily=bars,
        eligible=np.arange(ROWS) >= CONTEXT - 1,
        samples={
            "train": split(CONTEXT, 250),
            "validation": split(250, 350),
            "test": split(350, 399),
        },
        timescale=protocol.TIMESCALES["daily"],
        task=protocol.TASKS[task],
        horizon=1,
        context=CONTEXT,
        splits_name="sample",
        score_on="TEST",
        artifacts=(),
        data_hash=f"{task}{seed}",
    )
