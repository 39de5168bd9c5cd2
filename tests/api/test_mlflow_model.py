"""A run that MLflow serves forecasts as the run does, without the workspace of its training."""

from pathlib import Path

import pandas as pd
import pytest

import mlxts
from mlxts.errors import InteropError
from mlxts.interop import mlflow_model
from tests.api.conftest import frame

pyfunc = pytest.importorskip("mlflow.pyfunc")


def test_a_served_run_forecasts_what_the_run_does_and_needs_nothing_else(
    run: mlxts.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = frame().iloc[:-5]
    expected = mlxts.forecast(run, bars)
    target = mlflow_model.write(run, tmp_path / "model")
    with pytest.raises(InteropError, match="exists"):
        mlflow_model.write(run, target)
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("MLXTS_HOME", str(elsewhere))
    served = pyfunc.load_model(str(target)).predict(bars)
    assert isinstance(served, pd.DataFrame)
    assert served.to_dict("records") == [expected]
    assert not elsewhere.exists()
    assert not list(target.rglob("last"))
    assert not list(target.rglob("metrics.jsonl"))
