"""The trackers by name; a library is imported when one of its runs begins."""

import importlib.util
from pathlib import Path

from mlxts import files
from mlxts.errors import TrackingError
from mlxts.tracking.base import Tracker

INSTALL = 'pip install "mlxts[tracking]"'
# What shows a tracker's runs, typed in its folder.
VIEW = {
    "mlflow": "`mlflow ui --backend-store-uri sqlite:///mlflow.db`",
    "wandb": "`wandb sync wandb/offline-run-*`",
}


def make(name: str, project: str) -> Tracker:
    """A tracker that keeps everything under outputs/tracking.

    Raises:
        TrackingError: its library is not installed, or cannot open its store.
    """
    if importlib.util.find_spec(name) is None:
        raise TrackingError(f"{name} is not installed; {INSTALL}")
    folder().mkdir(parents=True, exist_ok=True)
    try:
        return _opened(name, project)
    except Exception as error:  # each library has errors of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TrackingError(
            f"{name} cannot keep anything in {folder()}: {reason[:200]}; free some disk space, or "
            "move that folder away"
        ) from error


def _opened(name: str, project: str) -> Tracker:
    if name == "mlflow":
        from mlxts.tracking.mlflow import MLflowTracker

        return MLflowTracker(folder(), project)
    from mlxts.tracking.wandb import WandbTracker

    return WandbTracker(folder(), project)


def folder() -> Path:
    """The trackers' folder, absolute: their stores remember it."""
    return (files.outputs_folder() / "tracking").resolve()
