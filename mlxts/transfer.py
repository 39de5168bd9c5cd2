"""Transfer of values from the device to the host; the only file that does it.

MLX evaluates lazily, and reports a failure (a command buffer that the GPU did not
finish, no memory, a file that was cut) once, to whoever waits for it; then it is forgotten, and
the array holds unwritten memory. NumPy drops an exception of the buffer protocol and asks
a second time, so `np.asarray` of an array that is still to be computed takes that memory for an
answer. Everything is therefore evaluated first, and a failure becomes a `DeviceError`.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map

from mlxts.errors import DeviceError

# MLX starts the compiler of its CPU kernels with popen, which fails if another thread changes the
# environment at that moment. The kernel was not started, so the same evaluation can go on.
_NOT_STARTED = "popen() failed"
_SMALLER = "train with a smaller training.micro_batch, which is another run"
_AGAIN = "run the same command again, training with --resume"
# MLX's messages, in lower case, and remedies.
_REMEDIES = {
    ("impactinginteractivity", "impacting interactivity", "gpu timeout", "errortimeout"): (
        f"macOS ends long work on a GPU that drives a display: turn it off and {_AGAIN}; or "
        f"{_SMALLER}"
    ),
    ("out of memory", "outofmemory", "insufficient memory", "allocat", "memoryerror"): (
        f"close what else takes memory and {_AGAIN}; or {_SMALLER}"
    ),
}


def evaluate(*trees: Any) -> None:
    """Compute arrays, or trees of them, and wait until they are there.

    Raises:
        DeviceError: the device failed. What was to be computed must not be used.
    """
    _tried(mx.eval, trees)


def start(*trees: Any) -> None:
    """Begin to compute arrays, or trees of them; `evaluate` must follow and reports errors.

    Raises:
        DeviceError: see `evaluate`.
    """
    _tried(mx.async_eval, trees)


def on_host(tree: Any) -> Any:
    """A copy of an array, or of a tree of arrays, as NumPy has it; of a scalar one, shape ().

    bfloat16, which NumPy lacks, becomes float32.

    Raises:
        DeviceError: see `evaluate`.
    """
    readable = tree_map(_readable, tree)
    evaluate(readable)
    return tree_map(np.array, readable)


def view(array: mx.array) -> np.ndarray:
    """The memory of an array itself, where host and device share it; otherwise a copy.

    Raises:
        DeviceError: see `evaluate`.
    """
    evaluate(array)
    return np.asarray(array)


def on_device(array: np.ndarray) -> mx.array:
    """A copy of an array as MLX has it.

    Raises:
        DeviceError: there is no room for it.
    """
    try:
        return mx.array(array)
    except (RuntimeError, MemoryError) as error:
        raise failure(error) from error


def failure(error: Exception) -> DeviceError:
    """The error for an exception of MLX: its message, and how to go on."""
    message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    remedies = (
        remedy
        for signs, remedy in _REMEDIES.items()
        if any(sign in message.lower() for sign in signs)
    )
    return DeviceError(f"the device failed: {message}; {next(remedies, _AGAIN)}")


def _tried(compute: Callable[..., None], trees: tuple[Any, ...]) -> None:
    try:
        try:
            compute(*trees)
        except RuntimeError as error:
            if _NOT_STARTED not in str(error):
                raise
            compute(*trees)
    except (RuntimeError, MemoryError) as error:
        raise failure(error) from error


def _readable(array: mx.array) -> mx.array:
    return array.astype(mx.float32) if array.dtype == mx.bfloat16 else array
