"""The same seed, the same bytes: over runs, screens, and whatever else draws numbers."""

import io
import json
import shutil
from pathlib import Path
from types import ModuleType

import mlx.core as mx
import numpy as np
import pytest
from rich.console import Console

from mlxts import experiment
from mlxts.config.loading import load_config
from mlxts.console import SilentReporter
from mlxts.console.live import LiveReporter
from mlxts.console.plain import PlainReporter
from mlxts.model.patchtst import PatchTST, flat_arrays
from mlxts.platform import device
from mlxts.runs.folder import RunFolder
from mlxts.training import run
from mlxts.training.plan import make_plan
from mlxts.training.sampler import Batches
from tests import homes
from tests.training import worlds

KEPT = ("checkpoint/best/weights.safetensors", "checkpoint/last/weights.safetensors",
        "checkpoint/last/optimizer.safetensors", "predictions.parquet")  # fmt: skip


def _reporters() -> dict[str, SilentReporter | PlainReporter | LiveReporter]:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    return {
        "off": SilentReporter(),
        "plain": PlainReporter(io.StringIO()),
        "live": LiveReporter(screen),
    }


def _bytes(folder: Path) -> dict[str, object]:
    rows = RunFolder(folder).metrics()
    losses = [(row["step"], row["split"], row["loss"]) for row in rows]
    return {name: (folder / name).read_bytes() for name in KEPT} | {"losses": losses}


def test_what_is_shown_changes_no_byte_and_neither_does_doing_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = homes.simulated(tmp_path, monkeypatch)
    plan = make_plan(load_config(home / "small.yaml"))
    found = []
    for reporter in _reporters().values():
        with reporter as report:
            experiment.run_experiment(plan, emit=report)
        found.append(_bytes(plan.folder))
        shutil.rmtree(plan.folder)
    assert found[0] == found[1] == found[2]


def test_a_run_says_which_threads_and_libraries_its_bytes_belong_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = homes.simulated(tmp_path, monkeypatch)
    plan = make_plan(load_config(home / "small.yaml", {"training.max_epochs": 1}))
    run.train(plan, emit=lambda event: None, gate=lambda step: None)
    machine = json.loads((plan.folder / "run.json").read_text())["machine"]
    assert machine["threads"] == device.describe()["threads"] >= 1
    assert {"device", "blas", "kernels", "mlx", "small_products"} <= set(machine)


def _forbid_drawing_on_the_device(patch: pytest.MonkeyPatch) -> None:
    random: ModuleType = mx.random
    for name in dir(random):
        if callable(getattr(random, name)) and not name.startswith("_"):
            patch.setattr(random, name, lambda *_, **__: pytest.fail("drawn on the device"))


@pytest.mark.parametrize("channels", ["mixing", "independent"])
def test_initial_weights_are_drawn_on_the_cpu(
    channels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlxts.model import parameter_budget

    settings = worlds.configuration(model__channels=channels)
    shape = parameter_budget.solve("0.02M", worlds.FEATURES, settings.model)
    first = flat_arrays(PatchTST(shape, seed=3).parameters())
    _forbid_drawing_on_the_device(monkeypatch)
    second = flat_arrays(PatchTST(shape, seed=3).parameters())
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert np.array_equal(np.asarray(values), np.asarray(second[name])), name


def test_order_and_dropout_keys_are_drawn_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    _forbid_drawing_on_the_device(monkeypatch)
    batches = Batches(np.arange(50), np.zeros(50, dtype=np.float32), 8, 4, seed=7)
    batch = batches.at(3)
    # NumPy's generators give the same numbers on every machine: these are them.
    order = np.random.default_rng([7, 1, 0]).permutation(50)[24:32]
    assert np.array_equal(np.asarray(batch.rows).ravel(), order)
    assert np.asarray(batch.keys).dtype == np.uint32
