"""A small workspace with one of everything that commands read: what is then damaged."""

import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

SETTINGS: dict[str, Any] = {
    "name": "small",
    "mode": "exploratory",
    "budget": "0.02M",
    "data": {"source": "simulated"},
    "model": {"offset": "har"},
    "training": {"max_epochs": 1, "validations_per_epoch": 2, "batch_size": 128},
    "thermal": {"sensor": "off"},
    "checkpoint": {"every_seconds": 0},
}
SWEEP = "base: small.yaml\naxes:\n  seed: [0, 1]\n"
SEARCH = "\nsearch:\n  trials: 1\n  space:\n    model.dropout: {low: 0.0, high: 0.2}\n"


def build(home: Path, *, small: bool = False) -> None:
    """Fill `home`: bars, two finished runs and one that was cut short, their ledger and report, a
    tuning record, a sweep that waits, a look at the test split, an imported model, records of
    workstreams. Changes the working folder and MLXTS_HOME of this process while it works.

    Args:
        small: bars and one finished run alone.
    """
    with _at(home):
        _data_and_configurations(home)
        if small:
            _train(0)
            return
        finished = [_train(seed) for seed in (0, 1)]
        _cut_short()
        _tune()
        _results(finished)


def copy(home: Path, to: Path) -> None:
    """A workspace of its own, to be damaged."""
    shutil.copytree(home, to, symlinks=True)


@contextmanager
def _at(home: Path) -> Generator[None]:
    here, before = Path.cwd(), os.environ.get("MLXTS_HOME")
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    os.environ["MLXTS_HOME"] = str(home)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.pop("MLXTS_HOME")
        if before is not None:
            os.environ["MLXTS_HOME"] = before


def _data_and_configurations(home: Path) -> None:
    from mlxts import files
    from mlxts.config.loading import build_config
    from mlxts.data import store
    from mlxts.simulation.source import SimulatedSource

    source = SimulatedSource("sv", first=date(2018, 1, 2), last=date(2025, 3, 31))
    bars = source.fetch("SPY")
    store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
    text = build_config(SETTINGS).to_yaml()
    files.write_text(home / "small.yaml", text)
    files.write_text(home / "search.yaml", text + SEARCH)
    files.write_text(home / "sweep.yaml", SWEEP)
    bars.frame.select("date", "open", "high", "low", "close", "volume").write_csv("bars.csv")


def _configuration(seed: int) -> Any:
    from mlxts.config.loading import load_config

    return load_config(Path("small.yaml"), {"seed": seed})


def _train(seed: int) -> Path:
    from mlxts import experiment
    from mlxts.report import run_page
    from mlxts.training.plan import make_plan

    plan = make_plan(_configuration(seed))
    experiment.run_experiment(plan, emit=lambda event: None)
    run_page.draw(plan.folder)
    return plan.folder


def _cut_short() -> None:
    from mlxts import experiment
    from mlxts.training.events import StopEvent
    from mlxts.training.plan import make_plan

    experiment.run_experiment(
        make_plan(_configuration(2)),
        emit=lambda event: None,
        gate=lambda step: StopEvent(step, "interrupted", "asked") if step == 4 else None,
    )


def _tune() -> None:
    from dataclasses import asdict

    from mlxts import files
    from mlxts.dataset.build import build_dataset
    from mlxts.model import parameter_budget
    from mlxts.training import batch_size, memory_plan

    configuration = _configuration(3)
    data = build_dataset(configuration)
    shape = parameter_budget.solve(configuration.budget, len(data.names), configuration.model)
    plan = memory_plan.MemoryPlan.counted(configuration, shape)
    key = batch_size._key(configuration, data)
    record = batch_size.TuningRecord(
        **key, symbols=("SPY",), shape=batch_size._digest(shape), formula=plan, memory=plan,
        room_bytes=2**30, trials=(batch_size.Trial(128, 1, 1, 1, 0.1),), micro_batch=128,
        reason="fastest", timestamp="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    files.write_json(batch_size._path(key), asdict(record))


def _results(finished: list[Path]) -> None:
    from mlxts import files
    from mlxts.evaluation import test_split_log
    from mlxts.interop import imported_models
    from mlxts.report import collect, page
    from mlxts.scaling import results
    from mlxts.search import storage, sweep, sweep_config
    from mlxts.workspace import scaffold

    test_split_log.record(finished[0].name, "SPY")
    sweep.create(storage.open(), sweep_config.load(Path("sweep.yaml")))
    page.write(collect.gather(finished, draws=50), results.folder("report"))
    shutil.rmtree(results.folder("report") / "figures")  # hundreds of files that nothing reads
    files.write_json(
        files.outputs_folder() / "results" / "benchmarks" / "2026-01-01.json",
        {"sensitivity": json.loads(_SENSITIVITY)},
    )
    plain = Path("plain")
    _published(plain)
    imported_models.from_huggingface(plain, "published")
    scaffold.write(Path())


_SENSITIVITY = (
    '{"benchmark": "sensitivity", "date": "2026-01-01", "quick": false, "notes": [], "rows": '
    '[{"sample": "1 x 501 days", "gain": 0.0, "skill": 0.0, "scaling": 0.01, "inverse": 0.02, '
    '"flat": 0.97, "inconclusive": 0.0, "smallest": 0.005}]}'
)


def _published(folder: Path) -> None:
    """A model as `save_pretrained` writes it."""
    from mlxts.interop import huggingface
    from mlxts.model.hf_patchtst import Published, PublishedPatchTST

    shape = Published(task="regression", num_input_channels=2, context_length=32, d_model=16)
    huggingface.write(folder, huggingface.of(PublishedPatchTST(shape)))
