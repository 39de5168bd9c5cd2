"""A sweep: axes over a base configuration, multiplied out into experiments.

    name: phase6a
    base: {mode: strict, task: threshold_1pct, data: {cell: Aa}}
    axes:
      seed: [0, 1, 2]
      budget: [2M, 20M]

The last axis varies fastest, so the order in the file is the order of the work: with `seed` first,
the whole grid is done once before it is done again.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config, read_mapping
from mlxts.config.validation import ConfigSection, first_problem
from mlxts.config.yamltext import dump_yaml, overridden
from mlxts.errors import ConfigError

Scalar = str | int | float | bool | None
Value = Scalar | Annotated[tuple[Scalar, ...], Field(strict=False)]

# An axis's name and the key that it sets; any other axis is a dotted key itself.
AXES = {
    "budget": "budget",
    "task": "task",
    "timescale": "timescale",
    "horizon": "horizon",
    "tier": "features.tier",
    "cell": "data.cell",
    "seed": "seed",
    "train_fraction": "data.train_fraction",
    "train_symbols": "data.train_symbols",
    "walk_forward_window": "data.walk_forward_window",
}
_SHORT = {
    "seed": "s",
    "horizon": "h",
    "tier": "t",
    "train_fraction": "d",
    "walk_forward_window": "w",
}


class Sweep(ConfigSection):
    """Axes over a base configuration."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")
    description: str = ""
    base: dict[str, Any] = Field(description="an experiment's keys, without its name")
    axes: dict[str, Annotated[tuple[Value, ...], Field(strict=False)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _axes_have_values(self) -> "Sweep":
        for axis, values in self.axes.items():
            if not values:
                raise ValueError(f"axes.{axis}: no value; give some, or remove the axis")
            if len({json.dumps(value) for value in values}) < len(values):
                raise ValueError(f"axes.{axis}: a value occurs twice; remove one")
        return self

    def points(self) -> list["Point"]:
        """Every combination, in the order of the file.

        Raises:
            ConfigError: a combination that is no valid experiment, or two that are the same one.
        """
        combinations = itertools.product(*map(self.choices, self.axes))
        points = [self.point(dict(zip(self.axes, c, strict=True))) for c in combinations]
        seen: dict[str, Point] = {}
        for point in points:
            twin = seen.setdefault(point.config.hash, point)
            if twin is not point:
                raise ConfigError(
                    f"sweep {self.name}: {point.label} and {twin.label} are the same experiment; "
                    "remove one of them"
                )
        return points

    def choices(self, axis: str) -> list[Scalar]:
        """The values of an axis as a storage of trials can hold them: a list as its JSON text."""
        return [json.dumps(v) if isinstance(v, tuple) else v for v in self.axes[axis]]

    def point(self, choices: dict[str, Scalar]) -> "Point":
        """The experiment at one combination of `choices`. Raises ConfigError."""
        values = {
            axis: self.axes[axis][self.choices(axis).index(choice)]
            for axis, choice in choices.items()
        }
        label = "-".join(_spelled(axis, value) for axis, value in values.items())
        base = dict(self.base)
        if "timescale" in values and "horizon" not in values:
            base["horizon"] = None  # a timescale brings its own
        settings = {AXES.get(axis, axis): value for axis, value in values.items()}
        settings["name"] = f"{self.name}-{label}"
        configuration = build_config(
            overridden(base, settings), origin=f"sweep {self.name}, {label}"
        )
        return Point(choices, label, configuration)


@dataclass(frozen=True)
class Point:
    """One experiment of a sweep."""

    values: dict[str, Scalar]  # the choice of each axis
    label: str
    config: ExperimentConfig


def load(path: Path) -> Sweep:
    """Read a sweep. Its `base` may name a configuration file in its folder instead.

    Raises:
        ConfigError: no such file, not YAML, an unknown key or a wrong type.
    """
    values = read_mapping(path)
    values.setdefault("name", path.stem)
    if isinstance(values.get("base"), str):
        values["base"] = read_mapping(path.parent / values["base"])
        values["base"].pop("name", None)
    return build(values, origin=str(path))


def build(values: dict[str, Any], *, origin: str = "sweep") -> Sweep:
    """Validate a mapping. Raises ConfigError with the first offending key."""
    try:
        return Sweep.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {first_problem(error, Sweep)}") from error


def to_yaml(sweep: Sweep) -> str:
    return dump_yaml(sweep.model_dump(mode="json"))


def _spelled(axis: str, value: Value) -> str:
    """A value as a part of a name: what says itself stands alone, numbers get their axis."""
    if isinstance(value, tuple):  # a list says how many it holds, e.g. symbols
        return f"{len(value)}_{axis.rpartition('.')[2]}"
    text = "".join(c if c.isalnum() or c in "._" else "_" for c in str(value))
    if axis in ("budget", "task", "timescale", "cell"):
        return text
    short = _SHORT.get(axis)
    return f"{short}{text}" if short else f"{axis.rpartition('.')[2]}_{text}"
