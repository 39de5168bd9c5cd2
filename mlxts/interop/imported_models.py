"""Models from other libraries: stored under outputs/models, found by name.

A folder there holds model.json (the shape, and where it came from) and weights.safetensors (the
parameters of a `PublishedPatchTST`, under our names).
"""

from pathlib import Path
from typing import Any

import mlx.core as mx

from mlxts import files, json_files, transfer
from mlxts.errors import DeviceError, InteropError
from mlxts.interop import huggingface
from mlxts.interop.huggingface import Model
from mlxts.model.hf_patchtst import Published, PublishedPatchTST
from mlxts.model.patchtst import current_names
from mlxts.training import checkpoint

SHAPE, WEIGHTS = "model.json", "weights.safetensors"
_REMEDY = "delete its folder, and import the model again"


def models_folder() -> Path:
    return files.outputs_folder() / "models"


def from_huggingface(path: Path, name: str | None = None) -> Path:
    """Import what `save_pretrained` wrote; returns the folder it is stored in.

    Args:
        path: the folder with config.json and model.safetensors.
        name: of the model here; None: the folder's own.

    Raises:
        InteropError: it cannot be read (see `huggingface.read`), or another model has the name.
        StorageError: the disk is full or the folder cannot be written.
    """
    name = path.resolve().name if name is None else name
    if not files.is_name(name):
        raise InteropError(f"{name!r} is no name of a model; give a --name without folders")
    model = huggingface.read(path)
    folder = models_folder() / name
    source = files.digest(path / huggingface.WEIGHTS)
    if (folder / SHAPE).exists() and _record(folder)["source_sha256"] != source:
        raise InteropError(f"another model is named {folder.name}; give this one a --name")
    arrays = {key: mx.array(value) for key, value in model.arrays.items()}
    with files.atomic_path(folder / WEIGHTS) as temporary:
        checkpoint.write_arrays(temporary, arrays)
    record = {"shape": model.shape.to_dict(), "source": "huggingface", "source_sha256": source}
    files.write_json(folder / SHAPE, record)  # last: a folder without it is no model yet
    return folder


def find(name: str) -> Path | None:
    """The folder of an imported model, by its name or path; None where there is none."""
    for folder in (Path(name), models_folder() / name) if name else ():
        if (folder / SHAPE).is_file():
            return folder
    return None


def load(folder: Path) -> Model:
    """An imported model's shape and weights. Raises InteropError where they cannot be read."""
    where = f"{folder / SHAPE}: shape"
    value = _record(folder)["shape"]
    json_files.build(value, Published, where=where, error=InteropError, remedy=_REMEDY)
    try:
        huggingface.require_whole(folder / WEIGHTS)
        arrays = transfer.on_host(mx.load(str(folder / WEIGHTS)))
    except (OSError, RuntimeError, ValueError, DeviceError) as error:
        raise InteropError(f"{folder / WEIGHTS} cannot be read; {_REMEDY}") from error
    return Model(Published.from_dict(value), current_names(arrays))


def load_model(name: str | Path) -> PublishedPatchTST:
    """A model that `mlxts import` brought here, ready to evaluate windows.

    Args:
        name: of the model, or its folder.

    Returns:
        A model of (B, T, C) windows; for its outputs see `PublishedPatchTST`.

    Raises:
        InteropError: there is no such model, or its files cannot be read.
    """
    folder = find(str(name))
    if folder is None:
        raise InteropError(
            f"no model {name} in {models_folder()}; `mlxts import huggingface PATH` brings one"
        )
    return load(folder).built()


class _Imported(json_files.Shape):
    shape: dict[str, Any]
    source_sha256: str


def _record(folder: Path) -> dict[str, Any]:
    return json_files.read(folder / SHAPE, _Imported, error=InteropError, remedy=_REMEDY)
