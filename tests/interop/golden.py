"""The golden fixtures as folders that `transformers` could have written."""

import json
from pathlib import Path
from typing import NamedTuple, TypedDict

import mlx.core as mx
import numpy as np

from tests.model.fixtures.make import CASES, FOLDER


class Tolerance(TypedDict):
    rtol: float
    atol: float


NAMES = sorted(CASES)
# float32: the two libraries add in another order, and forecasts carry the units of their channels.
TOLERANCE: Tolerance = {"rtol": 1e-5, "atol": 1e-5}


class Golden(NamedTuple):
    config: dict
    state: dict[str, np.ndarray]
    x: np.ndarray  # (B, T, C)
    y: np.ndarray


def load(name: str) -> Golden:
    with np.load(FOLDER / f"{name}.npz") as stored:
        state = {
            key.removeprefix("state/"): stored[key]
            for key in stored.files
            if key.startswith("state/")
        }
        return Golden(json.loads(str(stored["config"])), state, stored["x"], stored["y"])


def folder(golden: Golden, path: Path) -> Path:
    """config.json and model.safetensors, as save_pretrained leaves them."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(golden.config))
    state = {name: mx.array(value) for name, value in golden.state.items()}
    mx.save_safetensors(str(path / "model.safetensors"), state, metadata={"format": "pt"})
    return path
