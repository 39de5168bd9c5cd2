"""ExperimentConfig: every section, what goes together, and the hash of what decides the numbers.

A *strict* configuration picks only from `protocol.py`; an *exploratory* one may have any value,
and everything it reaches is marked so.
"""

from operator import attrgetter
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from mlxts import protocol, tasks
from mlxts.config import dataset_matrix, renamed_keys
from mlxts.config.data import DataConfig
from mlxts.config.features import FeaturesConfig
from mlxts.config.model import ModelConfig
from mlxts.config.monitoring import CheckpointConfig, ThermalConfig, TrackingConfig
from mlxts.config.training import TrainingConfig
from mlxts.config.validation import ConfigSection, Name, Positive, one_line
from mlxts.config.yamltext import dump_yaml
from mlxts.errors import ConfigError
from mlxts.files import canonical_hash

Mode = Literal["strict", "exploratory"]
_SQUARED = 1000.0  # deviations of the targets; no error exceeds it: half the squared error
_CAME_LATER = (
    ("data", "exogenous"), ("data", "train_fraction"), ("data", "rotate_labels_years"),
    ("data", "walk_forward_window"), ("data", "train_symbols"),
    ("features", "source"), ("model", "residual_of"), ("model", "norm"), ("model", "res_attention"),
    ("model", "head"), ("training", "precision"), ("training", "gradient_checkpointing"),
    ("training", "stop_on"), ("training", "ema_decay"), ("model", "asset_embedding"),
    ("model", "last_bar_to_head"),
)  # fmt: skip


class ExperimentConfig(ConfigSection):
    """One experiment: everything that decides its numbers, and nothing that does not."""

    name: str = Field(
        min_length=1,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="of the experiment, in tables; by default its file's",
    )
    mode: Mode = Field(
        "strict", description="strict: values of the protocol alone; exploratory: any, and labelled"
    )
    budget: Name = Field(
        "2M", description=f"trainable parameters, exact: {', '.join(protocol.BUDGETS)}"
    )
    task: Name = Field(
        "threshold_1pct", description=f"what is predicted: {', '.join(protocol.TASKS)}"
    )
    threshold: float | None = Field(
        None, exclude=True, description="with `task: threshold` one's own (exploratory): 0.015 is "
        "1.5 % above the close; the task is then named threshold_1.5pct",
    )  # fmt: skip
    threshold_unit: tasks.ThresholdUnit = Field(
        "close", exclude=True, description="of threshold: a fraction of the close, or, as `range`, "
        "a multiple of the asset's mean log range of a day over 22 days (threshold_2range)",
    )  # fmt: skip
    timescale: Name = Field(
        "daily", description=f"what a bar spans: {', '.join(protocol.TIMESCALES)}"
    )
    horizon: Positive | None = Field(None, description="trading days; null: the timescale's own")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="of initial weights, sample order and dropout"
    )
    data: DataConfig = DataConfig()
    features: FeaturesConfig = FeaturesConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    thermal: ThermalConfig = ThermalConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    tracking: TrackingConfig = TrackingConfig()
    search: dict[str, Any] | None = Field(
        None, exclude=True, description="search space of `mlxts hpo`; ignored by a single run"
    )

    @model_validator(mode="before")
    @classmethod
    def _task_from_threshold(cls, values: Any) -> Any:
        """A threshold of one's own, once it is named, is a task like any other."""
        if not isinstance(values, dict):
            return values
        given = {key: values[key] for key in ("threshold", "threshold_unit") if key in values}
        if values.get("task") != tasks.OWN:
            if given:
                raise ValueError(f"{next(iter(given))}: goes with task: {tasks.OWN}; set both")
            return values
        threshold, unit = given.get("threshold"), given.get("threshold_unit", "close")
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise ValueError(f"threshold: should be a number beside task: {tasks.OWN}, e.g. 0.015")
        if unit not in get_args(tasks.ThresholdUnit):
            raise ValueError(
                f"threshold_unit: should be one of {', '.join(get_args(tasks.ThresholdUnit))}"
            )
        try:
            name = tasks.name_of(threshold, unit)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return {key: value for key, value in values.items() if key not in given} | {"task": name}

    @model_validator(mode="before")
    @classmethod
    def _horizon_from_timescale(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("horizon") is None:
            timescale = values.get("timescale", "daily")
            if isinstance(timescale, str) and timescale in protocol.TIMESCALES:
                values = {**values, "horizon": protocol.TIMESCALES[timescale].horizon}
        return values

    @model_validator(mode="after")
    def _is_in_the_protocol(self) -> Self:
        try:
            task = tasks.named(self.task)
        except ConfigError as error:
            raise ValueError(f"task: {one_line(str(error))}") from error
        _one_of("timescale", self.timescale, protocol.TIMESCALES)
        _one_of("budget", self.budget, protocol.BUDGETS)
        simulated = self.features.source == "simulated"
        if simulated and (self.timescale != "daily" or self.data.exogenous):
            raise ValueError(
                "features.source: simulated features need timescale: daily and no data.exogenous"
            )
        if self.model.norm == "batch" and self.training.gradient_checkpointing:
            raise ValueError(
                "training.gradient_checkpointing: cannot go with model.norm: batch; leave one out"
            )
        if self.mode == "strict":
            self._is_strict(task)
        return self

    def _is_strict(self, task: protocol.Task) -> None:
        if not task.strict:
            strict = ", ".join(t.name for t in protocol.TASKS.values() if t.strict)
            raise ValueError(
                f"task: {self.task} is not a task of the protocol ({strict}); "
                "choose one, or set mode: exploratory"
            )
        if not protocol.BUDGETS[self.budget].strict:
            strict = ", ".join(b.name for b in protocol.BUDGETS.values() if b.strict)
            raise ValueError(
                f"budget: {self.budget} is not a protocol budget ({strict}); "
                "choose one, or set mode: exploratory"
            )
        for key, allowed in strict_values(self.timescale).items():
            value = attrgetter(key)(self)
            if value not in allowed:
                raise ValueError(
                    f"{key}: {value} is fixed at {', '.join(map(str, allowed))} in strict mode; "
                    "remove it, or set mode: exploratory"
                )
        only = dataset_matrix.cell("Aa")
        if self.data.cell is None and (self.data.symbols, self.data.exogenous) != (
            only.symbols,
            only.exogenous,
        ):
            raise ValueError(
                "data.symbols and data.exogenous follow from a cell of the dataset matrix in "
                "strict mode; give data.cell instead, or set mode: exploratory"
            )

    @property
    def training_of_task(self) -> TrainingConfig:
        """`training`; of a range with the squared error, whatever `huber_delta` is."""
        if self.task != "range":
            return self.training
        return self.training.model_copy(update={"huber_delta": _SQUARED})

    @property
    def assets(self) -> tuple[str, ...]:
        """The symbols that the network tells apart, in the order of their numbers."""
        return self.data.symbols if self.model.asset_embedding else ()

    @property
    def training_seed(self) -> int:
        """Of initial weights, order and dropout: `seed`; at a forecast origin a hash of it and of
        the window, so that no two origins share the luck of a seed."""
        window = self.data.walk_forward_window
        if window is None:
            return self.seed
        return int(canonical_hash({"seed": self.seed, "walk_forward_window": window})[:8], 16)

    @property
    def hash(self) -> str:
        """SHA-256 of what decides the numbers (not name, thermal, checkpoint, tracking).

        A cell is a name for its contents: they count, it does not. Pinned bytes count as much as
        any others, in the hash of the data.
        """
        return canonical_hash(self._decisive())

    @property
    def former_hash(self) -> str:
        """What `hash` was under the names of the last release, as its run folders hold it."""
        return canonical_hash(renamed_keys.former(self._decisive()))

    def _decisive(self) -> dict[str, Any]:
        others = {"name", "thermal", "checkpoint", "tracking"}
        values = self.model_dump(mode="json", exclude=others)
        del values["data"]["cell"]
        values["data"]["artifact_sha256"] = {}
        # What came later is left out where it is not made use of: old runs keep their names.
        for name, key in _CAME_LATER:
            section = getattr(self, name)
            if getattr(section, key) == type(section).model_fields[key].default:
                del values[name][key]
        if self.data.train_fraction == 1.0 or self.data.train_blocks_seed is None:
            del values["data"]["train_blocks_seed"]
        return values

    def to_yaml(self) -> str:
        """The resolved configuration, every default written out."""
        return dump_yaml(self.model_dump(mode="json"))


def strict_values(timescale: str) -> dict[str, tuple[Any, ...]]:
    """What a key may be in strict mode; budget, task and data's contents follow other rules."""
    fixed = protocol.FIXED
    return {
        "horizon": protocol.TIMESCALES[timescale].horizons,
        "data.splits": ("protocol",),
        "data.walk_forward_window": (None,),
        "data.score_on": (protocol.SCORED_ON,),
        "data.train_symbols": (None,),
        "data.train_fraction": (1.0,),
        "data.rotate_labels_years": (0,),
        "features.source": ("indicators",),
        "model.dropout": (fixed.dropout,),
        "model.head_dropout": (fixed.head_dropout,),
        "model.context": (fixed.context,),
        "model.patch_length": (fixed.patch_length,),
        "model.stride": (fixed.stride,),
        "model.revin.enabled": (True,),
        "model.revin.statistics_to_head": (False,),
        "model.residual_of": (None,),
        "model.asset_embedding": (False,),
        "model.last_bar_to_head": (False,),
        "model.norm": ("layer",),
        "model.res_attention": (False,),
        "model.head": ("flatten",),
        "training.stop_on": ("samples",),
        "training.ema_decay": (None,),
        "training.learning_rate": (fixed.learning_rate,),
    }


def _one_of(key: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise ValueError(f"{key}: {value} is none of {', '.join(allowed)}")
