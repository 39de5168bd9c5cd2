"""docs/extending.md: every example is run, and does what its kind promises."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlxts.data import checks, store
from mlxts.data.sources.base import BAR_SCHEMA
from mlxts.dataset import labels
from mlxts.errors import SourceError
from mlxts.features import causality, engine
from mlxts.search import sweep_config
from mlxts.thermal.sensors.base import Sample, Sensor, Unavailable
from mlxts.workspace import markdown
from tests.evaluation import worlds
from tests.features import bars

DOCUMENT = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCKS = markdown.parse(DOCUMENT.read_text(encoding="utf-8")).blocks


def _defined(name: str) -> dict[str, Any]:
    """What the example that defines `name` defines."""
    for block in BLOCKS:
        if block.language == "python" and name in block.text:
            namespace: dict[str, Any] = {"__name__": "example"}
            exec(compile(block.text, str(DOCUMENT), "exec"), namespace)
            return namespace
    raise AssertionError(f"no example defines {name}")


def test_each_example_is_short() -> None:
    assert len(BLOCKS) == 6
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


def test_the_source_delivers_bars_that_can_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    table = bars.path(50, seed=1, flat=0.0).select(
        "symbol", "date", "open", "high", "low", "close", "volume"
    )
    source = _defined("TableSource")["TableSource"](
        table.sample(fraction=1.0, shuffle=True, seed=0)
    )
    fetched = source.fetch("AAA")
    assert dict(fetched.frame.schema) == dict(BAR_SCHEMA)
    # The dates of that path know no holidays, which is a warning.
    assert {found.severity for found in checks.check(fetched.frame)} <= {"warning"}
    assert fetched.frame["close"].equals(table["close"])
    first, last = table["date"][10], table["date"][20]
    assert source.fetch("AAA", first, last).frame["date"].equals(table["date"][10:21])
    with pytest.raises(SourceError, match="holds no SPY"):
        source.fetch("SPY")
    stored = store.register_raw(
        fetched.frame, source=source.name, symbol="AAA", parameters=fetched.parameters
    )
    assert store.load(stored).equals(fetched.frame)


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


@pytest.mark.parametrize("task", ["direction", "regression"])
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
    expected = rate if task == "regression" else np.log(rate / (1 - rate))
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
