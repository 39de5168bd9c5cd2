"""A run, or an imported model, as files that other libraries read."""

import json
from pathlib import Path
from typing import Any, Literal, get_args

import mlx.core as mx
import numpy as np

from mlxts import files, predict, transfer
from mlxts.api.saved_run import Run, load_run
from mlxts.data.sources.parquet import encoded
from mlxts.errors import InteropError
from mlxts.interop import counterpart, huggingface, imported_models
from mlxts.model.patchtst import PatchTST, flat_arrays
from mlxts.runs.predictions import NETWORK
from mlxts.training import checkpoint
from mlxts.training import run as training

Format = Literal[
    "huggingface", "onnx", "safetensors", "npz", "parquet", "csv", "duckdb", "mlflow-model"
]
FORMATS: tuple[Format, ...] = get_args(Format)
INPUTS = "mlxts.json"  # next to a Hugging Face model: its channels and outputs


def export(name: str, to: Format, target: Path | None = None) -> Path:
    """Write a run, or an imported model, in another library's form.

    Args:
        name: a run (its id, the beginning of one, its folder), or an imported model's name.
        to: huggingface (a folder for `from_pretrained`), onnx (a graph with the best weights),
            safetensors or npz (the best weights under our names), parquet, csv or duckdb (the
            predictions; those of all models into the table `predictions` of a DuckDB file),
            mlflow-model (a folder for `mlflow.pyfunc.load_model`).
        target: the folder or file to write; None: under outputs/exports.

    Returns:
        What was written.

    Raises:
        InteropError: the model has no counterpart there, or a package is not installed.
        RunError, CheckpointError, DataError: the run, its weights, data or predictions are gone.
        StorageError: the disk is full or the target cannot be written.
    """
    imported_model = imported_models.find(name)
    if imported_model is not None:
        return _export_imported(imported_model, to, target)
    run = load_run(name)
    match to:
        case "huggingface":
            return _huggingface(run, target or _default_path(f"{run.id}-huggingface"))
        case "onnx":
            return _onnx(run, target or _default_path(f"{run.id}.onnx"))
        case "duckdb":
            from mlxts.interop import duckdb_file

            path = target or _default_path("mlxts.duckdb")
            table = predict.read_or_predict(run.folder)
            return duckdb_file.replace_predictions(path, run.id, table)
        case "mlflow-model":
            from mlxts.interop import mlflow_model

            return mlflow_model.write(run, target or _default_path(f"{run.id}-mlflow"))
        case "safetensors" | "npz":
            arrays = flat_arrays(run.model().parameters())
            return _weights(arrays, describe(run), to, target or _default_path(f"{run.id}.{to}"))
        case "parquet" | "csv":
            return _predictions(run, to, target or _default_path(f"{run.id}-predictions.{to}"))


def describe(run: Run) -> dict[str, str]:
    """What travels with the weights: text under text, as the format wants it."""
    description = {"run_id": run.id, "task": run.config.task, "horizon": str(run.config.horizon)}
    return {**description, "shape": json.dumps(run.shape.to_dict()), "format": "mlx"}


def _export_imported(folder: Path, to: Format, target: Path | None) -> Path:
    model = imported_models.load(folder)
    if to == "huggingface":
        return huggingface.write(target or _default_path(f"{folder.name}-huggingface"), model)
    if to not in ("safetensors", "npz"):
        raise InteropError(
            f"{folder.name} was imported and has predicted nothing; "
            "choose huggingface, safetensors or npz"
        )
    arrays = {name: mx.array(value) for name, value in model.arrays.items()}
    description = {"shape": json.dumps(model.shape.to_dict()), "format": "mlx"}
    return _weights(arrays, description, to, target or _default_path(f"{folder.name}.{to}"))


def _huggingface(run: Run, folder: Path) -> Path:
    counterpart.require(run.shape, offset=run.config.model.residual_of is not None)
    trained = training.load(run.folder)
    data, task = trained.plan.dataset, trained.plan.dataset.task
    settings = counterpart.training_settings(run.shape)
    outputs = f"regression_outputs[:, 0]: the {task.unit}"
    if trained.plan.binary:
        model = counterpart.published(trained.model)
        settings["id2label"] = {"0": f"no {task.name}", "1": task.name}
        settings["label2id"] = {f"no {task.name}": 0, task.name: 1}
        outputs = "softmax of prediction_logits, class 1: the probability of the event"
    else:
        scale = trained.scale
        model = counterpart.published(trained.model, center=scale.center, scale=scale.scale)
    huggingface.write(folder, model, settings)
    description: dict[str, Any] = {
        "run_id": run.id,
        "task": task.name,
        "horizon": data.horizon,
        "timescale": data.timescale.name,
        "channels": list(data.names),
        "missing_values": 0.0,
        "outputs": outputs,
    }
    files.write_json(folder / INPUTS, description)
    return folder


def _onnx(run: Run, target: Path) -> Path:
    from mlxts.interop import onnx_graph

    _require_suffix(target, "onnx")
    trained = training.load(run.folder)
    return onnx_graph.write(
        target,
        onnx_graph.model_proto(
            trained.model.shape,
            graph_arrays(trained.model),
            offset=trained.plan.config.model.residual_of is not None,
            binary=trained.plan.binary,
            center=trained.scale.center,
            scale=trained.scale.scale,
            metadata={
                "run_id": run.id,
                "task": run.config.task,
                "horizon": str(run.config.horizon),
                "columns": json.dumps(_columns(trained)),
                "missing_values": "0.0",
            },
        ),
    )


def graph_arrays(model: PatchTST) -> dict[str, np.ndarray]:
    """Weights, and what the model knows of the training rows, for `onnx_graph.model_proto`."""
    arrays = flat_arrays(model.parameters())
    if model.shape.statistics_to_head or model.shape.last_bar:
        arrays |= {"center": model._center, "spread": model._spread}
    return transfer.on_host(arrays)


def _columns(trained: training.Trained) -> list[str]:
    """What each column of a window is, see `training/inputs.py`."""
    config = trained.plan.config
    forecast = [f"forecast of {config.model.residual_of}"] * bool(config.model.residual_of)
    bar = ["log range, 1 day", "log range, 5 days", "log range, 22 days", *forecast]
    return [
        *trained.plan.dataset.names,
        *(bar if config.model.last_bar_to_head else ()),
        *["number of the asset"] * bool(config.assets),
        *forecast,
    ]


def _require_suffix(target: Path, form: str) -> None:
    if target.suffix != f".{form}":
        raise InteropError(f"{target}: this format needs a name that ends in .{form}")


def _weights(
    arrays: dict[str, mx.array], metadata: dict[str, str], to: Format, target: Path
) -> Path:
    _require_suffix(target, to)
    with files.atomic_path(target) as temporary:
        if to == "safetensors":
            checkpoint.write_arrays(temporary, arrays, metadata)
        else:
            whole: dict[str, Any] = transfer.on_host(arrays)
            whole |= {f"about/{key}": value for key, value in metadata.items()}
            with temporary.open("wb") as stream:
                np.savez(stream, **whole)
    return target


def _predictions(run: Run, to: Format, target: Path) -> Path:
    table = predict.read_or_predict(run.folder).filter(model=NETWORK)
    with files.atomic_path(target) as temporary:
        temporary.write_bytes(encoded(table) if to == "parquet" else table.write_csv().encode())
    return target


def _default_path(name: str) -> Path:
    return files.outputs_folder() / "exports" / name
