"""What every contender is given: the same model shape, data, batch and optimizer settings.

Nothing here imports MLX or PyTorch, so that each process loads its own library alone.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from time import perf_counter, process_time
from typing import Any, NamedTuple, Protocol

import numpy as np

ROWS = 4000
FLOOR = 1e-3
LEARNING_RATE, WEIGHT_DECAY, BETAS, CLIP = 1e-4, 0.01, (0.9, 0.999), 1.0


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    budget: str
    channels: str
    features: int
    batch: int

    @property
    def name(self) -> str:
        return f"{self.budget} {self.channels}, {self.features} features, batch {self.batch}"

    def record(self) -> dict[str, Any]:
        return asdict(self)


class Data(NamedTuple):
    features: np.ndarray  # (ROWS, F) float32
    targets: np.ndarray  # (ROWS,) float32, 0 or 1
    batches: list[np.ndarray]  # (B,) int32 rows each


def data(case: Case, count: int = 16) -> Data:
    """The same in every process: made from the case alone."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((ROWS, case.features), dtype=np.float32)
    targets = (rng.random(ROWS) < 0.2).astype(np.float32)
    rows = [rng.integers(100, ROWS, case.batch, dtype=np.int32) for _ in range(count)]
    return Data(features, targets, rows)


def gradient_difference(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """The largest 2-norm of a tensor's difference, relative to the tensor's own.

    The last biases' gradients are sums that nearly cancel, of which rounding leaves 1e-4 with two
    windows; so a tensor counts as no smaller than `FLOOR` of all tensors together.
    """
    norms = {
        name: float(np.linalg.norm(value.astype(np.float64))) for name, value in theirs.items()
    }
    least = FLOOR * math.hypot(*norms.values())
    apart = {
        name: float(np.linalg.norm(ours[name].astype(np.float64) - value.astype(np.float64)))
        for name, value in theirs.items()
    }
    return max(apart[name] / max(norms[name], least) for name in theirs)


class Contender(Protocol):
    """A library's model, optimizer and data, ready to take steps."""

    def step(self, index: int) -> None:
        """One whole update, finished when this returns: gather, forward, backward, clip, AdamW."""
        ...

    def peak(self) -> float:
        """GFLOP/s of a large float32 matrix product, as this library does it."""
        ...


class Seconds(NamedTuple):
    """Of one step: by the clock, and of processor time over all threads of the process."""

    clock: float
    cpu: float


def seconds_per_step(contender: Contender, steps: int, first: int) -> list[Seconds]:
    """Each of `steps` updates, timed alone."""
    found = []
    for index in range(first, first + steps):
        began, worked = perf_counter(), process_time()
        contender.step(index)
        found.append(Seconds(perf_counter() - began, process_time() - worked))
    return found


def best_gflops(multiply: Callable[[], object], size: int, repeats: int = 3) -> float:
    """GFLOP/s of `multiply`, a product of two size x size matrices: best of `repeats`."""
    multiply()
    return max(2 * size**3 / seconds / 1e9 for seconds in _times(multiply, repeats))


def _times(action: Callable[[], object], repeats: int) -> Iterator[float]:
    for _ in range(repeats):
        began = perf_counter()
        action()
        yield perf_counter() - began
