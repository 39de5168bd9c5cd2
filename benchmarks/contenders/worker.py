"""One contender in a process of its own, told over a pipe when to take its turn.

A process that waits for its turn sleeps in a read, so two contenders can be held ready and timed
alternately without disturbing each other.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1]
NAMES = ("ours", "wheel", "torch", "compiled", "hf classification", "hf prediction")


class Worker:
    """The parent's end."""

    def __init__(self, name: str, threads: int):
        environment = {
            **os.environ,
            "MLXTS_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",  # a waiting library must not take the other's core
        }
        if name == "ours":
            # Not at the top: in the wheel's process MLX must come first.
            from mlxts.platform import huge_pages

            environment |= huge_pages.variables(environment)
        if name == "wheel":
            environment["MLXTS_KERNELS"] = "stock"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "contenders.worker", name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=FOLDER,
            env={**environment, "PYTHONPATH": _path(environment.get("PYTHONPATH"))},
        )

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send one command and wait for its answer.

        Raises:
            RuntimeError: the process ended.
        """
        pipes = self._process.stdin, self._process.stdout
        assert pipes[0] is not None and pipes[1] is not None
        pipes[0].write(json.dumps({"command": command, **arguments}) + "\n")
        pipes[0].flush()
        line = pipes[1].readline()
        if not line:
            raise RuntimeError(f"a contender ended during {command!r}; its message is above")
        return json.loads(line)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._process.communicate(timeout=60)


def _path(inherited: str | None) -> str:
    return os.pathsep.join([str(FOLDER), str(FOLDER.parent), *([inherited] if inherited else [])])


def _make(name: str, threads: int, case: Any, shape: dict[str, Any] | None, dropout: float) -> Any:
    if name in ("ours", "wheel"):
        if name == "wheel":  # MLX first: its own BLAS is bound, whatever mlxts loads later
            import warnings

            import mlx.core  # noqa: F401

            warnings.simplefilter("ignore")
        from contenders.ours import Ours

        return Ours(case, dropout)
    import torch

    torch.set_num_threads(threads)
    shape = {**(shape or {}), "dropout": dropout}
    if name.startswith("hf"):
        from contenders.hugging_face import HuggingFace

        return HuggingFace(case, shape, prediction=name == "hf prediction")
    from contenders.pytorch import Torch

    return Torch(case, shape, compiled=name == "compiled")


def _answer(message: dict[str, Any], contender: Any) -> Any:
    import numpy as np

    from contenders.case import seconds_per_step

    match message["command"]:
        case "steps":
            return seconds_per_step(contender, message["count"], message["first"])
        case "peak":
            return contender.peak()
        case "facts":
            return contender.facts() | {"shape": contender.shape.to_dict()}
        case "write":
            loss, parameters, gradients = contender.loss_and_gradients()
            np.savez(message["path"] + ".parameters.npz", **parameters)
            np.savez(message["path"] + ".gradients.npz", **gradients)
            return loss
        case "compare":
            parameters, gradients = (
                dict(np.load(f"{message['path']}.{kind}.npz"))
                for kind in ("parameters", "gradients")
            )
            return contender.differences(message["loss"], parameters, gradients)
    raise ValueError(message["command"])


def main() -> None:
    """Answer one JSON line with another until the pipe is closed."""
    from contenders.case import Case

    answers, sys.stdout = sys.stdout, sys.stderr  # a library's own prints stay off the pipe
    name, threads, contender = sys.argv[1], int(sys.argv[2]), None
    for line in sys.stdin:
        message = json.loads(line)
        if message["command"] == "make":
            del contender  # the memory of the one before goes first
            contender = _make(
                name, threads, Case(**message["case"]), message.get("shape"), message["dropout"]
            )
            answer: Any = "made"
        else:
            answer = _answer(message, contender)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
