"""Training steps tried out in a process of their own: what they take, and how long.

Running out of memory ends a process (on the CPU backend by a segmentation fault), and what a
process takes besides MLX's arrays shows only in a fresh one. So the parent plans, and a child,
which may die, computes: it reads a request a line and answers with a line, both JSON.
"""

import contextlib
import gc
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlxts import transfer
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.errors import BudgetError, DeviceError
from mlxts.model import flops
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.platform import device, memory
from mlxts.training.sampler import Batches
from mlxts.training.step import Step, make_optimizer

_ROWS = 2048  # of the child's feature array; the gather of windows costs the same in a longer one
_DEVICE_FAILED = "device failed"  # key of an answer that is none


@dataclass(frozen=True)
class Request:
    micro_batch: int
    parts: int = 1  # micro-batches an update
    steps: int = 1  # that are timed, after one that compiles; at least one
    patience: float = 20.0  # seconds after which no further one begins
    update: bool = True  # False: gradients alone


@dataclass(frozen=True)
class Measured:
    mlx_bytes: int  # MLX's peak, without the feature array
    process_bytes: int  # the largest footprint of the child so far, without the feature array
    seconds: tuple[float, ...]  # of each timed step


class StepProbe:
    """A child process that measures one request after another.

        with StepProbe(configuration, shape) as probe:
            measured = probe.measure(Request(micro_batch=2))

    Raises:
        BudgetError: the child died, of too little memory in all likelihood.
        DeviceError: the device did not finish a step of the child's.
    """

    def __init__(self, configuration: ExperimentConfig, shape: Shape):
        self._opening = {
            "config": configuration.model_dump(mode="json"),
            "shape": shape.to_dict(),
        }

    def __enter__(self) -> Self:
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "mlxts.training.step_probe"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, text=True,
        )  # fmt: skip
        self._send(self._opening)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._child.stdin, self._child.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._child.kill()
        self._child.wait()
        self._stderr.close()

    def measure(self, request: Request) -> Measured:
        self._send(asdict(request))
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            status = self._child.wait()
            self._stderr.seek(0)
            last = self._stderr.read().strip().rpartition("\n")[2]
            raise BudgetError(
                f"a trial of {request.micro_batch} samples ended with status {status}"
                f"{': ' + last if last else ''}; close what else takes memory and try again"
            )
        values = json.loads(line)
        if _DEVICE_FAILED in values:
            raise DeviceError(values[_DEVICE_FAILED])
        return Measured(values["mlx_bytes"], values["process_bytes"], tuple(values["seconds"]))

    def _send(self, value: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; `measure` reads why
            self._child.stdin.write(json.dumps(value) + "\n")
            self._child.stdin.flush()


class _NoUpdate:
    """In the place of an optimizer: keeps the gradients, changes nothing."""

    learning_rate = 0.0

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def init(self, parameters: Any) -> None: ...

    def update(self, model: nn.Module, gradients: Any) -> None:
        self.state["gradients"] = gradients


def measure(configuration: ExperimentConfig, shape: Shape, request: Request) -> Measured:
    """Take `request.steps` + 1 steps on random windows and report their time and memory."""
    gc.collect()  # a compiled step and what it captures hold each other
    mx.clear_cache()
    rng, training = np.random.default_rng(0), configuration.training
    rows = _ROWS + shape.context
    model = PatchTST(shape, seed=configuration.seed)
    features = mx.array(rng.standard_normal((rows, model.columns), dtype=np.float32))
    optimizer: Any = make_optimizer(training) if request.update else _NoUpdate()
    step = Step(model, optimizer, training, binary=True)
    ends = np.arange(shape.context - 1, rows)
    targets = (rng.random(len(ends)) < 0.5).astype(np.float32)
    batch_size = request.micro_batch * request.parts
    batches = Batches(ends, targets, batch_size, request.micro_batch, configuration.seed)
    transfer.evaluate(features, model.state, optimizer.state)
    largest = flops.largest_bytes(
        shape,
        request.micro_batch,
        request.parts,
        precision=training.precision,
        checkpointing=training.gradient_checkpointing,
    )
    device.limit_memory(features.nbytes + largest, features.nbytes + largest)  # as a run does
    mx.reset_peak_memory()
    seconds: list[float] = []
    for index in range(request.steps + 1):
        if index > 1 and sum(seconds) > request.patience:
            break
        batch = batches.at(index)
        began = time.perf_counter()
        update = step(index, features, batch.rows, batch.targets, batch.weights, batch.keys)
        transfer.evaluate(update, model.state, optimizer.state)
        seconds.append(time.perf_counter() - began)
        del update
    return Measured(
        mx.get_peak_memory() - features.nbytes,
        memory.largest_footprint() - features.nbytes,
        tuple(seconds[1:]),
    )


def main() -> None:
    """Answer requests until there are no more."""
    opening = json.loads(sys.stdin.readline())
    configuration = build_config(opening["config"])
    shape = Shape(**opening["shape"])
    for line in sys.stdin:
        try:
            answer = asdict(measure(configuration, shape, Request(**json.loads(line))))
        except DeviceError as error:
            answer = {_DEVICE_FAILED: str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
