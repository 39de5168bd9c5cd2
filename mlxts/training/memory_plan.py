"""How much memory a step takes at any micro-batch: by formula, or by two small measurements.

    peak(M) = max(update, fixed + slope M)

The passes over a micro-batch of M windows grow with M; the update of the weights does not depend
on it. A line through two whole steps would mislead, since both may lie where the update rules, so
what is measured is the passes, and the update apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from mlxts import protocol
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.config.yamltext import overridden
from mlxts.errors import BudgetError, ConfigError
from mlxts.model import flops, parameter_budget
from mlxts.model.patchtst import Shape
from mlxts.platform import device

_GIB = 2**30


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes that MLX holds at the peak of a step, apart from the feature array."""

    update: int  # while the weights change
    fixed: float  # during the passes, whatever the micro-batch
    slope: float  # for each window of it
    another: int  # gradients besides those of the pass, where several micro-batches are summed

    @classmethod
    def counted(cls, configuration: ExperimentConfig, shape: Shape) -> Self:
        """By the formulas of `flops.py`."""
        training = configuration.training
        slope = flops.activation_bytes(
            shape, 1, precision=training.precision, checkpointing=training.gradient_checkpointing
        )
        fixed = flops.resting_bytes(shape, training.precision)
        return cls(flops.update_bytes(shape), fixed, slope, flops.gradient_bytes(shape))

    @classmethod
    def fitted(
        cls, small: tuple[int, int], large: tuple[int, int], update: int, shape: Shape
    ) -> Self:
        """From measurements.

        Args:
            small, large: a micro-batch, and the peak of its passes alone. They are measured without
                AdamW's two moments, which are added here.
            update: the peak of a whole step of few windows.
        """
        slope = max(0.0, (large[1] - small[1]) / (large[0] - small[0]))
        fixed = large[1] - slope * large[0] + 2 * flops.gradient_bytes(shape)
        return cls(update, fixed, slope, flops.gradient_bytes(shape))

    def peak(self, micro_batch: int, parts: int = 1) -> int:
        """Of a step over `parts` micro-batches."""
        passes = self.fixed + self.slope * micro_batch + (self.another if parts > 1 else 0)
        return round(max(self.update, passes))

    def fitting(self, batch_size: int, room: float) -> list[int]:
        """The divisors of `batch_size` whose step stays within `room` bytes, largest first."""
        return [
            size
            for size in range(batch_size, 0, -1)
            if batch_size % size == 0 and self.peak(size, batch_size // size) <= room
        ]


def room_now(feature_bytes: int) -> int:
    """Bytes that a step may take now, besides the feature array (which is there already)."""
    return device.available_memory() - device.memory_outside_mlx() - feature_bytes


def room_ever(feature_bytes: int) -> int:
    """The same on this machine whatever else it does: what a configuration is planned with."""
    return device.usable_memory() - feature_bytes


def check(planned: int, feature_bytes: int) -> None:
    """Refuse a run that this machine cannot hold now, before anything is allocated.

    Args:
        planned: bytes at the peak of a step, without features.

    Raises:
        BudgetError: with both figures.
    """
    room = room_now(feature_bytes)
    if planned > room:
        raise BudgetError(
            f"training needs {planned / _GIB:.1f} GiB besides its features, and "
            f"{max(0, room) / _GIB:.1f} GiB can be had now; close other programs, or let "
            "`mlxts batch-size CONFIG` find a micro-batch that fits"
        )


def nothing_fits(
    configuration: ExperimentConfig,
    shape: Shape,
    feature_bytes: int,
    room: float,
    measured: MemoryPlan | None = None,
) -> BudgetError:
    """The error for a configuration of which not even one window fits, with what would.

    Args:
        measured: what it needs, where that was measured; else it is counted.
    """
    plan = measured or MemoryPlan.counted(configuration, shape)
    needed = plan.peak(1, configuration.training.batch_size)
    fitting = alternatives(configuration, shape, feature_bytes, room)
    advice = (
        f"what would fit: {', '.join(fitting)}" if fitting else "use a machine with more memory"
    )
    return BudgetError(
        f"one window needs {needed / _GIB:.1f} GiB besides {feature_bytes / _GIB:.1f} GiB of "
        f"features, and {max(0.0, room) / _GIB:.1f} GiB can be had; {advice}"
    )


def alternatives(
    configuration: ExperimentConfig, shape: Shape, feature_bytes: int, room: float
) -> list[str]:
    """What would fit instead, one change each, as `key=value (bytes)`.

    Args:
        room: bytes besides the features of `configuration`; a smaller tier leaves more.
    """
    fitting: dict[str, str] = {}  # by key, the first value that fits
    per_feature = feature_bytes / shape.features
    for key, value in _changes(configuration):
        features = shape.features
        if key == "features.tier":
            features = round(features * value / configuration.features.tier)
        changes = {key: value, "mode": "exploratory"}
        try:
            other = build_config(overridden(configuration.model_dump(mode="json"), changes))
            solved = parameter_budget.solve(other.budget, features, other.model, len(other.assets))
        except (BudgetError, ConfigError):
            continue
        parts = other.training.batch_size
        needed = MemoryPlan.counted(other, solved).peak(1, parts)
        if needed <= room + per_feature * (shape.features - features):
            fitting.setdefault(key, f"{key}={value} ({needed / _GIB:.1f} GiB)")
    return list(fitting.values())


def _changes(configuration: ExperimentConfig) -> Iterator[tuple[str, Any]]:
    """Changes to try, the one that changes the experiment least first."""
    if not configuration.training.gradient_checkpointing:
        yield "training.gradient_checkpointing", True
    if configuration.model.channels == "independent":
        yield "model.channels", "mixing"
    smaller = [tier for tier in protocol.TIERS if tier < configuration.features.tier]
    yield from (("features.tier", tier) for tier in reversed(smaller))
    parameters = protocol.BUDGETS[configuration.budget].parameters
    budgets = [b for b in protocol.BUDGETS.values() if b.parameters < parameters]
    for other in sorted(budgets, key=lambda b: -b.parameters):
        yield "budget", other.name
