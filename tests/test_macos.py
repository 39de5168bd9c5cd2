"""What can be known of a Mac without one: its wheel's stubs, and a process that looks like one."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from mlxts import files
from mlxts.platform import wheels
from tests import homes

REPOSITORY = Path(__file__).parents[1]
PLATFORM = "macosx_14_0_arm64"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLX's wheel for macOS of the version that is installed here, unpacked."""
    kept = files.cache_folder() / "wheels" / PLATFORM
    pattern = f"mlx-{version('mlx')}-*.whl"
    if not any(kept.glob(pattern)):
        fresh = tmp_path_factory.mktemp("download")
        done = subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                "--only-binary=:all:", "--platform", PLATFORM, "--python-version", "3.12",
                "--retries", "0", "--timeout", "20", "--dest", str(fresh), f"mlx=={version('mlx')}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"MLX's wheel for macOS cannot be had: {done.stderr.strip()[-200:]}")
        kept.mkdir(parents=True, exist_ok=True)
        for file in fresh.glob(pattern):
            shutil.copy(file, kept / f".{os.getpid()}")
            (kept / f".{os.getpid()}").replace(kept / file.name)
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(next(kept.glob(pattern))) as archive:
        archive.extractall(folder)
    return folder


PLANTED = """
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

mx.only_in_the_wheel()
mx.no_such_function(mx.zeros(3))
mx.softmax(mx.zeros(3), axes=0)
mx.fast.layer_norm(mx.zeros((3, 3)), None, None, epsilon=1e-5)
nn.Linear(3, 3, biased=True)
optim.AdamW(learning_rate=0.1, beta=[0.9, 0.99])
"""


def test_every_name_and_keyword_of_mlx_is_in_the_wheel_for_macos(
    wheel: Path, tmp_path: Path
) -> None:
    with (wheel / "mlx" / "core" / "__init__.pyi").open("a", encoding="utf-8") as stubs:
        stubs.write("\ndef only_in_the_wheel() -> None: ...\n")  # so these stubs are the ones read
    planted = tmp_path / "planted.py"
    planted.write_text(PLANTED)
    done = subprocess.run(
        [
            sys.executable, "-m", "ty", "check", "--output-format", "concise", "--python",
            sys.prefix, "--python-platform", "darwin", "--extra-search-path", str(wheel),
            "mlxts", "benchmarks", str(planted),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if re.search(r":\d+:\d+: ", line)]
    ours = [line for line in found if not line.startswith(str(planted))]
    assert ours == []
    said = "\n".join(found)
    for name in ("no_such_function", "`axes`", "`epsilon`", "`biased`", "`beta`"):
        assert name in said
    assert "only_in_the_wheel" not in said


def test_the_macos_that_the_wheel_was_built_for_is_read_from_it(wheel: Path) -> None:
    (library,) = (wheel / "mlx").glob("core.*.so")
    assert wheels.oldest_macos(library) == (14, 0)


SESSION = """
import json, os, platform, sys
import mlxts
from mlxts.platform import device as backend; from mlxts.platform import blas, memory
from mlxts.cli.app import app

backend.matmul_gflops = lambda: 1.0  # no fast BLAS is loaded, as on a Mac
assert (sys.platform, platform.system()) == ("darwin", "Darwin")
assert not hasattr(os, "sched_getaffinity")
try:
    open("/proc/self/maps")
    raise SystemExit("/proc is there")
except FileNotFoundError:
    pass
for arguments in json.loads(sys.argv[1]):
    app(arguments, standalone_mode=False)
told = {"blas": blas.load().name, "memory": backend.memory()}
print("\\n" + json.dumps({**told, "largest": memory.largest_footprint()}))
"""


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs commands, one after the other, in one process that takes this machine for a Mac."""
    if sys.platform != "linux":
        pytest.skip("only Linux has to pretend")
    home = tmp_path / "home"
    home.mkdir()
    homes.simulated(home, monkeypatch)
    path = [str(REPOSITORY / "tests" / "darwin"), str(REPOSITORY)]
    environment = {
        "HOME": str(tmp_path),
        "PATH": str(tmp_path / "nothing"),  # no compiler, and no git before Apple's tools are there
        "PYTHONPATH": os.pathsep.join(path),
        "MLXTS_HOME": str(home),
        "MLX_DISABLE_COMPILE": "1",  # Metal compiles what a compiler would be needed for here
    }

    def run(*commands: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", SESSION, json.dumps(commands)],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


def test_a_process_that_looks_like_a_macs_trains_and_tells(mac, tmp_path: Path) -> None:
    little = {"training.max_epochs": 1, "data.train_fraction": 0.2}
    train = ["train", "small.yaml", *(f"--set={name}={value}" for name, value in little.items())]
    said = mac(["doctor", "--json"], ["train", "small.yaml", "--dry-run"], train, ["runs"])
    (folder,) = (tmp_path / "home" / "outputs" / "runs").glob("0.02M-*")
    record = json.loads((folder / "run.json").read_text())
    assert record["machine"]["platform"].startswith("macOS-26.1")
    assert record["machine"]["kernels"] == "stock"
    assert (folder / "predictions.parquet").exists()
    told = json.loads(said.splitlines()[-1])
    assert told["blas"] == "device"
    assert told["memory"]["process"] > 10 * 2**20
    assert told["largest"] >= told["memory"]["process"] / 2
    assert folder.name[:20] in said
