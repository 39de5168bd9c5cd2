"""mlxts: do neural scaling laws hold for transformers on financial time series?

    import mlxts

    run = mlxts.train({"budget": "0.2M", "task": "threshold_1pct"}, data=bars)
    run.scores, run.verdict, run.predictions("validation"), run.model()
    mlxts.compare(run, f"{run.id}:linear")
    table = mlxts.features.build(bars, tier=50)
    model = mlxts.PatchTST(mlxts.parameter_budget.solve("2M", features=20))

Import it before `mlx`: it loads a fast BLAS in front of MLX on Linux. The names below are loaded
when they are first used, so that `import mlxts` takes a moment and no more.
"""

from mlxts import interrupt

interrupt.end_at_once()

from importlib import import_module  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from mlxts.platform import blas  # noqa: E402

if TYPE_CHECKING:
    from mlxts import features
    from mlxts.api.comparison import compare
    from mlxts.api.estimator import PatchTSTClassifier
    from mlxts.api.results import evaluate, forecast, list_runs
    from mlxts.api.saved_run import Run, load_predictions, load_run
    from mlxts.api.training import sweep, train
    from mlxts.errors import MlxtsError
    from mlxts.interop.imported_models import load_model
    from mlxts.model import parameter_budget
    from mlxts.model.patchtst import PatchTST, Shape

    __version__: str

__all__ = [
    "MlxtsError",
    "PatchTST",
    "PatchTSTClassifier",
    "Run",
    "Shape",
    "__version__",
    "compare",
    "evaluate",
    "features",
    "forecast",
    "list_runs",
    "load_model",
    "load_predictions",
    "load_run",
    "parameter_budget",
    "sweep",
    "train",
]

_HOMES = {
    "MlxtsError": "mlxts.errors",
    "PatchTST": "mlxts.model.patchtst",
    "PatchTSTClassifier": "mlxts.api.estimator",
    "Run": "mlxts.api.saved_run",
    "Shape": "mlxts.model.patchtst",
    "compare": "mlxts.api.comparison",
    "evaluate": "mlxts.api.results",
    "forecast": "mlxts.api.results",
    "list_runs": "mlxts.api.results",
    "load_model": "mlxts.interop.imported_models",
    "load_predictions": "mlxts.api.saved_run",
    "load_run": "mlxts.api.saved_run",
    "sweep": "mlxts.api.training",
    "train": "mlxts.api.training",
}
_MODULES = {"features": "mlxts.features", "parameter_budget": "mlxts.model.parameter_budget"}

blas.load()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = import_module("importlib.metadata").version("mlxts")
    elif name in _MODULES:
        value = import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
