"""What run.json says of the machine is of the kinds that readers print and compare."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlxts.errors import RunError
from mlxts.platform import device
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder

SETTINGS = {
    "name": "a", "mode": "strict", "budget": "2M", "task": "threshold_1pct", "horizon": 1,
    "seed": 0,
}  # fmt: skip


def _run(folder: Path, machine: object) -> RunFolder:
    text = json.dumps({"run_id": "a", "config": SETTINGS, "machine": machine})
    (folder / layout.METADATA).write_text(text, encoding="utf-8")
    return RunFolder(folder)


def test_this_machine_is_read_as_it_was_described(tmp_path: Path) -> None:
    machine = device.describe()
    assert _run(tmp_path, machine).metadata()["machine"] == machine


@pytest.mark.parametrize("value", [True, 3.11, ["3.11"], {}, None])
@pytest.mark.parametrize("key", ["python", "device_name", "kernels", "memory_bytes"])
def test_a_machine_of_other_kinds_is_damage(tmp_path: Path, key: str, value: object) -> None:
    run = _run(tmp_path, {**device.describe(), key: value})
    with pytest.raises(RunError, match=rf"run\.json is damaged.*machine\.{key}"):
        run.metadata()


@pytest.mark.parametrize(
    ("split", "key"),
    [("train", "seconds"), ("train", "time"), ("train_epoch", "epoch"), ("validation", "best")],
)
def test_a_line_of_the_log_without_what_its_kind_says_is_damage(
    tmp_path: Path, split: str, key: str
) -> None:
    line = {
        "step": 1, "time": 1.0, "split": split, "loss": 0.5, "epoch": 0, "seconds": 0.1,
        "samples": 8, "learning_rate": 0.1, "grad_norm": 1.0, "best": 0.5, "improved": True,
        "prediction_range": [0.0, 1.0],
    }  # fmt: skip
    path = tmp_path / layout.METRICS
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert RunFolder(tmp_path).metrics() == [line]
    path.write_text(json.dumps({k: v for k, v in line.items() if k != key}) + "\n")
    with pytest.raises(RunError, match=f"line 1: .*{key}.*missing"):
        RunFolder(tmp_path).metrics()


FULL = {**SETTINGS, "timescale": "daily", "data": {"score_on": "SPY", "splits": "protocol"}}


def _without(settings: dict[str, Any], path: str) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    if rest:
        return {**settings, first: _without(settings[first], rest)}
    return {key: value for key, value in settings.items() if key != first}


@pytest.mark.parametrize(
    "key", ["task", "timescale", "horizon", "data", "data.score_on", "data.splits"]
)
def test_a_run_that_does_not_say_what_is_scored_is_damaged(tmp_path: Path, key: str) -> None:
    path = tmp_path / layout.METADATA
    path.write_text(json.dumps({"run_id": "a", "config": FULL}), encoding="utf-8")
    assert RunFolder(tmp_path).scored_task.score_on == "SPY"
    path.write_text(json.dumps({"run_id": "a", "config": _without(FULL, key)}), encoding="utf-8")
    with pytest.raises(RunError, match=rf"is damaged: config\.{key}.* missing"):
        _ = RunFolder(tmp_path).scored_task


@pytest.mark.parametrize(
    "change", [{"timescale": "hourly"}, {"data": {**FULL["data"], "splits": "mine"}}]
)
def test_a_timescale_or_splits_that_the_protocol_does_not_know_are_damage(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    text = json.dumps({"run_id": "a", "config": {**FULL, **change}})
    (tmp_path / layout.METADATA).write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"run\.json is damaged: .* is no "):
        _ = RunFolder(tmp_path).scored_task
