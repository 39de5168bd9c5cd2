"""Magnitudes: what is never negative (dispersion, turnover), always against its own history."""

from dataclasses import dataclass

from mlxts.features import relations as to
from mlxts.features.feature import Relation
from mlxts.features.quantity import Quantity

LONG = 250  # bars of own history that a level is held against


@dataclass(frozen=True)
class Magnitude:
    """A dimensionless series `value` >= 0."""

    name: str
    value: Quantity


@dataclass(frozen=True)
class Ratio:
    """One magnitude over another."""

    first: Quantity
    second: Quantity

    @property
    def name(self) -> str:
        return f"{self.first.formula}_over_{self.second.formula}"


def _relative(x: Magnitude, bars: int) -> Quantity:
    return to.relative(x.value, x.value.mean(bars).staged()).staged()


def _ratio(x: Ratio) -> Quantity:
    return to.relative(x.first, x.second).staged()


# By priority.
RELATIONS: tuple[Relation[Magnitude], ...] = (
    Relation("relative_250", "position", "ratio", lambda x: _relative(x, LONG)),
    Relation("percentile_120", "position", "percent", lambda x: x.value.percentile(120)),
    Relation("slope_5", "slope", "ratio", lambda x: _relative(x, LONG).change(5)),
    Relation("duration", "duration", "bars", lambda x: to.duration(_relative(x, LONG))),
    Relation("z_60", "position", "sigma", lambda x: to.zscore(x.value, 60)),
    Relation("acceleration_5", "acceleration", "ratio",
             lambda x: _relative(x, LONG).change(5).staged().change(5)),
    Relation("relative_22", "position", "ratio", lambda x: _relative(x, 22)),
    Relation("slope_duration", "duration", "bars", lambda x: to.duration(x.value.change(1))),
    Relation("slope_22", "slope", "ratio", lambda x: _relative(x, LONG).change(22)),
)  # fmt: skip

RATIO_RELATIONS: tuple[Relation[Ratio], ...] = (
    Relation("ratio", "position", "ratio", _ratio),
    Relation("slope_5", "slope", "ratio", lambda x: _ratio(x).change(5)),
    Relation("duration", "duration", "bars", lambda x: to.duration(_ratio(x))),
    Relation("percentile_120", "position", "percent", lambda x: _ratio(x).percentile(120)),
    Relation("z_60", "position", "sigma", lambda x: to.zscore(_ratio(x), 60)),
)
