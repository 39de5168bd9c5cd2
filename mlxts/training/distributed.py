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
    def is_rank_zero(self) -> bool:
        """Whether this process writes the run's folder."""
        return self.rank == 0

    def mean(self, tree: Any) -> Any:
        """The mean over ranks of a tree of float32 arrays; may be compiled."""
        return tree if self.size == 1 else nn.average_gradients(tree, self._group)

    def max(self, value: int) -> int:
        """The largest of the ranks' small non-negative integers."""
        return value if self.size == 1 else max(self._all_gather(value))

    def assert_same(self, subject: str, text: str) -> None:
        """Raises RunError on every rank unless all of them pass the same text."""
        if self.size > 1 and len(set(self._all_gather(zlib.crc32(text.encode())))) > 1:
            raise RunError(
                f"the ranks differ in {subject} (rank {self.rank}: {text}); give all of them the "
                "same version, configuration, data and training.micro_batch"
            )

    def broadcast_arrays(self, arrays: dict[str, mx.array]) -> dict[str, mx.array]:
        """Rank 0's arrays, on every rank; all of them pass the same names."""
        if self.size == 1:
            return arrays
        received = {}
        for name in sorted(arrays):  # one at a time: collectives must meet in the same order
            local = arrays[name] if self.is_rank_zero else mx.zeros_like(arrays[name])
            received[name] = mx.distributed.all_sum(local, group=self._group)
            transfer.evaluate(received[name])
        return received

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value of JSON types, on every rank; numbers to the bit."""
        if self.size == 1:
            return value
        text = json.dumps(value).encode() if self.is_rank_zero else b""
        data = np.zeros(self.max(len(text)), dtype=np.int32)
        data[: len(text)] = np.frombuffer(text, dtype=np.uint8)
        received = transfer.on_host(self.broadcast_arrays({"text": mx.array(data)})["text"])
        return json.loads(received.astype(np.uint8).tobytes())

    def _all_gather(self, value: int) -> list[int]:
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


_START = "start them with `mlx.launch`, or set MLX_HOSTFILE and MLX_RANK"


_REASONS = ("", "stopped", "interrupted", "overheated")  # the later ones take precedence


def agreed_gate(
    gate: Callable[[int], StopEvent | None], ranks: Ranks, watch: "StallWatch"
) -> Callable[[int], StopEvent | None]:
    """A gate through which either all ranks pass or none: one that is hot stops them all."""

    def agree(step: int) -> StopEvent | None:
        local = gate(step)
        reason = "" if local is None else local.reason if local.reason in _REASONS else "stopped"
        agreed = _REASONS[ranks.max(_REASONS.index(reason))]
        watch.beat()
        if not agreed or (local is not None and reason == agreed):
            return local
        return StopEvent(
            step, agreed, "another rank stopped; continue with --resume on all of them"
        )

    return agree


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
