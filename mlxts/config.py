"""ExperimentConfig: YAML in, frozen and validated, with a canonical hash.

A *strict* configuration picks only from `protocol.py`; an *exploratory* one may say anything,
and everything it reaches is marked so. Unknown keys and wrong types are errors that name the key.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mlxts import dataset_matrix, files, protocol
from mlxts.errors import ConfigError
from mlxts.files import canonical_hash
from mlxts.validation import Fraction, Name, NotNegative, Positive, Section, first_problem
from mlxts.yamltext import YamlError, dump_yaml, overridden, parse_yaml
from mlxts.yamltext import parse_override as parse_override

Mode = Literal["strict", "exploratory"]
Precision = Literal["float32", "bfloat16"]
_CAME_LATER = (
    ("data", "exogenous"), ("data", "train_fraction"), ("data", "label_shift_years"),
    ("data", "origin"),
    ("features", "source"), ("model", "offset"), ("model", "norm"), ("model", "res_attention"),
    ("model", "head"), ("training", "precision"), ("training", "gradient_checkpointing"),
)  # fmt: skip


class DataConfig(Section):
    """Which bars are read, and where the splits lie."""

    source: Literal["auto", "yahoo", "files", "sample", "simulated"] = Field(
        "auto", description="`auto`: the newest registered artifact from yahoo or files"
    )
    cell: Name | None = Field(
        None, description="of the dataset matrix, e.g. Cb; decides symbols and exogenous"
    )
    symbols: tuple[Name, ...] = Field(
        ("SPY",), min_length=1, strict=False, description="pooled as one data set"
    )
    exogenous: tuple[Name, ...] = Field(
        (), strict=False, description="series joined to every symbol as of their release"
    )
    score_on: Name = Field(protocol.SCORED_ON, description="the symbol whose rows are scored")
    splits: Literal["protocol", "sample"] = Field("protocol", description="which split dates hold")
    origin: Annotated[int, Field(gt=0, le=100)] | None = Field(
        None, description="walk-forward: score the validation years (1) or so many windows before"
    )
    train_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="of the dates to train on; smaller ones lie inside larger ones"
    )
    train_blocks_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = Field(
        None, description="None: the latest dates; else blocks of dates, drawn with this seed"
    )
    label_shift_years: NotNegative = Field(
        0, description="a null control: labels of so many years later, rotated within a split"
    )
    pinned: dict[str, str] = Field(
        default_factory=dict, description="symbol -> sha256 of the artifact that must be used"
    )

    @model_validator(mode="before")
    @classmethod
    def _contents_from_cell(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("cell"), str):
            return values
        named = {key: values[key] for key in ("symbols", "exogenous") if key in values}
        if not all(isinstance(value, list | tuple) for value in named.values()):
            return values  # refused below, by its type
        try:
            cell = dataset_matrix.cell(values["cell"])
        except ConfigError as error:
            raise ValueError(f"cell: {error}") from error
        contents = {"symbols": cell.symbols, "exogenous": cell.exogenous}
        for key, members in contents.items():
            default = cls.model_fields[key].default
            if tuple(named.get(key, default)) not in (default, members):
                raise ValueError(
                    f"{key}: cell {cell.name} holds {', '.join(members) or 'none'}; leave {key} "
                    "out, or leave cell out"
                )
        return {**values, **contents}

    @model_validator(mode="after")
    def _scores_what_it_reads(self) -> Self:
        if self.score_on not in self.symbols:
            raise ValueError(f"score_on: {self.score_on} is not among symbols; add it there")
        for key, names in (("symbols", self.symbols), ("exogenous", self.exogenous)):
            if len(set(names)) != len(names):
                raise ValueError(f"{key}: one is named twice")
        return self

    @property
    def title(self) -> str:
        """What is read, in a few words: the cell, or else its contents."""
        return self.cell or ", ".join((*self.symbols, *self.exogenous))


class FeaturesConfig(Section):
    """Which inputs the model reads."""

    source: Literal["indicators", "planted"] = Field(
        "indicators", description="`planted`: those that a simulated market shows beside its bars"
    )
    tier: int = Field(20, description="how many relational features, nested tiers")

    @model_validator(mode="after")
    def _is_a_tier(self) -> Self:
        if self.tier not in protocol.TIERS:
            raise ValueError(f"tier: {self.tier} is none of {', '.join(map(str, protocol.TIERS))}")
        return self


class RevINConfig(Section):
    """Reversible instance normalisation (Kim et al. 2022)."""

    enabled: bool = True
    affine: bool = Field(False, description="learn a scale and a shift per channel")
    subtract_last: bool = Field(False, description="centre on the last bar, not on the mean")
    statistics_to_head: bool = Field(
        False, description="give the head the window's location and log scale"
    )


class ModelConfig(Section):
    """PatchTST. Widths are solved from the budget; depth, heads and ffn_ratio may be fixed."""

    channels: Literal["mixing", "independent"] = "mixing"
    context: Positive = Field(protocol.FIXED.context, description="bars")
    patch_length: Positive = Field(protocol.FIXED.patch_length, description="bars")
    stride: Positive = Field(protocol.FIXED.stride, description="bars")
    dropout: Fraction = protocol.FIXED.dropout
    head_dropout: Fraction = protocol.FIXED.head_dropout
    depth: Positive | None = Field(None, description="encoder layers; None: solved")
    heads: Positive | None = Field(None, description="attention heads; None: solved")
    ffn_ratio: Annotated[float, Field(gt=0)] = Field(4.0, description="hidden / model width")
    revin: RevINConfig = RevINConfig()
    offset: Literal["har"] | None = Field(
        None, description="learn what is left after a forecast that is fitted first: har"
    )

    norm: Literal["layer", "batch"] = Field("layer", description="of the encoder's tokens")
    res_attention: bool = Field(False, description="scores start from those a layer before")
    head: Literal["flatten", "mean", "max"] = Field(
        "flatten", description="mean, max: over patches, with no closing norm (as transformers)"
    )

    @model_validator(mode="after")
    def _patch_fits(self) -> Self:
        if self.patch_length > self.context:
            raise ValueError(
                f"patch_length: {self.patch_length} is longer than context {self.context}"
            )
        return self


class TrainingConfig(Section):
    """The optimizer and the loop."""

    learning_rate: Annotated[float, Field(gt=0)] = protocol.FIXED.learning_rate
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    clip_norm: Annotated[float, Field(gt=0)] = Field(1.0, description="global gradient norm")
    warmup_steps: NotNegative = Field(0, description="linear, optimizer steps")
    batch_size: Positive = Field(64, description="samples an optimizer step")
    micro_batch: Positive | None = Field(
        None, description="samples a forward pass; None: from the tuning record, else batch_size"
    )
    precision: Precision = Field(
        "float32", description="bfloat16: for speed on Metal and CUDA; on a CPU it is slower"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute encoder layers twice, to need less memory"
    )
    max_epochs: Positive = 20
    validations_per_epoch: Positive = Field(4, description="early stopping looks this often")
    patience: Positive = Field(12, description="validations without improvement before stopping")
    min_delta: Annotated[float, Field(ge=0)] = Field(0.0, description="nats")
    huber_delta: Annotated[float, Field(gt=0)] = Field(
        1.0, description="regression loss, in units of the training targets' deviation"
    )

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> Self:
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ValueError(
                f"micro_batch: {self.micro_batch} does not divide batch_size {self.batch_size}"
            )
        return self


class ThermalConfig(Section):
    """Which sensor rules, and what happens when there is none."""

    sensor: str = Field(
        "auto", description="auto, off, a sensor's name (`mlxts thermal` lists them), scripted:FILE"
    )
    on_unavailable: Literal["warn", "stop"] = "warn"
    pause: bool = Field(False, description="at a warning, wait until it has cooled down")
    poll_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        1.0, description="between two readings"
    )


class CheckpointConfig(Section):
    """How often the run can be resumed from. Has no influence on any number."""

    every_seconds: Annotated[float, Field(ge=0)] = Field(
        30.0, description="at least this long between checkpoints; 0: at every validation"
    )


class TrackingConfig(Section):
    """Which trackers follow the run, besides its own record. Has no influence on any number."""

    to: tuple[Literal["mlflow", "wandb"], ...] = Field((), strict=False)
    project: str = Field("mlxts", min_length=1, description="under which they file it")


class ExperimentConfig(Section):
    """One experiment: everything that decides its numbers, and nothing that does not."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")
    mode: Mode = "strict"
    budget: Name = "2M"
    task: Name = "threshold_1pct"
    timescale: Name = "daily"
    horizon: Positive | None = Field(None, description="trading days; None: the timescale's own")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataConfig = DataConfig()
    features: FeaturesConfig = FeaturesConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    thermal: ThermalConfig = ThermalConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    tracking: TrackingConfig = TrackingConfig()
    search: dict[str, Any] | None = Field(
        None, exclude=True, description="what `mlxts hpo` varies; a single run does not read it"
    )

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
        _one_of("task", self.task, protocol.TASKS)
        _one_of("timescale", self.timescale, protocol.TIMESCALES)
        _one_of("budget", self.budget, protocol.BUDGETS)
        planted = self.features.source == "planted"
        if planted and (self.timescale != "daily" or self.data.exogenous):
            raise ValueError(
                "features.source: planted features need timescale: daily and no data.exogenous"
            )
        if self.model.norm == "batch" and self.training.gradient_checkpointing:
            raise ValueError(
                "training.gradient_checkpointing: cannot go with model.norm: batch; leave one out"
            )
        if self.mode == "strict":
            self._is_strict()
        return self

    def _is_strict(self) -> None:
        fixed, scale = protocol.FIXED, protocol.TIMESCALES[self.timescale]
        if not protocol.BUDGETS[self.budget].strict:
            strict = ", ".join(b.name for b in protocol.BUDGETS.values() if b.strict)
            raise ValueError(
                f"budget: {self.budget} is not a protocol budget ({strict}); "
                "choose one, or set mode: exploratory"
            )
        stated = {
            "horizon": (self.horizon, scale.horizons),
            "data.splits": (self.data.splits, ("protocol",)),
            "data.origin": (self.data.origin, (None,)),
            "data.score_on": (self.data.score_on, (protocol.SCORED_ON,)),
            "data.train_fraction": (self.data.train_fraction, (1.0,)),
            "data.label_shift_years": (self.data.label_shift_years, (0,)),
            "features.source": (self.features.source, ("indicators",)),
            "model.dropout": (self.model.dropout, (fixed.dropout,)),
            "model.head_dropout": (self.model.head_dropout, (fixed.head_dropout,)),
            "model.context": (self.model.context, (fixed.context,)),
            "model.patch_length": (self.model.patch_length, (fixed.patch_length,)),
            "model.stride": (self.model.stride, (fixed.stride,)),
            "model.revin.enabled": (self.model.revin.enabled, (True,)),
            "model.revin.statistics_to_head": (self.model.revin.statistics_to_head, (False,)),
            "model.offset": (self.model.offset, (None,)),
            "model.norm": (self.model.norm, ("layer",)),
            "model.res_attention": (self.model.res_attention, (False,)),
            "model.head": (self.model.head, ("flatten",)),
            "training.learning_rate": (self.training.learning_rate, (fixed.learning_rate,)),
        }
        for key, (value, allowed) in stated.items():
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
    def hash(self) -> str:
        """SHA-256 of what decides the numbers (name, heat, checkpoints, trackers do not).

        A cell is a name for its contents: they count, it does not. Pinned bytes count as much as
        any others, in the hash of the data.
        """
        others = {"name", "thermal", "checkpoint", "tracking"}
        values = self.model_dump(mode="json", exclude=others)
        del values["data"]["cell"]
        values["data"]["pinned"] = {}
        # What came later is left out where it is not made use of: old runs keep their names.
        for name, key in _CAME_LATER:
            section = getattr(self, name)
            if getattr(section, key) == type(section).model_fields[key].default:
                del values[name][key]
        if self.data.train_fraction == 1.0 or self.data.train_blocks_seed is None:
            del values["data"]["train_blocks_seed"]
        return canonical_hash(values)

    def to_yaml(self) -> str:
        """The resolved configuration, every default written out."""
        return dump_yaml(self.model_dump(mode="json"))


def _one_of(key: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise ValueError(f"{key}: {value} is none of {', '.join(allowed)}")


def load(path: Path, overrides: dict[str, Any] | None = None) -> ExperimentConfig:
    """Read a configuration file and apply overrides (`{"model.depth": 6}`).

    Raises:
        ConfigError: no such file, not YAML, an unknown key, a wrong type, or not allowed in strict
            mode.
    """
    values = read_mapping(path)
    values.setdefault("name", path.stem)
    return build(overridden(values, overrides or {}), origin=str(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping. Raises ConfigError."""
    try:
        values = parse_yaml(files.read_text(path))
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration at {path}; see configs/ for some") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {files.reason(error)}") from error
    except YamlError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no mapping; start it with `name: ...`")
    return values


def build(values: dict[str, Any], *, origin: str = "configuration") -> ExperimentConfig:
    """Validate a mapping. Raises ConfigError with the first offending key."""
    try:
        return ExperimentConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {first_problem(error)}") from error
