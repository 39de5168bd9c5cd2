"""Checkpoints: weights and optimizer in safetensors, the loop's state in JSON.

A checkpoint is a folder that appears whole: it is written under a temporary name, flushed, and
renamed. `last` is kept together with the one before it (`previous`), so that a crash between two
renames, or a torn file, costs one interval and not the run.
"""

import json
import shutil
import tempfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import mlx.core as mx
import mlx.optimizers as optim
from mlx.utils import tree_unflatten
from pydantic import ConfigDict

from mlxts import json_files, transfer
from mlxts.errors import CheckpointError, DeviceError, StorageError
from mlxts.files import TEMPORARY, flush
from mlxts.model.interfaces import Network
from mlxts.model.patchtst import current_names, flat_arrays
from mlxts.training.early_stopping import EarlyStopping
from mlxts.training.weight_average import WeightAverage

_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
_AVERAGE = "average.safetensors"


@dataclass(frozen=True)
class LoopState:
    """The state of training. Order and dropout follow from `step`, so no generator is saved."""

    run_id: str
    step: int  # updates done
    stopping: EarlyStopping
    epoch_loss: float  # sum of loss * samples since the epoch began
    epoch_samples: int
    collapsed_validations: int
    train_seconds: float  # within steps, without the first of each process, which compiles
    timed_samples: int = 0  # that those steps saw
    collapses: int = 0  # how often three validations in a row found one prediction for all
    initial_loss: float | None = None  # of validation before the first step, where it was computed

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From what `asdict` makes of one."""
        fields = dict(values)
        stopping = EarlyStopping(**fields.pop("stopping"))
        return cls(stopping=stopping, **fields)


def save(
    folder: Path,
    name: str,
    model: Network,
    state: LoopState,
    optimizer: optim.MultiOptimizer | None = None,
    average: WeightAverage | None = None,
) -> Path:
    """Write checkpoint `name` ("last" or "best") under `folder`, keeping the one it replaces.

    Raises:
        StorageError: the disk is full; what was there before is untouched.
        DeviceError: what should be written could not be computed; likewise.
    """
    target = folder / name
    arrays = {_WEIGHTS: flat_arrays(model.parameters())}
    if optimizer is not None:
        arrays[_OPTIMIZER] = flat_arrays(optimizer.state)
    if average is not None:
        arrays[_AVERAGE] = flat_arrays(average.weights)
    transfer.evaluate(arrays)  # so that what fails below is the writing
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name}.", suffix=TEMPORARY))
        for file, values in arrays.items():
            write_arrays(temporary / file, values)
        files = {path.name: _fingerprint(path) for path in sorted(temporary.iterdir())}
        text = json.dumps({**asdict(state), "files": files}, indent=2, default=str)
        with (temporary / _STATE).open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
        for path in temporary.iterdir():
            flush(path)
        flush(temporary)
        _swap(temporary, target)
        flush(folder)
    except (OSError, RuntimeError) as error:
        # MLX reports a failed write as RuntimeError.
        reason = getattr(error, "strerror", None) or error
        raise StorageError(
            f"could not write the checkpoint {target}: {reason}; free some disk space, "
            "then continue with --resume"
        ) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def restore(
    folder: Path,
    name: str,
    run_id: str,
    model: Network,
    optimizer: optim.MultiOptimizer | None = None,
    average: WeightAverage | None = None,
) -> tuple[LoopState, list[str]]:
    """Load the newest whole checkpoint of that name into model, optimizer and average.

    Returns:
        The loop's state, and a line for every checkpoint that was refused on the way.

    Raises:
        CheckpointError: none is whole, or they belong to another run.
    """
    refused: list[str] = []
    for candidate in (folder / name, _previous(folder / name)):
        if not candidate.is_dir():
            continue
        try:
            return _load(candidate, run_id, model, optimizer, average), refused
        except CheckpointError as error:
            refused.append(str(error))
    if refused:
        raise CheckpointError(f"{'; '.join(refused)}; delete the run's folder to start again")
    raise CheckpointError(f"no checkpoint at {folder / name}; start the run without --resume")


def exists(folder: Path, name: str) -> bool:
    return any(path.is_dir() for path in (folder / name, _previous(folder / name)))


class _Fingerprint(json_files.Shape):
    bytes: int
    crc32: int


class _State(json_files.Shape):
    model_config = ConfigDict(allow_inf_nan=True)  # a loss that was never seen is infinite

    files: dict[str, _Fingerprint]


def _load(
    path: Path,
    run_id: str,
    model: Network,
    optimizer: optim.MultiOptimizer | None,
    average: WeightAverage | None,
) -> LoopState:
    remedy = "the checkpoint cannot be used"
    values = json_files.read(path / _STATE, _State, error=CheckpointError, remedy=remedy)
    files = values.pop("files")
    values.pop("first_loss", None)  # what earlier versions compared losses with
    if "collapsed_looks" in values:  # its name in earlier versions
        values["collapsed_validations"] = values.pop("collapsed_looks")
    state = json_files.build(
        values, LoopState, where=str(path / _STATE), error=CheckpointError, remedy=remedy
    )
    needed = {_WEIGHTS: model, _OPTIMIZER: optimizer, _AVERAGE: average}
    for name, owner in needed.items():
        if owner is not None and name not in files:
            raise CheckpointError(f"checkpoint {path} holds no {name}")
    if state.run_id != run_id:
        raise CheckpointError(f"checkpoint {path} belongs to run {state.run_id}, not {run_id}")
    for name, fingerprint in files.items():
        if not (path / name).is_file() or _fingerprint(path / name) != fingerprint:
            raise CheckpointError(f"checkpoint {path}: {name} is damaged")
    try:
        # Read now: what `load` returns is read when it is asked for, and may be gone by then.
        model.load_weights(list(_read_arrays(path / _WEIGHTS).items()))
        if optimizer is not None:
            optimizer.state = tree_unflatten(list(_read_arrays(path / _OPTIMIZER).items()))
        if average is not None:
            average.weights = tree_unflatten(list(_read_arrays(path / _AVERAGE).items()))
    except (RuntimeError, ValueError, DeviceError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"checkpoint {path} does not fit this model: {reason}") from error
    return state


def write_arrays(
    path: Path, arrays: dict[str, mx.array], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file. Raises OSError."""
    try:
        mx.save_safetensors(str(path), arrays, metadata=metadata)
    except RuntimeError as error:  # MLX's word for a write that failed
        raise OSError(" ".join(str(error).split())) from error
    # A full disk can go unnoticed in the stream that MLX writes through.
    if path.stat().st_size <= sum(value.nbytes for value in arrays.values()):
        raise OSError(28, "No space left on device")


def _read_arrays(path: Path) -> dict[str, mx.array]:
    """The arrays of a checkpoint, under the names that they have now."""
    loaded = mx.load(str(path))
    assert isinstance(loaded, dict)
    transfer.evaluate(loaded)
    return current_names(loaded)


def _fingerprint(path: Path) -> dict[str, Any]:
    checksum = 0
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 22):
            checksum = zlib.crc32(chunk, checksum)
    return {"bytes": path.stat().st_size, "crc32": checksum}


def _swap(temporary: Path, target: Path) -> None:
    """Put `temporary` in the place of `target`, which steps back to become the one before."""
    if target.exists():
        shutil.rmtree(_previous(target), ignore_errors=True)
        target.rename(_previous(target))
    temporary.rename(target)


def _previous(target: Path) -> Path:
    return target.with_name(f"{target.name}.previous")
