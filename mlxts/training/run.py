"""A run folder from its plan to its best weights.

    plan = run.plan(config)               # everything derived, nothing written
    trained = run.train(plan, emit=..., gate=..., resume=False)
    logits = trained.outputs("validation")

`outputs/runs/<run_id>/` holds config.yaml, run.json, metrics.jsonl, events.jsonl and checkpoint/.
"""

import json
import math
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from filelock import FileLock, Timeout

from mlxts import backend, config, dataset
from mlxts.config import ExperimentConfig
from mlxts.data import bars
from mlxts.dataset import Dataset
from mlxts.errors import CheckpointError, RunError
from mlxts.features import timescales
from mlxts.files import canonical_hash, digest, runs_folder, write_json, write_text
from mlxts.model import budget, cost
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.training import batch_size, checkpoint
from mlxts.training.events import Event, Listener, StartEvent
from mlxts.training.log import RunLog
from mlxts.training.loop import Arrays, Gate, Outcome, fresh_state
from mlxts.training.loop import train as train_loop
from mlxts.training.step import Forward, TargetScale, make_optimizer

# What decides the numbers of a run, besides its data: a change here makes it another run.
_DECISIVE = (
    "protocol.py", "targets.py", "splits.py", "dataset.py", "features", "model", "training",
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """Everything that is derived before training starts."""

    config: ExperimentConfig
    dataset: Dataset
    shape: Shape
    micro_batch: int
    run_id: str

    @property
    def folder(self) -> Path:
        return runs_folder() / self.run_id

    @property
    def binary(self) -> bool:
        return self.dataset.task.kind != "regression"

    @property
    def total_steps(self) -> int:
        training = self.config.training
        return math.ceil(len(self.dataset.samples["train"]) / training.batch_size) * (
            training.max_epochs
        )

    def memory_bytes(self) -> int:
        """Peak memory by the model of `cost.py`."""
        return cost.step_bytes(self.shape, self.micro_batch, self.dataset.features.nbytes)

    def record(self) -> dict[str, Any]:
        """The figures that are shown before training and kept in run.json."""
        return {
            "run_id": self.run_id,
            **budget.table(self.shape),
            "samples": {name: len(samples) for name, samples in self.dataset.samples.items()},
            "canonical_samples": {
                name: int((samples.phases == bars.CANONICAL).sum())
                for name, samples in self.dataset.samples.items()
            },
            "features": len(self.dataset.names),
            "joined_features": timescales.joined(self.dataset.names),
            "micro_batch": self.micro_batch,
            "flops_per_step": cost.training_flops(self.shape, self.config.training.batch_size),
            "memory_bytes": self.memory_bytes(),
            "total_steps": self.total_steps,
        }


@dataclass(frozen=True)
class Trained:
    """A model with its best weights, and the data it belongs to."""

    plan: Plan
    model: PatchTST
    scale: TargetScale
    outcome: Outcome | None = None

    def outputs(self, split: str) -> np.ndarray:
        """(n,) float64 of a split, in the order of its samples: logits, or log returns."""
        return self.on(self.plan.dataset.features, self.plan.dataset.samples[split].rows)

    def on(self, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n,) float64 for windows that end at `rows` of a (N, F) feature array."""
        forward = Forward(self.model, max(self.plan.micro_batch, 32))
        return forward(mx.array(features), rows) * self.scale.scale + self.scale.center


def plan(configuration: ExperimentConfig, *, register: bool = True) -> Plan:
    """Load the data and solve the shape.

    Args:
        register: keep features that had to be computed; without it nothing is written.

    Raises:
        DataError, BudgetError: see `dataset.build` and `budget.solve`.
        RunError: strict mode without a batch-size record for this budget and machine.
    """
    data = dataset.build(configuration, register=register)
    shape = budget.solve(configuration.budget, len(data.names), configuration.model)
    micro_batch = batch_size.micro_batch(configuration, shape)
    identity = {
        "config": configuration.hash,
        "data": data.data_hash,
        "code": code_version(),
        "micro_batch": micro_batch,
    }
    run_id = "-".join(
        (
            configuration.budget,
            configuration.timescale,
            configuration.task,
            f"h{data.horizon}",
            f"s{configuration.seed}",
            canonical_hash(identity)[:10],
        )
    )
    return Plan(configuration, data, shape, micro_batch, run_id)


def train(
    plan: Plan,
    *,
    emit: Listener,
    gate: Gate,
    resume: bool = False,
    sensor: dict[str, Any] | None = None,
) -> Trained:
    """Train to the end (or until the gate stops it) and restore the best weights.

    Args:
        emit: told of every event, besides the run's own log.
        gate: asked after every step.
        resume: continue an unfinished run of the same id.
        sensor: which one watches the heat, for run.json.

    Raises:
        RunError: the run exists and `resume` is off, or another process is training it.
        CheckpointError: nothing whole to resume from.
        DivergedError, StorageError: see `loop.train`.
    """
    if (plan.folder / "run.json").exists() and not resume:
        raise RunError(
            f"run {plan.run_id} exists and is not finished; continue it with --resume, "
            f"or delete {plan.folder}"
        )
    plan.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(plan.folder / ".lock")
    try:
        with lock.acquire(timeout=0):
            return _train(plan, emit, gate, sensor or {})
    except Timeout as error:
        raise RunError(f"another process is training {plan.run_id}; wait for it to end") from error


def _train(plan: Plan, emit: Listener, gate: Gate, sensor: dict[str, Any]) -> Trained:
    configuration, data = plan.config, plan.dataset
    scale = target_scale(data)
    model = _model(plan, scale)
    optimizer = make_optimizer(configuration.training)
    checkpoints = plan.folder / "checkpoint"
    state, refused = fresh_state(configuration, plan.run_id), []
    if checkpoint.exists(checkpoints, "last"):
        optimizer.init(model.trainable_parameters())
        state, refused = checkpoint.restore(checkpoints, "last", plan.run_id, model, optimizer)
    else:
        _begin(plan, sensor)
    train_split, validation = data.samples["train"], data.samples["validation"]
    arrays = Arrays(
        features=mx.array(data.features),
        train_rows=train_split.rows,
        train_targets=(train_split.targets - scale.center) / scale.scale,
        validation_rows=validation.rows,
        validation_targets=(validation.targets - scale.center) / scale.scale,
    )
    with RunLog(plan.folder, state.step) as log:

        def tell(event: Event) -> None:
            log(event)
            emit(event)

        tell(_start_event(plan, state.step, refused))
        outcome = train_loop(
            configuration,
            arrays,
            model,
            optimizer,
            state,
            binary=plan.binary,
            micro_batch=plan.micro_batch,
            folder=checkpoints,
            emit=tell,
            gate=gate,
        )
    if outcome.stop.reason in ("finished", "early_stop"):
        checkpoint.restore(checkpoints, "best", plan.run_id, model)
    return Trained(plan, model, scale, outcome)


def load(folder: Path) -> Trained:
    """The best weights of a run, on the data and with the code of now.

    Raises:
        RunError: the folder holds no run.
        IntegrityError, DataError: its data is gone or was changed.
        CheckpointError: its best checkpoint is gone or damaged.
    """
    record = _record(folder)
    shape = Shape(**record["shape"])
    configuration = pinned_configuration(folder)
    data = dataset.build(configuration)
    if data.data_hash != record["data_hash"]:
        raise CheckpointError(
            f"run {record['run_id']} was trained on other features than this version makes; "
            f"train {folder / 'config.yaml'} again"
        )
    plan = Plan(configuration, data, shape, record["micro_batch"], record["run_id"])
    scale = target_scale(data)
    model = _model(plan, scale)
    checkpoint.restore(folder / "checkpoint", "best", plan.run_id, model)
    return Trained(plan, model, scale)


def time_steps(plan: Plan, count: int = 3) -> float:
    """Median seconds of one update, over `count` real ones after the first (which compiles)."""
    return batch_size.time_steps(plan.config, plan.shape, plan.dataset, plan.micro_batch, count)


def code_version() -> str:
    """Digest of the source files that decide a run's numbers."""
    package = Path(__file__).parents[1]
    files = sorted(
        path
        for name in _DECISIVE
        for path in ([package / name] if name.endswith(".py") else (package / name).rglob("*"))
        if path.suffix in (".py", ".txt", ".csv")
    )
    return canonical_hash({str(path.relative_to(package)): digest(path) for path in files})


def target_scale(data: Dataset) -> TargetScale:
    """(0, 1) for binary tasks; mean and deviation of the training targets for regression."""
    if data.task.kind != "regression":
        return TargetScale(0.0, 1.0)
    targets = data.samples["train"].targets.astype(np.float64)
    return TargetScale(float(targets.mean()), float(targets.std()) or 1.0)


def _model(plan: Plan, scale: TargetScale) -> PatchTST:
    """A fresh model whose first prediction is the base rate (or the mean return)."""
    data = plan.dataset
    bias = 0.0
    if plan.binary:
        # One of each class more than was seen: the logit stays finite if one class is missing.
        positives, total = data.samples["train"].targets.sum(), len(data.samples["train"])
        rate = (float(positives) + 1) / (total + 2)
        bias = math.log(rate / (1 - rate))
    rows = data.features[data.samples["train"].rows]
    statistics = np.stack([rows.mean(axis=0), rows.std(axis=0)])
    return PatchTST(plan.shape, seed=plan.config.seed, bias=bias, statistics=statistics)


def _begin(plan: Plan, sensor: dict[str, Any]) -> None:
    """Write what a run is, before its first step."""
    write_text(plan.folder / "config.yaml", plan.config.to_yaml())
    write_json(
        plan.folder / "run.json",
        {
            **plan.record(),
            "config": plan.config.model_dump(mode="json"),
            "config_hash": plan.config.hash,
            "data_hash": plan.dataset.data_hash,
            "code_version": code_version(),
            "git_commit": _git_commit(),
            "splits": plan.dataset.splits_name,
            "artifacts": [asdict(artifact) for artifact in plan.dataset.artifacts],
            "shape": plan.shape.record(),
            "machine": backend.describe(),
            "sensor": sensor,
            "versions": {
                name: version(name) for name in ("mlxts", "mlx", "numpy", "polars", "TA-Lib")
            },
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def pinned_configuration(folder: Path) -> ExperimentConfig:
    """A run's configuration, bound to the very artifacts that it was trained on.

    Raises:
        RunError: the folder holds no run.
        ConfigError: its configuration is not one of this version.
    """
    record = _record(folder)
    configuration = config.load(folder / "config.yaml")
    raw = {a["symbol"]: a["sha256"] for a in record["artifacts"] if "tier" not in a}
    data = configuration.data.model_copy(update={"pinned": raw})
    return configuration.model_copy(update={"data": data})


def _record(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{folder} holds no readable run.json; `mlxts runs` lists runs") from error


def _start_event(plan: Plan, step: int, refused: list[str]) -> StartEvent:
    counts = budget.count(plan.shape)
    data = plan.dataset
    return StartEvent(
        step=step,
        total_steps=plan.total_steps,
        epochs=plan.config.training.max_epochs,
        resumed=step > 0,
        header={
            "run": plan.run_id,
            "mode": f"{plan.config.mode}, {data.splits_name} splits",
            "model": f"PatchTST {plan.shape.channels}, {counts.total:,} parameters "
            f"({counts.body:,} encoder)",
            "data": f"{plan.config.data.title}, {len(data.names)} features, "
            f"{len(data.samples['train']):,} + {len(data.samples['validation']):,} samples, "
            f"{data.data_hash[:8]}",
            "device": f"{backend.device()} ({backend.device_name()}), seed {plan.config.seed}",
            **({"refused": "; ".join(refused)} if refused else {}),
        },
    )


def _git_commit() -> str | None:
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
