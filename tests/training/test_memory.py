"""What a training process takes of the machine, seen from outside, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import memory

REPOSITORY = Path(__file__).parents[2]
KEPT = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "PYTHONPYCACHEPREFIX")
STEPS, ROWS, FEATURES = 300, 60_000, 400  # features of 92 MiB


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    file = tmp_path_factory.mktemp("features") / "features.parquet"
    memory.write_features(ROWS, FEATURES, file)  # here: what writing takes is not of training
    case: dict[str, str | int] = {
        "file": str(file),
        "size": "0.06M",
        "features": FEATURES,
        "rows": ROWS,
        "batch": 8,
        "steps": STEPS,
    }
    done = subprocess.run(
        [sys.executable, "benchmarks/memory.py", "--case", json.dumps(case)],
        cwd=REPOSITORY,
        # Of a process as a user starts it, without what libraries of this one have set.
        env={name: os.environ[name] for name in KEPT if name in os.environ}
        | {"PYTHONPATH": str(REPOSITORY), "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_training_holds_the_features_once(taken: dict[str, float]) -> None:
    assert taken["features_mib"] == pytest.approx(4 * ROWS * FEATURES / 2**20)
    # What is loaded on the way takes 30 to 60 MiB more, by version of Python, and the table that
    # they came in may not have been given back yet: held twice they would take 2.35 and more.
    assert taken["built_mib"] - taken["libraries_mib"] < 2.3 * taken["features_mib"]
    assert taken["training_peak_mib"] - taken["built_mib"] < 0.7 * taken["features_mib"]


def test_training_does_not_grow(taken: dict[str, float]) -> None:
    assert taken["steps"] == STEPS
    assert taken["growth_mib"] < 4
