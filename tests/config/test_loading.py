"""Where a configuration is read from."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mlxts.code_version import PACKAGE
from mlxts.config.loading import load_config
from mlxts.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_a_wheel_brings_the_universe_and_the_starters_with_it(tmp_path: Path) -> None:
    """The package as pyproject.toml ships it, used in a folder that holds nothing."""
    shutil.copytree(PACKAGE, tmp_path / "mlxts", ignore=shutil.ignore_patterns("__pycache__"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source, target in shipped.items():
        shutil.copytree(ROOT / source, tmp_path / target)
    read = (
        "from pathlib import Path; from mlxts.config.loading import load_config\n"
        "from mlxts.config import dataset_matrix; from mlxts.search import sweep_config\n"
        "print(load_config(Path('configs/demo.yaml')).name, len(dataset_matrix.cell('Ed').symbols),"
        " len(sweep_config.load(Path('configs/sweeps/phase6a.yaml')).points()))"
    )
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", read], cwd=tmp_path / "elsewhere", capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert done.stdout.split()[:2] == ["demo", "19"], done.stderr
    assert int(done.stdout.split()[2]) > 1


def test_a_file_of_ones_own_comes_before_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no configuration at configs/own\.yaml"):
        load_config(Path("configs/own.yaml"))
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "demo.yaml").write_text("name: mine\n")
    assert load_config(Path("configs/demo.yaml")).name == "mine"
