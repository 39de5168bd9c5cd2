"""docs/extending.md: every example is run, and does what its kind promises."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlxts import code_version
from mlxts.code_version import RUN
from mlxts.dataset import labels
from mlxts.features import causality, engine
from mlxts.search import sweep_config
from mlxts.simulation.source import SimulatedSource
from mlxts.thermal.sensors.base import Sample, Sensor, Unavailable
from mlxts.workspace import markdown
from tests.evaluation import worlds
from tests.features import bars

BARS = ("open", "high", "low", "close", "volume")
DOCUMENT = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCKS = markdown.parse(DOCUMENT.read_text(encoding="utf-8")).blocks


def _text(part: str) -> str:
    """The example with that line in it."""
    [text] = [block.text for block in BLOCKS if part in block.text]
    return text


def _defined(name: str) -> dict[str, Any]:
    """What the example that defines `name` defines."""
    for block in BLOCKS:
        if block.language == "python" and name in block.text:
            namespace: dict[str, Any] = {"__name__": "example"}
            exec(compile(block.text, str(DOCUMENT), "exec"), namespace)
            return namespace
    raise AssertionError(f"no example defines {name}")


def test_each_example_is_short() -> None:
    assert len(BLOCKS) == 8
    assert all(len(block.text.splitlines()) < 40 for block in BLOCKS)


def test_the_family_is_causal_free_of_scale_and_null_in_its_warmup_alone() -> None:
    family = _defined("FAMILY")["FAMILY"]
    path = bars.path(300, seed=3)
    built = engine.build_symbol(path, family.features)
    for feature in family.features:
        nulls = built[feature.name].is_null()
        assert nulls.to_list() == [number < feature.warmup for number in range(300)]
        assert feature.family == family.name
    assert causality.look_ahead(path, family.features, cuts=(40, 150, 299)) == []
    dearer = path.with_columns(pl.col("open", "high", "low", "close") * 8.0)
    assert engine.build_symbol(dearer, family.features).equals(built)
    gap = (path["open"] - path["close"].shift(1)) / path["close"] * 100.0
    np.testing.assert_allclose(
        built["gap_percent"].to_numpy()[1:], gap.to_numpy()[1:], rtol=1e-5, atol=1e-7
    )


def test_the_source_is_fetched_and_trained_on_once_its_file_and_line_are_there(
    tmp_path: Path,
) -> None:
    """By the very route of the document, on a copy of the package."""
    package, home = tmp_path / "mlxts", tmp_path / "home"
    shutil.copytree(code_version.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    file, line = _text("class SqliteSource"), _text("SourceInfo(")
    (package / "data" / "sources" / "sqlite.py").write_text(file)
    registry = package / "data" / "sources" / "registry.py"
    text = registry.read_text()
    assert text.count("    }\n)  # fmt: skip") == 1
    registry.write_text(text.replace("    }\n)  # fmt: skip", f"{line}    }}\n)  # fmt: skip"))
    home.mkdir()
    with closing(sqlite3.connect(home / "prices.db")) as database, database:
        market = SimulatedSource("gbm", first=date(2019, 1, 1), last=date(2024, 12, 31))
        rows = market.fetch("SPY").frame.select("date", *BARS).rows()
        database.execute("CREATE TABLE bars (symbol, date, open, high, low, close, volume)")
        database.executemany(
            "INSERT INTO bars VALUES ('SPY', ?, ?, ?, ?, ?, ?)", [(str(d), *x) for d, *x in rows]
        )
    answers = "--source sqlite --symbols SPY --task threshold_1pct --budget 0.02M --no-train"
    smallest = "--set training.max_epochs=1"
    run = (
        "import shlex; from mlxts.cli.app import app\n"
        f"app(shlex.split({f'quickstart {answers} -o own.yaml'!r}), standalone_mode=False)\n"
        f"app(shlex.split({f'train own.yaml {smallest}'!r}), standalone_mode=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", run], cwd=home, capture_output=True, text=True, check=False,
        env={**os.environ, "MLXTS_HOME": str(home), "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(home.glob("data/raw/sqlite/SPY/*.parquet"))) == 1
    assert "source: sqlite" in (home / "own.yaml").read_text()
    assert len(list(home.glob("outputs/runs/*/summary.json"))) == 1
    assert code_version.of(RUN, package) == code_version.of(RUN)


def test_the_suite_of_a_source_runs_outside_of_this_repository(tmp_path: Path) -> None:
    (tmp_path / "sqlite_source.py").write_text(_text("class SqliteSource"))
    test = tmp_path / "test_sqlite_source.py"
    test.write_text(_text("class TestSqliteSource"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_the_sensor_reads_degrees_and_never_raises(tmp_path: Path) -> None:
    open_sensor = _defined("open_sensor")["open_sensor"]
    with pytest.raises(Unavailable, match="no "):
        open_sensor(tmp_path / "none")
    file = tmp_path / "temp"
    file.write_text("61500\n")
    sensor = open_sensor(file)
    assert isinstance(sensor, Sensor)
    assert sensor.read().temperature == 61.5
    assert json.loads(json.dumps(sensor.dump())) == {"path": str(file)}
    file.write_text("broken")
    assert sensor.read() == Sample()
    file.write_text("61500\n")
    sensor.close()
    sensor.close()
    assert sensor.read() == Sample()


@pytest.mark.parametrize("task", ["direction", "regression", "range"])
def test_the_baseline_is_causal_and_learns_from_training_alone(task: str) -> None:
    momentum = _defined("class Momentum")["Momentum"]()
    market = worlds.market(400, seed=5)
    world = worlds.world(market, task)
    later = market.with_columns(pl.when(pl.int_range(pl.len()) < 300).then("close").alias("close"))
    train, validation = world.samples["train"], world.samples["validation"]
    forecast = momentum.fit(world)(validation)
    blind = replace(world, daily=later.fill_null(1.0))
    known = validation.rows < 300
    assert 0 < known.sum() < len(validation)
    assert (momentum.fit(blind)(validation)[known] == forecast[known]).all()
    closes = market["close"].to_numpy()
    rose = np.r_[False, closes[1:] > closes[:-1]]
    rate = train.targets[rose[train.rows]].mean()
    told = forecast[rose[validation.rows]]
    expected = np.log(rate / (1 - rate)) if task == "direction" else rate
    np.testing.assert_allclose(told, expected, rtol=1e-5)


def test_the_task_asks_whether_the_high_is_reached() -> None:
    task = _defined("TASK")["TASK"]
    path = bars.path(60, seed=2)
    target = labels.compute(path, task, horizon=3)["target"].to_list()
    highs, closes = path["high"].to_list(), path["close"].to_list()
    naive = [float(max(highs[t + 1 : t + 4]) >= closes[t] * 1.04) for t in range(57)]
    assert target == [*naive, None, None, None]
    assert 0.0 < sum(naive) < 57.0


def test_the_sweep_has_a_run_for_every_point_of_its_axes(tmp_path: Path) -> None:
    [text] = [block.text for block in BLOCKS if block.language == "yaml"]
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    points = sweep_config.load(file).points()
    assert len(points) == 9
    assert [point.config.features.tier for point in points[:3]] == [20, 200, 2000]
    assert {point.config.timescale for point in points} == {"weekly"}
