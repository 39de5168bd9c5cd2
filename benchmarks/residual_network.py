"""What keeps a pooled residual network from finding what trees find over the same reference?

Boosted trees, a hidden layer over the decision bar alone, and PatchTST in several settings learn
what each asset's own linear reference leaves over, on the same rows, from its out-of-fold values.
Trained at one forecast origin, chosen on the two years after it, scored on the two years after
these. Exploratory: these windows have been looked at.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from jaxtyping import Float32, Float64, UInt32
from scipy.optimize import minimize_scalar

from benchmarks.harness import Benchmark, Row, Skip, main
from mlxts.baselines.out_of_fold import BLOCKS
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.config.yamltext import overridden
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.errors import DataError
from mlxts.evaluation.block_bootstrap import DRAWS, BlockBootstrap
from mlxts.losses import log_losses
from mlxts.model import parameter_budget
from mlxts.model.baseline_networks import MLP, WindowShape
from mlxts.model.initialisation import build_model
from mlxts.model.interfaces import Network
from mlxts.platform import device
from mlxts.training import loop, residual_reference
from mlxts.training.events import StopEvent
from mlxts.training.inputs import inputs
from mlxts.training.losses import TargetScale
from mlxts.training.step import Forward, make_optimizer
from mlxts.training.weight_average import WeightAverage

ORIGINS = (5, 1)
_BASE: dict[str, Any] = {
    "name": "residual-network", "mode": "exploratory", "task": "threshold_1pct",
    "budget": "0.02M", "data": {"cell": "Da"}, "features": {"tier": 20},
    "model": {"residual_of": "linear", "last_bar_to_head": True},
    "training": {
        "stop_on": "panel", "batch_size": 256, "learning_rate": 3e-4, "ema_decay": 0.999,
        "max_epochs": 6, "validations_per_epoch": 2, "patience": 99,
    },
}  # fmt: skip
_REGISTERED = {
    "training.batch_size": 64, "training.learning_rate": 1e-4, "training.ema_decay": None,
    "training.max_epochs": 4, "model.last_bar_to_head": False,
}  # fmt: skip
LAST_BAR = "last bar alone, 64 units"
TREES = "boosted trees"
# What each changes of `_BASE`.
CASES: dict[str, dict[str, Any]] = {
    TREES: {},
    LAST_BAR: {"training.learning_rate": 1e-3, "training.max_epochs": 4},
    "PatchTST as registered": _REGISTERED,
    "last bar to the head, average of weights": {},
    "and the mean over patches": {"model.head": "mean"},
}


class LastBar(MLP):
    """The network's inputs at the decision bar through one hidden layer, on top of the offset."""

    def __init__(self, columns: Float32[np.ndarray, "n C"], seed: int) -> None:
        statistics = np.stack([columns.mean(axis=0), columns.std(axis=0)])
        shape = WindowShape(1, columns.shape[1])
        super().__init__(shape, statistics, seed=seed, bias=0.0, rate=0.0)
        self.head.weight = mx.zeros_like(self.head.weight)

    def forward(
        self,
        x: Float32[mx.array, "B 1 C"],
        keys: UInt32[mx.array, "B 2"] | None = None,
        *,
        checkpointing: bool = False,
    ) -> Float32[mx.array, " B"]:
        return super().forward(x[..., :-1], keys) + x[:, -1, -1]


@dataclass(frozen=True)
class World:
    """The data of one origin, and the reference's forecast of each bar."""

    data: Dataset
    reference: residual_reference.ResidualReference
    forecast: Float64[np.ndarray, " rows"]

    @classmethod
    def at(cls, origin: int) -> "World":
        data = build_dataset(configuration(origin, {}))
        reference = residual_reference.fit(data, "linear")
        return cls(data, reference, reference(data))

    def over(self, split: str, logits: Float64[np.ndarray, " n"]) -> Row:
        """Mean loss minus the reference's, dates alike and assets of a date alike; and the same
        when both have been given the constant that suits these very days best, so that only the
        order of days and assets is left."""
        samples = self.data.samples[split]
        targets, reference = samples.targets.astype(np.float64), self.forecast[samples.rows]
        dates, of_date = np.unique(samples.dates, return_inverse=True)

        def daily_mean(ours: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " days"]:
            return np.bincount(of_date, log_losses(ours, targets)) / np.bincount(of_date)

        def levelled(ours: Float64[np.ndarray, " n"]) -> float:
            lowest: Any = minimize_scalar(lambda shift: daily_mean(ours + shift).mean())
            return float(lowest.fun)

        daily = daily_mean(logits) - daily_mean(reference)
        bootstrap = BlockBootstrap(dates, horizon=1)
        weights = bootstrap.weights(DRAWS)
        low, high = bootstrap.interval(daily @ weights / weights.sum(axis=0))
        return {
            "minus": float(daily.mean()),
            "low": low,
            "high": high,
            "levelled": levelled(logits) - levelled(reference),
        }


def configuration(origin: int, changes: dict[str, Any]) -> ExperimentConfig:
    return build_config(overridden(_BASE, {"data.walk_forward_window": origin, **changes}))


def network(world: World, config: ExperimentConfig, last_bar: bool) -> tuple[Row, Row, int]:
    """Train, and score the best weights on the stopping and the scored window."""
    data, settings = world.data, config.training
    scale = TargetScale.fit(data)
    columns = inputs(data, config, world.reference, scale)
    model: Network
    if last_bar:
        model = LastBar(columns[data.samples["train"].rows, :-1], config.training_seed)
    else:
        shape = parameter_budget.solve(config.budget, len(data.names), config.model)
        model = build_model(config, shape, data)
    optimizer = make_optimizer(settings)
    optimizer.init(model.trainable_parameters())
    average = WeightAverage(model, settings.ema_decay) if settings.ema_decay else None
    with tempfile.TemporaryDirectory() as folder:
        outcome = loop.train(
            config,
            loop.Arrays.from_dataset(data, scale, columns, stop_on=settings.stop_on),
            model,
            optimizer,
            loop.fresh_state(config, "run"),
            binary=True,
            micro_batch=settings.batch_size,
            folder=Path(folder),
            emit=lambda event: None,
            gate=_never,
            average=average,
        )
        loop.restore_best(Path(folder), outcome, model, lambda event: None)
    forward, features = Forward(model, settings.batch_size), device.on_device(columns)
    validation, scored = (
        world.over(split, forward(features, data.samples[split].rows))
        for split in ("validation", "test")
    )
    return validation, scored, outcome.state.stopping.best_step


def _never(step: int) -> StopEvent | None:
    return None


def trees(world: World) -> tuple[Row, Row, int]:
    """As many of 400 trees as are best on the stopping window."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = world.data
    columns = inputs(data, configuration(data.walk_forward_window or 1, {}), world.reference,
                     TargetScale.fit(data))[:, :-1]  # fmt: skip
    train, validation, scored = (data.samples[s] for s in ("train", "validation", "test"))
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=400, max_leaf_nodes=8, min_samples_leaf=40,
        l2_regularization=1.0, early_stopping=False, random_state=0,
    ).fit(columns[train.rows], train.targets > 0.5)  # fmt: skip

    def staged(rows: np.ndarray) -> Iterator[Float64[np.ndarray, " n"]]:
        return (np.ravel(logits) for logits in model.staged_decision_function(columns[rows]))

    targets = validation.targets.astype(np.float64)
    losses = [log_losses(logits, targets).mean() for logits in staged(validation.rows)]
    best = int(np.argmin(losses))
    outputs = [
        logits for part in (validation, scored)
        for number, logits in enumerate(staged(part.rows)) if number == best
    ]  # fmt: skip
    return world.over("validation", outputs[0]), world.over("test", outputs[1]), best + 1


def measure(quick: bool) -> list[Row]:
    """A row for each origin and case."""
    rows = []
    for origin in ORIGINS[:1] if quick else ORIGINS:
        try:
            world = World.at(origin)
        except DataError as error:
            raise Skip(f"row D of the dataset matrix is not in this workspace: {error}") from error
        for name, changes in CASES.items():
            config = configuration(origin, changes | ({"training.max_epochs": 1} if quick else {}))
            if name == TREES:
                validation, scored, steps = trees(world)
            else:
                validation, scored, steps = network(world, config, name == LAST_BAR)
            rows.append(
                {"origin": origin, "model": name, "steps": steps,
                 "validation": validation["minus"], **scored}
            )  # fmt: skip
    return rows


BENCHMARK = Benchmark(
    name="residual_network",
    question="What do networks and trees find over each asset's own linear reference?",
    measure=measure,
    columns={
        "origin": "window",
        "model": "model",
        "steps": "best after steps (trees)|,",
        "validation": "stopping window, minus linear's|+.4f",
        "minus": "scored window, minus linear's|+.4f",
        "low": "95 % from|+.4f",
        "high": "to|+.4f",
        "levelled": "both at their best level|+.4f",
    },
    notes=(
        "19 assets (row D), touch of 1 % at H = 1, tier 20, one seed, 0.02M. The reference is "
        f"read out of fold ({BLOCKS} blocks) on training rows. Every window has been looked at.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
