"""What every tracker is: three calls. And a run in its terms: parameters, metrics, tags, artifacts.

Trackers are given what JSONL holds (`training/log.py`), while a run works or afterwards, so the
same run reads the same in all of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from mlxts.runs import layout
from mlxts.training.events import (
    EpochEvent,
    Event,
    PauseEvent,
    ResumeEvent,
    StepEvent,
    ThermalEvent,
    ValidationEvent,
)

# Figures of run.json on the size of a run; the rest of it is an artifact.
_SIZES = (
    "n_total", "n_body", "n_embed", "n_head", "features", "micro_batch", "ranks",
    "flops_per_step", "memory_bytes", "total_steps",
)  # fmt: skip
# How a finished run is recorded where there are three words for it.
FINISHED, KILLED, FAILED = "FINISHED", "KILLED", "FAILED"


class Tracker(Protocol):
    """Follows one run: `start` once, `log` any number of times, `finish` once.

    Whatever is raised ends the tracking of that run and nothing else (`background.py`).
    """

    def start(self, metadata: dict[str, Any], config: dict[str, Any]) -> None:
        """Open the run, or the one that is there under the same run id.

        Args:
            metadata: run.json.
            config: the resolved configuration, nested, JSON types only.
        """
        ...

    def log(self, event: Event, time: float) -> None:
        """Log an event. `time`: of the event, in seconds since 1970."""
        ...

    def finish(self, summary: dict[str, Any], artifacts: list[Path]) -> None:
        """Close the run.

        Args:
            summary: summary.json of a finished run; else at least its `status` and `message`.
            artifacts: files to store with the numbers.
        """
        ...


def metrics(event: Event) -> dict[str, float]:
    """The metrics of an event under the names that trackers show; empty where it has none."""
    match event:
        case StepEvent():
            memory = {f"memory/{key}": value for key, value in event.memory.items()}
            named = {
                "train/loss": event.loss,
                "train/learning_rate": event.learning_rate,
                "train/grad_norm": event.grad_norm,
                "train/seconds": event.seconds,
                "train/samples": event.samples,
                "train/epoch": event.epoch,
                **memory,
            }
        case EpochEvent():
            named = {"epoch/train_loss": event.train_loss, "epoch/seconds": event.seconds}
        case ValidationEvent():
            low, high = event.prediction_range
            named = {
                "validation/loss": event.loss,
                "validation/best": event.best,
                "validation/prediction_min": low,
                "validation/prediction_max": high,
            }
        case ThermalEvent():
            named = {
                "thermal/temperature": event.temperature,
                "thermal/cpu": event.cpu,
                "thermal/gpu": event.gpu,
                "thermal/hottest": event.hottest,
            }
        case PauseEvent():
            named = {"thermal/paused": 1}
        case ResumeEvent():
            named = {"thermal/paused": 0, "thermal/pause_seconds": event.seconds}
        case _:
            named = {}
    return {key: float(value) for key, value in named.items() if value is not None}


def scores(summary: dict[str, Any]) -> dict[str, float]:
    """Every figure of a summary that is one number: `score/validation/patchtst/auc`, say."""
    others = {key: value for key, value in summary.items() if key != "scores"}
    named = {
        f"score/{key}": value for key, value in flatten(summary.get("scores", {}), "/").items()
    }
    named |= {f"summary/{key}": value for key, value in flatten(others, "/").items()}
    return {
        key: float(value)
        for key, value in named.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def parameters(metadata: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """A run's settings by dotted keys, and its sizes; tracking itself is no setting of a run."""
    settings = {key: value for key, value in config.items() if key not in ("tracking", "search")}
    sizes = {f"run.{key}": metadata[key] for key in _SIZES if key in metadata}
    return flatten(settings, ".") | sizes


def tags(metadata: dict[str, Any], config: dict[str, Any]) -> dict[str, str]:
    """What a run is found by."""
    named = {
        "run_id": metadata["run_id"],
        **{key: config.get(key) for key in ("mode", "budget", "task", "timescale", "seed")},
        **{
            key: metadata.get(key) for key in ("splits", "config_hash", "data_hash", "code_version")
        },
        "git_commit": metadata.get("git_commit"),
        "device": metadata.get("machine", {}).get("device"),
        "sensor": metadata.get("sensor", {}).get("source"),
    }
    return {f"mlxts.{key}": str(value) for key, value in named.items() if value is not None}


def exit_status(status: str) -> str:
    """FINISHED, KILLED (it can go on) or FAILED."""
    if status in ("finished", "early_stop"):
        return FINISHED
    return FAILED if status in ("failed", "diverged") else KILLED


def artifacts(folder: Path) -> list[Path]:
    """The artifacts that a run folder holds by now."""
    return [path for name in layout.ARTIFACTS if (path := folder / name).is_file()]


def flatten(values: Mapping[str, Any], separator: str, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined; lists and empty mappings stay values."""
    flattened: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{separator}{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            flattened |= flatten(value, separator, name)
        else:
            flattened[name] = value
    return flattened
