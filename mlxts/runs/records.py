"""The shapes of run.json and summary.json: keys and types that readers rely on."""

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from mlxts import split_borders, tasks
from mlxts.errors import ConfigError
from mlxts.json_files import Shape
from mlxts.protocol import TIMESCALES


def _one_of(names: Collection[str], kind: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"{name} is no {kind}; they are {', '.join(names)}")
        return name

    return AfterValidator(check)


def _splits(name: str) -> str:
    try:
        return name and split_borders.name_of(name)
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _task(name: str) -> str:
    try:
        return tasks.named(name).name
    except ConfigError as error:
        raise ValueError(str(error)) from error


Count = Annotated[int, Field(ge=0)]
Ends = tuple[float | None, float | None] | None  # of an interval; null: not finite


class _Data(Shape):
    symbols: tuple[str, ...] = ()
    exogenous: tuple[str, ...] = ()
    cell: str | None = None
    score_on: str = ""
    splits: Annotated[str, AfterValidator(_splits)] = ""
    walk_forward_window: Annotated[int, Field(gt=0)] | None = None
    train_symbols: tuple[str, ...] | None = None
    train_fraction: float = 1.0
    train_blocks_seed: int | None = None


class _Features(Shape):
    tier: int = 0


class _Model(Shape):
    context: int = 0


class _Training(Shape):
    max_epochs: Annotated[int, Field(gt=0)] = 1


class _Tracking(Shape):
    project: str = ""


class _Settings(Shape):
    name: str
    mode: str
    budget: str
    task: Annotated[str, AfterValidator(_task)]
    horizon: int
    seed: int
    timescale: Annotated[str, _one_of(TIMESCALES, "timescale")] = ""
    data: _Data = _Data()
    features: _Features = _Features()
    model: _Model = _Model()
    training: _Training = _Training()
    tracking: _Tracking = _Tracking()


class _Artifact(Shape):
    symbol: str
    sha256: str
    source: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class _Sensor(Shape):
    source: str | None = None


class _LaterSensor(_Sensor):
    from_step: int


class _Machine(Shape):
    device: str = ""
    device_name: str = ""
    platform: str = ""
    python: str = ""
    mlx: str = ""
    blas: str = ""
    kernels: str = ""
    tf32: str = ""
    pages: str = ""
    threads: Count | None = None
    memory_bytes: Count = 0


class Metadata(Shape):
    """run.json, written before the first step."""

    run_id: str
    config: _Settings
    config_hash: str = ""
    data_hash: str = ""
    code_version: str = ""
    git_commit: str | None = None
    splits: str = ""
    samples: dict[str, Count] = Field(default_factory=dict)
    canonical_samples: dict[str, Count] = Field(default_factory=dict)
    coverage: dict[str, float] = Field(default_factory=dict)
    features: Count = 0
    micro_batch: Annotated[int, Field(gt=0)] = 1
    flops_per_step: float = 0.0
    total_steps: Annotated[int, Field(gt=0)] = 1
    n_body: Count = 0
    n_head: Count = 0
    n_total: Count = 0
    artifacts: tuple[_Artifact, ...] = ()
    shape: dict[str, Any] = Field(default_factory=dict)
    machine: _Machine = _Machine()
    versions: dict[str, str] = Field(default_factory=dict)
    sensor: _Sensor = _Sensor()
    later_sensors: tuple[_LaterSensor, ...] = ()
    started: str = ""


class _Figures(Shape):
    """What a model reached on a split; null where it is not known."""

    n: Count | None = None
    n_pos: Count | None = None
    collapsed: bool = False
    not_estimable: str | None = None
    verdict: str | None = None
    reference: str | None = None  # of before there was a linear one: HAR
    prediction_range: tuple[float, float] = (0.0, 0.0)
    log_loss_prior: float | None = None
    base_rate: float | None = None
    n_eff: float | None = None
    auc: float | None = None
    log_loss: float | None = None
    average_precision: float | None = None
    brier: float | None = None
    ece: float | None = None
    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    log_loss_difference: float | None = None
    log_loss_skill: float | None = None
    log_loss_skill_har: float | None = None
    excess_log_loss: float | None = None
    rmse: float | None = None
    mse: float | None = None
    mae: float | None = None
    r2: float | None = None
    rmse_difference: float | None = None
    mse_skill: float | None = None
    mse_skill_har: float | None = None
    qlike: float | None = None
    qlike_difference: float | None = None
    qlike_skill: float | None = None
    qlike_skill_har: float | None = None
    directional_accuracy: float | None = None
    coverage: float | None = None
    width: float | None = None
    interval: dict[str, Ends] = Field(default_factory=dict)


class _Thermal(Shape):
    source: str | None = None
    readings: Count = 0
    readings_in_band: dict[str, Count] = Field(default_factory=dict)
    highest: float | None = None
    hottest: float | None = None
    paused_seconds: float = 0.0
    step_time_drift: bool = False
    step_time_drift_reason: str | None = None
    step_time_ratio: float | None = None


class Summary(Shape):
    """summary.json, written when training has ended."""

    run_id: str = ""
    status: str = ""
    message: str = ""
    steps: Count = 0
    best_step: int = 0
    best_loss: float | None = None
    collapsed: bool = False
    train_seconds: float | None = None
    samples_per_second: float | None = None
    thermal: _Thermal = _Thermal()
    scores: dict[str, dict[str, _Figures]] = Field(default_factory=dict)
    verdict: str = ""
