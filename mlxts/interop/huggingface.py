"""A model as a folder that `transformers` loads: config.json and model.safetensors.

Neither that library nor PyTorch is needed to write or to read one.
"""

from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
from pydantic_core import from_json

from mlxts import json_files, transfer
from mlxts.errors import DeviceError, InteropError
from mlxts.files import atomic_path, write_json
from mlxts.interop import tensor_names
from mlxts.model.hf_patchtst import Published, PublishedPatchTST, Task
from mlxts.model.patchtst import flat_arrays
from mlxts.training import checkpoint

CONFIG, WEIGHTS = "config.json", "model.safetensors"
CLASSES: dict[Task, str] = {
    "classification": "PatchTSTForClassification",
    "regression": "PatchTSTForRegression",
    "prediction": "PatchTSTForPrediction",
}
# Values of a configuration that can be evaluated here; others are refused by name.
_POSSIBLE: dict[str, tuple[Any, ...]] = {
    "norm_type": ("batchnorm", "layernorm"),
    "activation_function": ("gelu", "relu"),
    "scaling": ("std", "mean", None),
    "pooling_type": ("mean", "max", None),
    "positional_encoding_type": ("sincos", "random"),
}


class Model(NamedTuple):
    """A published shape with its weights."""

    shape: Published
    arrays: tensor_names.Arrays  # of a `PublishedPatchTST`

    def built(self) -> PublishedPatchTST:
        model = PublishedPatchTST(self.shape)
        model.load_weights([(name, mx.array(value)) for name, value in self.arrays.items()])
        transfer.evaluate(model.parameters())
        model.eval()
        return model


def write(folder: Path, model: Model, extras: dict[str, Any] | None = None) -> Path:
    """Write the folder that `from_pretrained` of the model's class reads.

    Args:
        extras: more keys of the configuration, e.g. the dropout that it was trained with.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    settings = model.shape.to_dict()
    task = settings.pop("task")
    configuration = {
        "architectures": [CLASSES[task]],
        "model_type": "patchtst",
        **settings,
        "loss": "mse",
        "do_mask_input": False,
        "share_projection": True,
        "dtype": "float32",
        **(extras or {}),
    }
    state = tensor_names.to_transformers(model.shape, model.arrays)
    with atomic_path(folder / WEIGHTS) as temporary:
        arrays = {name: mx.array(value) for name, value in state.items()}
        checkpoint.write_arrays(temporary, arrays, {"format": "pt"})
    write_json(folder / CONFIG, configuration)
    return folder


def read(folder: Path) -> Model:
    """What `save_pretrained` wrote, or `write`.

    Raises:
        InteropError: no such files, no PatchTST with one of the three heads, or an option that has
            no counterpart here.
    """
    shape = _shape(_configuration(folder / CONFIG), folder / CONFIG)
    return Model(shape, tensor_names.from_transformers(shape, _tensors(folder)))


def of(model: PublishedPatchTST) -> Model:
    """A built model's shape and weights."""
    return Model(model.shape, transfer.on_host(flat_arrays(model.parameters())))


def _configuration(path: Path) -> dict[str, Any]:
    remedy = "give the folder that save_pretrained wrote"
    settings = json_files.read(path, json_files.Shape, error=InteropError, remedy=remedy)
    if settings.get("model_type") != "patchtst":
        raise InteropError(
            f"{path} describes no PatchTST (model_type: patchtst); give one's folder"
        )
    return settings


def _shape(settings: dict[str, Any], path: Path) -> Published:
    named = settings.get("architectures")
    named = named if isinstance(named, list) and named else [None]
    tasks = {name: task for task, name in CLASSES.items()}
    if named[0] not in tasks:
        readable = ", ".join(tasks)
        raise InteropError(f"{path}: architectures names {named[0]}; only {readable} can be read")
    task = tasks[named[0]]
    if task != "classification" and settings.get("loss", "mse") != "mse":
        raise InteropError(
            f"{path}: loss: {settings['loss']} ends in a distribution; only loss: mse can be read"
        )
    if task == "prediction" and not settings.get("share_projection", True):
        raise InteropError(
            f"{path}: share_projection: false cannot be read; train it with one projection for all"
        )
    fields = set(Published.__dataclass_fields__) - {"task"}
    values = {key: settings[key] for key in fields if key in settings}
    if values.get("scaling") is True:
        values["scaling"] = "mean"
    elif values.get("scaling") is False:
        values["scaling"] = None
    for key, possible in _POSSIBLE.items():
        if key in values and not any(values[key] == value for value in possible):
            allowed = ", ".join(str(value) for value in possible)
            raise InteropError(f"{path}: {key}: {values[key]} is none of {allowed}")
    _check_kinds(values, path)
    shape = Published.from_dict({"task": task, **values})
    if task != "prediction" and shape.pooling_type is None and not shape.use_cls_token:
        raise InteropError(f"{path}: pooling_type: null has no {task} head; set mean or max")
    return shape


def _check_kinds(values: dict[str, Any], path: Path) -> None:
    """A JSON value of another kind would only fail deep inside. Raises InteropError."""
    for key, value in values.items():
        kind = _KINDS.get(type(Published.__dataclass_fields__[key].default))
        if kind is None:
            continue  # named choices, which `_POSSIBLE` lists, and pairs
        allowed, called = kind
        wrong = not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)
        if wrong or (allowed == (int,) and value < 1):
            raise InteropError(f"{path}: {key}: {value!r} is no {called}; correct it there")
    limits = values.get("output_range")
    if limits is not None and not (
        isinstance(limits, list | tuple)
        and len(limits) == 2
        and all(isinstance(limit, int | float) for limit in limits)
    ):
        raise InteropError(f"{path}: output_range: {limits!r} is no pair of numbers; correct it")


_KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "whole number above 0"),
    float: ((int, float), "number"),
}


def require_whole(path: Path) -> None:
    """Raises ValueError: a safetensors file is shorter or longer than in its header.

    MLX reads what lies at the offsets, whatever it is.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        size = path.stat().st_size - 8 - length
        header = from_json(stream.read(length)) if size >= 0 else None
    entries = header.values() if isinstance(header, dict) else ()
    tensors = [entry for entry in entries if isinstance(entry, dict) and "data_offsets" in entry]
    ends = [tensor["data_offsets"][1] for tensor in tensors]
    if size != max(ends, default=-1):
        raise ValueError("it was cut, or something was put in")


def _tensors(folder: Path) -> tensor_names.Arrays:
    path = folder / WEIGHTS
    if not path.is_file():
        raise InteropError(
            f"there is no {path}; save the model with save_pretrained, which writes safetensors"
        )
    try:
        require_whole(path)
        loaded = mx.load(str(path))
        assert isinstance(loaded, dict)
        # Read now: what `load` returns is lazy.
        return transfer.on_host(
            {
                name: value.astype(mx.float32) if value.ndim else value
                for name, value in loaded.items()
            }
        )
    except (RuntimeError, ValueError, DeviceError) as error:
        reason = " ".join(str(error).split())
        raise InteropError(f"{path} cannot be read as safetensors ({reason})") from error
