"""A run folder from plan to best weights, with a process that is killed on the way."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from mlxts import files, locks, split_borders
from mlxts.config.loading import load_config
from mlxts.data import store
from mlxts.errors import (
    BusyError,
    CheckpointError,
    ConfigError,
    EmptySplitError,
    IntegrityError,
    RunError,
)
from mlxts.model.saved_shape import read_shape
from mlxts.platform import device
from mlxts.runs.folder import RunFolder
from mlxts.training import batch_size, log, run
from mlxts.training.events import Event, StopEvent
from mlxts.training.plan import Plan, make_plan
from tests import homes, processes


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return homes.simulated(tmp_path, monkeypatch)


def _plan(home: Path, **overrides) -> Plan:
    return make_plan(load_config(home / "small.yaml", overrides))


def _train(plan: Plan, *, stop_at: int | None = None, resume: bool = False) -> run.Trained:
    def gate(step: int) -> StopEvent | None:
        return StopEvent(step, "interrupted", "asked") if step == stop_at else None

    return run.train(plan, emit=lambda event: None, gate=gate, resume=resume)


def _weights(folder: Path, name: str) -> bytes:
    return (folder / "checkpoint" / name / "weights.safetensors").read_bytes()


def test_a_run_id_is_configuration_data_and_code(home: Path) -> None:
    first = _plan(home)
    assert first.run_id == _plan(home).run_id
    assert first.run_id.startswith("0.02M-daily-threshold_1pct-h1-s0-")
    assert first.run_id == _plan(home, name="other").run_id
    others = [_plan(home, seed=1), _plan(home, **{"training.weight_decay": 0.5})]
    assert len({first.run_id, *(p.run_id for p in others)}) == 3


def test_what_a_machine_was_tuned_to_makes_no_other_run_and_a_begun_run_keeps_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _plan(home)
    _train(first, stop_at=2)
    monkeypatch.setattr(batch_size, "micro_batch", lambda *_, **__: first.micro_batch // 2)
    again = _plan(home)
    assert (again.run_id, again.micro_batch) == (first.run_id, first.micro_batch)
    assert _plan(home, seed=9).micro_batch == first.micro_batch // 2


def test_batch_statistics_over_another_micro_batch_are_another_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _plan(home, **{"model.norm": "batch"})
    monkeypatch.setattr(batch_size, "micro_batch", lambda *_, **__: first.micro_batch // 2)
    assert _plan(home, **{"model.norm": "batch"}).run_id != first.run_id


def test_planning_a_run_makes_no_folder(home: Path) -> None:
    plan = _plan(home)
    record = plan.to_dict()
    assert record["n_total"] == record["n_body"] + record["n_embed"] + record["n_head"]
    assert not files.runs_folder().exists()
    assert plan.time_steps(count=1) > 0
    assert not files.runs_folder().exists()


def test_the_folder_holds_what_a_stranger_needs_to_repeat_the_run(home: Path) -> None:
    trained = _train(_plan(home))
    folder = trained.plan.folder
    record = json.loads((folder / "run.json").read_text())
    assert load_config(folder / "config.yaml") == trained.plan.config
    for key in ("config_hash", "data_hash", "code_version", "machine", "n_body", "versions"):
        assert record[key]
    raw = next(a for a in record["artifacts"] if a["source"] == "simulated")
    assert files.digest(home / raw["path"]) == raw["sha256"]
    steps = [r["step"] for r in log.read(folder / log.METRICS) if r["split"] == "train"]
    assert steps == list(range(1, trained.plan.total_steps + 1))


def test_the_best_weights_are_restored_before_anything_is_scored(home: Path) -> None:
    trained = _train(_plan(home))
    again = run.load(trained.plan.folder)
    for split in ("train", "validation", "test"):
        assert np.array_equal(trained.outputs(split), again.outputs(split))
    rows = log.read(trained.plan.folder / log.METRICS)
    best = min(r["loss"] for r in rows if r["split"] == "validation")
    z, y = trained.outputs("validation"), trained.plan.dataset.samples["validation"].targets
    assert np.mean(np.logaddexp(0, z) - y * z) == pytest.approx(best, rel=1e-6)


def test_the_best_weights_are_those_that_were_scored_even_where_training_got_worse(
    home: Path,
) -> None:
    plan = _plan(home, **{"training.learning_rate": 0.01})
    trained = _train(plan)
    outcome = trained.outcome
    assert outcome is not None
    assert outcome.state.stopping.best_step < outcome.state.step
    assert _weights(plan.folder, "best") != _weights(plan.folder, "last")
    z, y = trained.outputs("validation"), plan.dataset.samples["validation"].targets
    assert np.mean(np.logaddexp(0, z) - y * z) == pytest.approx(outcome.state.stopping.best, 1e-6)


def test_an_unfinished_run_is_not_started_over_by_accident(home: Path) -> None:
    _train(_plan(home), stop_at=2)
    with pytest.raises(RunError, match="continue it with --resume"):
        _train(_plan(home))


@pytest.mark.parametrize("flags", [{}, {"model.norm": "batch", "training.micro_batch": 64}])
def test_a_run_that_stopped_goes_on_to_the_same_bytes(home: Path, flags: dict) -> None:
    plan = _plan(home, **flags)
    _train(plan, stop_at=5)
    _train(plan, resume=True)
    stopped = {name: _weights(plan.folder, name) for name in ("best", "last")}
    metrics = [(r["step"], r["split"], r["loss"]) for r in log.read(plan.folder / log.METRICS)]
    import shutil

    shutil.rmtree(plan.folder)
    _train(plan)
    assert stopped == {name: _weights(plan.folder, name) for name in ("best", "last")}
    assert metrics == [
        (r["step"], r["split"], r["loss"]) for r in log.read(plan.folder / log.METRICS)
    ]


def test_two_processes_cannot_train_one_run(home: Path) -> None:
    plan = _plan(home)
    plan.folder.mkdir(parents=True)
    named = f"process {os.getpid()} .* is training {plan.run_id}"
    for begun in (False, True):
        if begun:  # by whoever holds the lock: nobody is told to delete that folder
            (plan.folder / "run.json").write_text("{}")
        with locks.hold(RunFolder(plan.folder).lock), pytest.raises(BusyError, match=named):
            _train(plan)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_writes_a_checkpoint_and_exits_130(
    home: Path, number: signal.Signals
) -> None:
    longer = ["--set", "training.max_epochs=500", "--set", "training.patience=5000"]
    process = processes.start(["train", "small.yaml", "--json", *longer])
    try:
        while not (found := list(files.runs_folder().glob("*/metrics.jsonl"))) or not log.read(
            found[0]
        ):
            assert process.poll() is None, "it ended before its first step"
            time.sleep(0.05)
        process.send_signal(number)
        said, _ = process.communicate(timeout=200)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert json.loads(said)["status"] == "interrupted"
    state = json.loads((found[0].parent / "checkpoint" / "last" / "state.json").read_text())
    assert state["step"] == log.read(found[0])[-1]["step"] >= 1


def test_a_tampered_artifact_is_named(home: Path) -> None:
    raw = next((home / "data" / "raw" / "simulated").rglob("*.parquet"))
    raw.chmod(0o644)
    data = bytearray(raw.read_bytes())
    data[len(data) // 2] ^= 1
    raw.write_bytes(data)
    with pytest.raises(IntegrityError, match=raw.name):
        _plan(home)


def test_an_empty_split_is_an_error_that_names_it(home: Path) -> None:
    with pytest.raises(EmptySplitError, match="train split"):
        _plan(home, **{"data.splits": "sample"})


def test_splits_of_ones_own_are_purged_and_named_by_their_dates(home: Path) -> None:
    shares = _plan(home, **{"data.splits": {"train": 0.6, "validation": 0.2}})
    days = store.load(store.find("SPY", ["simulated"]))["date"]
    name = "/".join(str(days[round(share * len(days)) - 1]) for share in (0.6, 0.8, 1.0))
    assert shares.config.data.splits == shares.dataset.splits_title == name
    keys = dict(zip(("train_end", "validation_end", "test_end"), name.split("/"), strict=True))
    assert _plan(home, **{"data.splits": keys}).run_id == shares.run_id
    ends = {split: borders[1] for split, borders in vars(split_borders.borders(name)).items()
            if split != "name"}  # fmt: skip
    for split, samples in shares.dataset.samples.items():
        assert len(samples) and samples.label_end.max().astype(object) == ends[split]


def test_a_batch_larger_than_the_training_split_is_refused(home: Path) -> None:
    samples = len(_plan(home).dataset.samples["train"])
    assert _plan(home, **{"training.batch_size": samples}).total_steps > 0
    with pytest.raises(ConfigError, match=rf"training\.batch_size: .* the {samples} training"):
        _plan(home, **{"training.batch_size": samples + 1})


def test_weights_that_are_gone_are_an_error(home: Path) -> None:
    import shutil

    trained = _train(_plan(home))
    shutil.rmtree(trained.plan.folder / "checkpoint" / "best")
    shutil.rmtree(trained.plan.folder / "checkpoint" / "best.previous", ignore_errors=True)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        run.load(trained.plan.folder)


def test_the_shape_of_a_run_of_version_0_1_is_read(home: Path) -> None:
    trained = _train(_plan(home), stop_at=1)
    path = trained.plan.folder / "run.json"
    metadata = json.loads(path.read_text())
    for now, before in {"d_model": "width", "ffn_dim": "hidden", "rank": "factor"}.items():
        metadata["shape"][before] = metadata["shape"].pop(now)
    path.write_text(json.dumps(metadata))
    assert read_shape(RunFolder(trained.plan.folder)) == trained.plan.shape


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no readable run\.json"):
        run.load(tmp_path)


def _damage(folder: Path, name: str) -> None:
    path = folder / "checkpoint" / name / "weights.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 0xFF]))


def test_a_run_whose_best_weights_are_damaged_says_which_it_was_scored_with(home: Path) -> None:
    # Without patience every improvement is a checkpoint; the last look of all is far from best.
    plan = _plan(home, **{"training.learning_rate": 0.01, "training.max_epochs": 4})
    whole = _train(plan)
    assert whole.outcome is not None
    best_step = whole.outcome.state.stopping.best_step
    previous = json.loads((plan.folder / "checkpoint/best.previous/state.json").read_text())
    assert previous["step"] < best_step < plan.total_steps
    _damage(plan.folder, "best")
    again = _train(plan, resume=True)
    assert again.outcome is not None
    stopping = again.outcome.state.stopping
    assert (stopping.best_step, stopping.best) == (
        previous["step"], previous["stopping"]["best"],
    )  # fmt: skip
    assert "best: weights.safetensors is damaged" in again.outcome.stop.message
    notice = log.read(plan.folder / log.EVENTS)[-1]
    assert notice["event"] == "notice"
    assert f"scores are of the weights of step {previous['step']}" in notice["message"]
    z, y = again.outputs("validation"), plan.dataset.samples["validation"].targets
    assert np.mean(np.logaddexp(0, z) - y * z) == pytest.approx(stopping.best, rel=1e-6)


def test_weights_that_were_not_scored_are_not_loaded_in_the_place_of_damaged_ones(
    home: Path,
) -> None:
    plan = _plan(home)
    trained = _train(plan)
    assert trained.outcome is not None
    best_step = trained.outcome.state.stopping.best_step
    assert (plan.folder / "checkpoint" / "best.previous").is_dir()
    _damage(plan.folder, "best")
    files.write_json(plan.folder / "summary.json", {"best_step": best_step})
    with pytest.raises(CheckpointError, match="other weights than were scored"):
        run.load(plan.folder)
    before = json.loads((plan.folder / "checkpoint/best.previous/state.json").read_text())
    files.write_json(plan.folder / "summary.json", {"best_step": before["step"]})
    assert len(run.load(plan.folder).outputs("validation"))


def _watched(plan: Plan, source: str, stop_at: int, *, resume: bool = True) -> dict:
    def gate(step: int) -> StopEvent | None:
        return StopEvent(step, "interrupted", "asked") if step == stop_at else None

    run.train(plan, emit=lambda event: None, gate=gate, resume=resume, sensor={"source": source})
    return RunFolder(plan.folder).metadata()


def test_another_sensor_than_at_the_beginning_is_in_the_runs_record(home: Path) -> None:
    plan = _plan(home)
    record = _watched(plan, "smc", 2, resume=False)
    assert record["sensor"] == {"source": "smc"}
    assert "later_sensors" not in _watched(plan, "smc", 4)
    record = _watched(plan, "macmon", 6)
    assert record["sensor"] == {"source": "smc"}
    assert record["later_sensors"] == [{"source": "macmon", "from_step": 4}]
    record = _watched(plan, "macmon", 7)
    assert record["later_sensors"] == [{"source": "macmon", "from_step": 4}]
    record = _watched(plan, "smc", 8)
    assert [(s["source"], s["from_step"]) for s in record["later_sensors"]] == [
        ("macmon", 4), ("smc", 7),
    ]  # fmt: skip
    notices = [r for r in log.read(plan.folder / log.EVENTS) if r["event"] == "notice"]
    assert [(r["step"], r["message"]) for r in notices] == [
        (4, "temperatures now come from macmon, before from smc"),
        (7, "temperatures now come from smc, before from macmon"),
    ]


def test_half_precision_on_a_processor_is_called_slow(home: Path) -> None:
    plan = _plan(home, **{"training.precision": "bfloat16"})
    _train(plan, stop_at=1)
    notices = [r for r in log.read(plan.folder / log.EVENTS) if r["event"] == "notice"]
    slow = [r for r in notices if "set training.precision: float32" in r["message"]]
    assert len(slow) == (device.device() == "cpu")


def test_events_reach_the_listener_and_the_log(home: Path) -> None:
    seen: list[Event] = []
    plan = _plan(home)
    run.train(plan, emit=seen.append, gate=lambda step: None)
    kinds = {event.kind for event in seen}
    assert {"start", "step", "validation", "epoch", "checkpoint", "stop"} <= kinds
    assert [r["event"] for r in log.read(plan.folder / log.EVENTS)][-1] == "stop"


def test_a_run_that_goes_on_says_which_lines_its_record_has_lost(home: Path) -> None:
    plan = _plan(home)
    _train(plan, stop_at=6)
    path = plan.folder / log.METRICS
    path.write_text("".join(path.read_text().splitlines(keepends=True)[3:]))
    lost = 6 - sum(row["split"] == "train" for row in log.read(path))
    assert lost
    _train(plan, stop_at=8, resume=True)
    notices = [r["message"] for r in log.read(plan.folder / log.EVENTS) if r["event"] == "notice"]
    assert f"metrics.jsonl has lost the lines of {lost} steps" in notices
