"""What a search may vary, declared under `search:` in an experiment's configuration.

    search:
      trials: 40
      space:
        depth: {low: 2, high: 6}
        heads: [2, 4, 8]
        weight_decay: {low: 1e-4, high: 1.0, log: true}
        micro_batch: [16, 32, 64]
        accumulation: [1, 2, 4]

Width is never sampled: `model/budget.py` solves it, so every trial meets the budget within 1 %.
What is sampled becomes an ordinary configuration (`configure`), validated like any other.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

import optuna
from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from mlxts import protocol
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.config.model import ModelConfig
from mlxts.config.training import TrainingConfig
from mlxts.config.validation import ConfigSection, Positive, first_problem
from mlxts.errors import ConfigError

Values = dict[str, int | float]  # what was sampled, by the name of the dimension


class Range(ConfigSection):
    """All numbers between two bounds, both included."""

    low: float
    high: float
    log: bool = Field(False, description="sample log-uniformly; low must be above 0")
    step: Annotated[float, Field(gt=0)] | None = Field(None, description="multiples above low")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low:g} has no logarithm; choose one above 0")
        if self.log and self.step:
            raise ValueError("step cannot be combined with log; remove one of them")
        return self


class Integers(Range):
    """All whole numbers between two bounds, both included."""

    low: int
    high: int
    step: Positive | None = None


def _spelling(value: Any) -> str:
    return "range" if isinstance(value, dict | Range) else "choices"


_CHOICES = Field(
    min_length=2, strict=False, description="unordered; the sampler treats each value separately"
)
Int = Annotated[
    Annotated[Integers, Tag("range")] | Annotated[tuple[int, ...], _CHOICES, Tag("choices")],
    Discriminator(_spelling),
]
Float = Annotated[
    Annotated[Range, Tag("range")] | Annotated[tuple[float, ...], _CHOICES, Tag("choices")],
    Discriminator(_spelling),
]


class Space(ConfigSection):
    """The dimensions of a search. One that is left out stays as in the experiment."""

    depth: Int | None = Field(None, description="encoder layers; the width is solved")
    heads: Int | None = Field(None, description="attention heads")
    ffn_ratio: Float | None = Field(None, description="where the width is solved: hidden / width")
    patch_length: Int | None = Field(None, description="bars; exploratory")
    stride: Int | None = Field(None, description="bars; exploratory")
    context: Int | None = Field(None, description="bars; exploratory")
    dropout: Float | None = Field(None, description="exploratory")
    head_dropout: Float | None = Field(None, description="exploratory")
    learning_rate: Float | None = Field(None, description="exploratory")
    weight_decay: Float | None = Field(None, description="usually 1e-4 to 1.0, log")
    warmup_steps: Int | None = Field(None, description="optimizer steps")
    micro_batch: Int | None = Field(None, description="samples a forward pass")
    accumulation: Int | None = Field(
        None, description="micro-batches an optimizer step: batch_size = micro_batch x accumulation"
    )

    @model_validator(mode="after")
    def _is_a_space(self) -> Self:
        if not self.dimensions:
            raise ValueError(f"empty; name some of {', '.join(type(self).model_fields)}")
        if (self.micro_batch is None) != (self.accumulation is None):
            raise ValueError("micro_batch and accumulation together make the batch; give both")
        for name, dimension in self.dimensions.items():
            ends = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension
            if len(set(ends)) != len(ends):
                raise ValueError(f"{name}: a choice is named twice")
            for value in ends:
                _require_legal(name, value)
        return self

    @property
    def dimensions(self) -> dict[str, Range | tuple[int, ...] | tuple[float, ...]]:
        """Those that are searched, in a fixed order."""
        named = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: dimension for name, dimension in named if dimension is not None}


class SearchConfig(ConfigSection):
    """How to search. The experiment defines what is trained and on which data."""

    trials: Positive = Field(50, description="in all, over all sessions and workers")
    patience: Positive | None = Field(
        None, description="end after this many trials without improvement; None: never"
    )
    timeout: Annotated[float, Field(gt=0)] | None = Field(None, description="seconds a session")
    sampler: Literal["tpe", "random"] = "tpe"
    startup_trials: Positive = Field(10, description="random trials before TPE starts")
    pruner: Literal["hyperband", "median", "none"] = "hyperband"
    min_epochs: Positive = Field(1, description="a trial is not pruned before")
    reduction_factor: Annotated[int, Field(ge=2)] = Field(
        3, description="Hyperband continues one in this many trials at each rung"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of the sampler")
    space: Space

    def identity(self) -> dict[str, Any]:
        """What makes it another study; for how long to search does not."""
        return self.model_dump(mode="json", exclude={"trials", "patience", "timeout"})


class _Declared(ConfigSection):
    search: SearchConfig


def read(experiment: ExperimentConfig) -> SearchConfig:
    """The search that an experiment declares.

    Raises:
        ConfigError: it declares none, an unknown dimension, an impossible value, or one that
            strict mode holds fixed.
    """
    if experiment.search is None:
        raise ConfigError(
            f"{experiment.name} declares no search; add a section `search:` with a `space:`, "
            "as configs/hpo/2M-daily-threshold_1pct.yaml has, which `mlxts init` writes"
        )
    try:
        search = _Declared.model_validate({"search": experiment.search}).search
    except ValidationError as error:
        problem = first_problem(error, _Declared)
        for tag in (".range", ".choices"):
            problem = problem.replace(tag, "", 1)
        raise ConfigError(f"{experiment.name}: {problem}") from error
    if experiment.mode == "strict":
        fixed = asdict(protocol.FIXED)
        for name in search.space.dimensions:
            if name in fixed:
                raise ConfigError(
                    f"{experiment.name}: search.space.{name}: fixed at {fixed[name]:g} in strict "
                    "mode; remove it, or set mode: exploratory"
                )
    return search


def suggest(trial: optuna.Trial, space: Space) -> Values:
    """Draw a value of every dimension."""
    return {name: _draw(trial, name, dimension) for name, dimension in space.dimensions.items()}


def configure(experiment: ExperimentConfig, values: Values) -> ExperimentConfig:
    """The configuration that trains exactly these values.

    Raises:
        ConfigError: values that exclude each other (a patch longer than the context, say).
    """
    resolved = experiment.model_dump(mode="json")
    for name, value in values.items():
        if name != "accumulation":
            section, field = _TARGETS[name]
            resolved[section][field] = value
    if "accumulation" in values:
        resolved["training"]["batch_size"] = values["micro_batch"] * values["accumulation"]
    return build_config(resolved, origin=experiment.name)


def _draw(trial: optuna.Trial, name: str, dimension: Any) -> int | float:
    if isinstance(dimension, Integers):
        step = dimension.step or 1
        return trial.suggest_int(name, dimension.low, dimension.high, step=step, log=dimension.log)
    if isinstance(dimension, Range):
        return trial.suggest_float(
            name, dimension.low, dimension.high, step=dimension.step, log=dimension.log
        )
    return trial.suggest_categorical(name, dimension)


def _targets() -> dict[str, tuple[str, str]]:
    """dimension -> (section, key) of the experiment."""
    sections = {"model": ModelConfig, "training": TrainingConfig}
    return {
        name: (section, name)
        for name in Space.model_fields
        for section, model in sections.items()
        if name in model.model_fields
    }


def _require_legal(name: str, value: float) -> None:
    """Raise ValueError where no experiment could take the value, whatever its other values."""
    if name == "accumulation":
        if value < 1:
            raise ValueError(f"accumulation: {value:g} cannot be; choose at least 1")
        return
    section, key = _TARGETS[name]
    try:
        (ModelConfig if section == "model" else TrainingConfig).model_validate({key: value})
    except ValidationError as error:
        for problem in error.errors():
            if problem["loc"] == (key,):
                raise ValueError(f"{name}: {value:g} cannot be: {problem['msg']}") from error


_TARGETS = _targets()
