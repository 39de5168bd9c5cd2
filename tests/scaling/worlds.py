"""Run folders with planted predictions over simulated bars: no training, real everything else."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from mlxts import files, predict
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.model import parameter_budget
from mlxts.runs import layout, predictions, references
from mlxts.runs.references import Reference
from tests import homes

BUDGETS = ("0.02M", "0.06M", "0.2M", "0.6M")


def run_folder(
    data: Dataset,
    configuration: ExperimentConfig,
    blur: float,
    *,
    splits: tuple[str, ...] = ("train", "validation"),
    step_time_drift: bool = False,
    started: str = "2026-01-01T00:00:00+00:00",
) -> Path:
    """A finished run whose logits are HAR's with noise of deviation `blur`."""
    rng = np.random.default_rng([configuration.seed, int(1e6 * blur)])
    others, chosen = _references(data, splits)
    har = pl.concat(_har(others, str(s)) for s in set(data.daily["symbol"]))
    har = har.with_columns(model=pl.lit(predictions.NETWORK)).sort("split", "date", "symbol")
    said = har.with_columns(pl.col("logit") + blur * rng.normal(size=har.height))
    shape = parameter_budget.solve(configuration.budget, len(data.names), configuration.model)
    run_id = f"{configuration.budget}-h{data.horizon}-s{configuration.seed}-{started[:4]}"
    run_id += configuration.hash[:6]
    folder = files.runs_folder() / run_id
    counts = {name: len(samples) for name, samples in data.samples.items()}
    record = {
        "run_id": run_id,
        **parameter_budget.table(shape),
        "samples": counts,
        "features": len(data.names),
        "flops_per_step": 1e6,
        "total_steps": 100,
        "config": configuration.model_dump(mode="json"),
        "data_hash": data.data_hash,
        "shape": shape.to_dict(),
        "artifacts": [artifact.to_dict() for artifact in data.artifacts],
        "started": started,
    }
    summary = {"status": "finished", "steps": 50, "best_step": 10, "train_seconds": 3.0}
    files.write_json(folder / "run.json", record)
    files.write_json(
        folder / "summary.json", summary | {"thermal": {"step_time_drift": step_time_drift}}
    )
    files.write_text(folder / "config.yaml", configuration.to_yaml())
    references.write(folder / layout.REFERENCES, chosen)
    predictions.write(folder / layout.PREDICTIONS, pl.concat([said, others]))
    return folder


_FITTED: dict[tuple, tuple[pl.DataFrame, dict[str, Reference]]] = {}


def _references(data: Dataset, splits: tuple[str, ...]):
    """Once for all runs on the same samples."""
    train = data.samples["train"]
    key = (data.data_hash, data.task.name, data.horizon, data.timescale.name, splits, len(train))
    key += (data.walk_forward_window, data.score_on, train.dates.tobytes())
    if key not in _FITTED:
        _FITTED[key] = predict.predict_references(data, splits)
    return _FITTED[key]


def _har(others: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """HAR's predictions of an asset; of one that has too few days for it those of its base rate."""
    own = others.filter(symbol=symbol)
    har = own.filter(model="har")
    return har if har.height else own.filter(model=predictions.BASE_RATE)


def ladder(
    blurs: dict[str, float], *, seeds: int = 2, overrides: dict | None = None, **changes
) -> list[Path]:
    """Runs of several budgets and seeds in the current workspace."""
    settings = homes.SETTINGS | (overrides or {})
    data = build_dataset(build_config(settings))
    return [
        run_folder(data, build_config(settings | {"budget": name, "seed": seed}), blur, **changes)
        for name, blur in blurs.items()
        for seed in range(seeds)
    ]


def change(folder: Path, name: str, **values) -> None:
    """Overwrite keys of a run's JSON file."""
    path = folder / name
    files.write_json(path, json.loads(path.read_text()) | values)
