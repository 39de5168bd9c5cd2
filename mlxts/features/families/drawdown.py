"""Drawdown and recovery: how deep, how long, how much of it is won back."""

from dataclasses import dataclass

from mlxts.features import kernels
from mlxts.features import relations as to
from mlxts.features.base_quantities import CLOSE, LOG_CLOSE, per_return_sigma
from mlxts.features.feature import Family, Relation, product
from mlxts.features.kernels import MIN_HISTORY, extreme_age
from mlxts.features.quantity import Quantity


@dataclass(frozen=True)
class Depth:
    """Distance of the close to its best (or, mirrored, its worst) of the last `bars`.

    `bars` None: of all bars so far. The depth is in log terms and never negative.
    """

    bars: int | None
    mirrored: bool = False

    @property
    def name(self) -> str:
        kind = "runup" if self.mirrored else "drawdown"
        return f"{kind}_{self.bars or 'ever'}"

    @property
    def value(self) -> Quantity:
        line = 0.0 - LOG_CLOSE if self.mirrored else LOG_CLOSE
        best = line.running_max() if self.bars is None else line.highest(self.bars)
        return (best - line).named(self.name)

    @property
    def span(self) -> int:
        """Bars over which its own history is summed up."""
        return min(self.bars or 250, 250)


# By priority.
DEPTHS = tuple(
    Depth(bars, mirrored)
    for bars, mirrored in (
        (250, False), (20, False), (60, True), (60, False), (250, True), (None, False),
        (20, True), (120, False), (10, False), (120, True), (40, False), (10, True), (40, True),
        (5, False), (5, True),
    )
)  # fmt: skip


def _since(x: Depth) -> Quantity:
    """Bars since the best close."""
    if x.bars is None:
        at_best = 1.0 - x.value.positive()
        return at_best.through(kernels.age, "age").named(f"{x.name}_since")
    kernel = extreme_age(x.bars, lowest=x.mirrored)
    name = "lowest_age" if x.mirrored else "highest_age"
    lead = min(x.bars, MIN_HISTORY) - 1
    return CLOSE.through(kernel, name, x.bars, after=lead).named(f"{x.name}_since")


def _worst(x: Depth) -> Quantity:
    return x.value.highest(x.span).staged()


def _ulcer(x: Depth) -> Quantity:
    """Root mean square depth (Martin 1987)."""
    return (x.value * x.value).staged().mean(x.span).sqrt().staged()


# By priority.
RELATIONS: tuple[Relation[Depth], ...] = (
    Relation("pct", "distance", "percent", lambda x: 100.0 * x.value),
    Relation("since", "duration", "bars", _since),
    Relation("of_worst", "position", "ratio", lambda x: to.share(x.value, _worst(x))),
    Relation("sigma", "distance", "sigma", lambda x: x.value * per_return_sigma(60)),
    Relation("slope_5", "slope", "sigma", lambda x: x.value.change(5) * per_return_sigma(20)),
    Relation("percentile_120", "position", "percent", lambda x: x.value.percentile(120)),
    Relation("worst_pct", "distance", "percent", lambda x: 100.0 * _worst(x)),
    Relation("ulcer", "distance", "percent", lambda x: 100.0 * _ulcer(x)),
    Relation("speed", "slope", "sigma",
             lambda x: x.value * per_return_sigma(60) / (_since(x) + 1.0)),
    Relation("share_at_best_60", "position", "ratio",
             lambda x: (1.0 - x.value.positive()).staged().mean(60)),
    Relation("slope_22", "slope", "sigma", lambda x: x.value.change(22) * per_return_sigma(60)),
    Relation("over_ulcer", "position", "ratio", lambda x: to.share(x.value, _ulcer(x))),
    Relation("acceleration_5", "acceleration", "sigma",
             lambda x: x.value.change(5).staged().change(5) * per_return_sigma(20)),
    Relation("z_60", "position", "sigma", lambda x: to.zscore(x.value, 60)),
    Relation("deepening_duration", "duration", "bars", lambda x: to.duration(x.value.change(1))),
)  # fmt: skip

FAMILY = Family("drawdown", product("drawdown", DEPTHS, RELATIONS))
