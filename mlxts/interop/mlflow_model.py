"""A run as a model of MLflow (flavour pyfunc), with all that it forecasts from.

The model's folder holds a small workspace: the run and the bars that it was trained on. It needs
mlxts and nothing else of the machine that trained it.

    model = mlflow.pyfunc.load_model("outputs/exports/RUN-mlflow")
    model.predict(bars)          # the forecast that `mlxts predict RUN` makes of the same bars
"""

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlxts
from mlxts import files
from mlxts.api.saved_run import Run
from mlxts.data import store
from mlxts.errors import InteropError
from mlxts.runs import layout

if TYPE_CHECKING:
    import pandas as pd

_MANIFEST = "data/raw/manifest.json"
_RUNS = "outputs/runs"
_LEFT_OUT = ("last*", "*.previous", layout.LOCK, layout.METRICS, layout.EVENTS, layout.PICTURE)
_LOCK = threading.Lock()  # MLXTS_HOME belongs to the whole process


def write(run: Run, target: Path) -> Path:
    """Write the model's folder.

    Raises:
        InteropError: mlflow is not installed, or the folder exists.
        IntegrityError: the run's data are gone or were changed.
        StorageError: the disk is full or the target cannot be written.
    """
    try:
        import mlflow.pyfunc
    except ImportError as error:
        raise InteropError(
            "a model of MLflow needs mlflow: pip install 'mlxts[tracking]'"
        ) from error
    if target.exists():
        raise InteropError(f"{target} exists; delete it, or name another folder with --output")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as temporary:
        workspace, model = (Path(temporary) / name for name in ("workspace", "model"))
        _workspace(run, workspace)
        mlflow.pyfunc.save_model(
            str(model),
            loader_module=__name__,
            data_path=str(workspace),
            pip_requirements=[f"mlxts=={version('mlxts')}"],
            metadata={"run_id": run.id, "task": run.config.task},
        )
        model.rename(target)
    return target


def _workspace(run: Run, folder: Path) -> None:
    """The run, its data, and a manifest of these alone."""
    shutil.copytree(run.folder, folder / _RUNS / run.id, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    wanted = {artifact["sha256"] for artifact in run.record["artifacts"]}
    artifacts = [artifact for artifact in store.raw_artifacts() if artifact.sha256 in wanted]
    for artifact in artifacts:
        (folder / artifact.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.file, folder / artifact.path)
    entries = [artifact.to_dict() for artifact in artifacts]
    files.write_json(folder / _MANIFEST, {"format": 1, "artifacts": entries})


def _load_pyfunc(path: str) -> "Forecaster":
    """What MLflow calls for a model of this loader module."""
    return Forecaster(Path(path))


class Forecaster:
    """The run of a model's folder."""

    def __init__(self, workspace: Path):
        """`workspace`: as MLflow keeps it; it is copied, as features are stored there."""
        self._home = Path(tempfile.mkdtemp(prefix="mlxts-"))
        weakref.finalize(self, shutil.rmtree, self._home, ignore_errors=True)
        shutil.copytree(workspace, self._home, dirs_exist_ok=True)
        (self._run,) = (self._home / _RUNS).iterdir()

    def predict(self, frame: Any, params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """The forecast at the latest of these bars, in one row.

        Args:
            frame: bars of the symbols that the run reads, as for `mlxts.forecast`.
            params: of MLflow; there are none.

        Returns:
            The columns of `mlxts.forecast`.

        Raises:
            DataError: see `mlxts.forecast`.
        """
        import pandas as pd

        with _at_home(self._home):
            return pd.DataFrame([mlxts.forecast(self._run, frame)])


@contextmanager
def _at_home(folder: Path) -> Generator[None]:
    """With `folder` as the workspace, one call at a time."""
    with _LOCK:
        before = os.environ.get("MLXTS_HOME")
        os.environ["MLXTS_HOME"] = str(folder)
        try:
            yield
        finally:
            if before is None:
                del os.environ["MLXTS_HOME"]
            else:
                os.environ["MLXTS_HOME"] = before
