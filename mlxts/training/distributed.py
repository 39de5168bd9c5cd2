"""One model trained by several processes: who they are, what they share, and when one is missing.

Every rank holds the whole model and its own part of each batch; gradients and loss are averaged
inside the compiled step, so all ranks take the same update and stay equal to the bit. Rank 0
alone writes. Whatever decides the course of training (resume, validation, stop) is agreed upon:
unlike machines may differ in the last bits of the same sum.

Ranks are started by `mlx.launch`, or by hand with MLX_HOSTFILE and MLX_RANK set for each.
"""

import json
import os
import sys
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any, Self

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from mlxts import protocol, transfer
from mlxts.errors import RunError
from mlxts.training.events import StopEvent

STALL_SECONDS = 600.0  # longer than compiling or building features takes on the slowest rank


class Ranks:
    """The processes that train one model together; a process on its own is a rank of one."""

    def __init__(self, group: mx.distributed.Group | None = None):
        self._group = group
        self.rank = group.rank() if group else 0
        self.size = group.size() if group else 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's folder."""
        return self.rank == 0

    def mean(self, tree: Any) -> Any:
        """The mean over ranks of a tree of float32 arrays; may stand inside a compiled function."""
        return tree if self.size == 1 else nn.average_gradients(tree, self._group)

    def highest(self, value: int) -> int:
        """The largest of the ranks' small non-negative integers."""
        if self.size == 1:
            return value
        return max(int(v) for v in self._gathered(value))

    def same(self, what: str, text: str) -> None:
        """Raises RunError on every rank unless all of them pass the same text."""
        if self.size > 1 and len(set(self._gathered(zlib.crc32(text.encode())))) > 1:
            raise RunError(
                f"the ranks differ in {what} (rank {self.rank}: {text}); give all of them the same "
                "version, configuration, data and training.micro_batch"
            )

    def from_leader(self, arrays: dict[str, mx.array]) -> dict[str, mx.array]:
        """Rank 0's arrays, on every rank; all of them pass the same names."""
        if self.size == 1:
            return arrays
        received = {}
        for name in sorted(arrays):  # one at a time: collectives must meet in the same order
            own = arrays[name] if self.leads else mx.zeros_like(arrays[name])
            received[name] = mx.distributed.all_sum(own, group=self._group)
            transfer.evaluate(received[name])
        return received

    def record_from_leader(self, record: dict[str, Any]) -> dict[str, Any]:
        """Rank 0's JSON-like record, on every rank."""
        if self.size == 1:
            return record
        text = json.dumps(record).encode() if self.leads else b""
        data = np.zeros(self.highest(len(text)), dtype=np.int32)
        data[: len(text)] = np.frombuffer(text, dtype=np.uint8)
        received = transfer.on_host(self.from_leader({"text": mx.array(data)})["text"])
        return json.loads(received.astype(np.uint8).tobytes())

    def number_from_leader(self, value: float) -> float:
        """Rank 0's number, to the bit, on every rank."""
        return self.record_from_leader({"value": value})["value"]

    def _gathered(self, value: int) -> list[int]:
        gathered = mx.distributed.all_gather(mx.array([value], dtype=mx.uint32), group=self._group)
        return [int(v) for v in transfer.on_host(gathered)]


ALONE = Ranks()


def join() -> Ranks:
    """The ranks that this process was started among.

    Raises:
        RunError: it was started alone.
    """
    try:
        group = mx.distributed.init(strict=True)
    except RuntimeError as error:
        raise RunError(f"the ranks do not find each other: {error}; {_START}") from error
    if group.size() == 1:
        raise RunError(f"this is the only rank; {_START}")
    return Ranks(group)


_START = "start them with `mlx.launch`, or set MLX_HOSTFILE and MLX_RANK (docs/scaling_out.md)"


_REASONS = ("", "stopped", "interrupted", "overheated")  # what outranks what


def agreed(
    gate: Callable[[int], StopEvent | None], ranks: Ranks, watch: "StallWatch"
) -> Callable[[int], StopEvent | None]:
    """A gate through which either all ranks pass or none: one that is hot stops them all."""

    def asked(step: int) -> StopEvent | None:
        own = gate(step)
        reason = "" if own is None else own.reason if own.reason in _REASONS else "stopped"
        verdict = _REASONS[ranks.highest(_REASONS.index(reason))]
        watch.beat()
        if not verdict or (own is not None and reason == verdict):
            return own
        return StopEvent(step, verdict, "another rank stopped; go on with --resume on all of them")

    return asked


class StallWatch:
    """Ends the process when the others keep it waiting: a collective cannot be called off.

    Ring collectives can deadlock, and a rank whose machine went to sleep never answers. `beat`
    says that there was progress. Use as a context manager.
    """

    def __init__(
        self,
        seconds: float,
        give_up: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._seconds, self._clock = seconds, clock
        self._give_up = give_up or _exit
        self._beat = clock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def beat(self) -> None:
        self._beat = self._clock()

    def __enter__(self) -> Self:
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(min(1.0, self._seconds / 4)):
            if self._clock() - self._beat > self._seconds:
                self._give_up(
                    f"no step for {self._seconds:.0f} s: another rank stopped or cannot be "
                    "reached; the last checkpoint is kept, start all ranks again with --resume"
                )
                return


def _exit(message: str) -> None:
    print(f"error: {message}", file=sys.stderr, flush=True)
    os._exit(protocol.EXIT_STALLED)
