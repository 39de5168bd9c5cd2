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
from mlxts.model.patchtst import flat_arrays
from mlxts.runs.predictions import NETWORK
from mlxts.training import checkpoint
from mlxts.training import run as training

Format = Literal["huggingface", "safetensors", "npz", "parquet", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
INPUTS = "mlxts.json"  # next to a Hugging Face model: its channels and outputs


def export(name: str, to: Format, target: Path | None = None) -> Path:
    """Write a run, or an imported model, in another library's form.

    Args:
        name: a run (its id, the beginning of one, its folder), or an imported model's name.
        to: huggingface (a folder for `from_pretrained`), safetensors or npz (the best weights
            under our names), parquet or csv (the predictions).
        target: the folder or file to write; None: under outputs/exports.

    Returns:
        What was written.

    Raises:
        InteropError: the model has no counterpart there.
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


def _weights(
    arrays: dict[str, mx.array], metadata: dict[str, str], to: Format, target: Path
) -> Path:
    if target.suffix != f".{to}":
        raise InteropError(f"{target}: weights of this format need a name that ends in .{to}")
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
