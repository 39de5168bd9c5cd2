"""Arrays whose computation fails as a device fails: after it was begun, and told of once."""

from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten


def cut(folder: Path, arrays: dict[str, mx.array]) -> dict[str, mx.array]:
    """The arrays as `mx.load` promises them, from a file that has lost its second half since."""
    path = folder / "cut.safetensors"
    mx.save_safetensors(str(path), arrays)
    promised = mx.load(str(path))
    assert isinstance(promised, dict)
    with path.open("rb+") as stream:
        stream.truncate(path.stat().st_size // 2)
    return promised


def cut_array(folder: Path, values: np.ndarray) -> mx.array:
    """One such array."""
    return cut(folder, {"array": mx.array(values)})["array"]


def cut_weights(folder: Path, model: nn.Module) -> list[tuple[str, mx.array]]:
    """A model's weights as such arrays, for `load_weights`."""
    return list(cut(folder, dict(tree_flatten(model.parameters()))).items())


def keep_busy() -> None:
    """Give the device a fraction of a second of work, so that what is asked next is waited for."""
    mx.async_eval(mx.sort(mx.random.normal((1 << 19,), key=mx.random.key(0))))
