"""What run.json says of the machine is of the kinds that readers print and compare."""

import json
from pathlib import Path

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
