"""Compiling the kernels of training ahead of the first run."""

import os
import tempfile

import pytest

from mlxts.platform import cpu_jit
from mlxts.workspace import warm_kernels


@pytest.mark.parametrize("channels", ["mixing", "independent"])
def test_two_steps_run_in_either_mode(channels: str) -> None:
    for binary in (True, False):
        seconds = warm_kernels.two_steps(channels, binary=binary, budget="0.02M")
        assert seconds.first > 0
        assert seconds.second > 0


def test_stock_kernels_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kernels begin anew from the outer environment; what this process had comes back afterwards.
    monkeypatch.setattr(cpu_jit, "_enabled", None)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    for name in ("MLXTS_KERNEL_FOLDER", "MLXTS_OUTER_TMPDIR", "TMPDIR", "PATH"):
        if name in os.environ:
            monkeypatch.setenv(name, os.environ[name])
    monkeypatch.setenv("MLXTS_KERNELS", "stock")
    monkeypatch.setattr(
        warm_kernels, "two_steps", lambda *_, **__: pytest.fail("something was compiled")
    )
    warm_kernels.main()
