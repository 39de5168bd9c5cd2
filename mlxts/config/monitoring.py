"""`thermal`, `checkpoint`, `tracking`: settings that change no number of a run."""

from typing import Annotated, Literal

from pydantic import Field

from mlxts.config.validation import ConfigSection


class ThermalConfig(ConfigSection):
    """Which sensor rules, and what happens when there is none."""

    sensor: str = Field(
        "auto", description="auto, off, a sensor's name (`mlxts thermal` lists them), scripted:FILE"
    )
    on_unavailable: Literal["warn", "stop"] = Field(
        "warn", description="where no temperature can be read: go on with a notice, or stop"
    )
    pause: bool = Field(False, description="at a warning, wait until it has cooled down")
    poll_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        1.0, description="seconds between two readings"
    )


class CheckpointConfig(ConfigSection):
    """How often the run can be resumed from. Has no influence on any number."""

    every_seconds: Annotated[float, Field(ge=0)] = Field(
        30.0, description="seconds between checkpoints, at least; 0: at every validation"
    )


class TrackingConfig(ConfigSection):
    """Which trackers follow the run, besides its own record. Has no influence on any number."""

    trackers: tuple[Literal["mlflow", "wandb"], ...] = Field(
        (), strict=False, description="that follow the run, besides its own record"
    )
    project: str = Field("mlxts", min_length=1, description="under which they file it")
