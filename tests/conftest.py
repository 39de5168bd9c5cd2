"""Imported before any test module: MLX must find the fast BLAS that mlxts loads."""

import gc
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# One thread a process, as under `make test`: tests run side by side, and last bits are compared.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests import processes, shapes

processes.keep_in_memory()
shapes.install()  # before the first of the rooms whose arrays it checks
from mlxts import platform  # noqa: E402

platform.enable()  # as the command line does
from tests import draws  # noqa: E402, F401

gc.disable()  # until all is collected: of a million objects that stay nothing is garbage

# How long an example takes is the machine's business: other work on it must fail no test.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
# `make mutants` asks the same few examples of every mutant, however slow the machine is.
settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)


def pytest_collection_finish() -> None:
    """Take what all tests share out of every collection of garbage: it is a million objects, which
    trainings that collect after themselves would go through each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


_COUNT = itertools.count()


@pytest.fixture(autouse=True)
def own_device(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers share a machine's device by locks; those of one test are no other test's business.

    The folder is made by whoever locks: few tests do.
    """
    monkeypatch.setenv("MLXTS_LOCKS", str(tmp_path_factory.getbasetemp() / f"locks{next(_COUNT)}"))


@pytest.fixture
def realdata() -> Path:
    """The folder of real daily data; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("MLXTS_REALDATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip("no folder of real data; MLXTS_REALDATA names one")
    return folder
