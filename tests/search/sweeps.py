"""Small sweeps over simulated bars, and workers as processes of their own."""

import json
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from mlxts import files
from mlxts.config.yamltext import overridden
from mlxts.search import claims, job_queue, sweep_config
from mlxts.search import sweep as sweep_study
from mlxts.search.sweep_config import Sweep
from tests import homes, processes
from tests.processes import Command


def sweep(axes: dict[str, list[Any]], **changes: Any) -> Sweep:
    """A sweep of 0.02M models that train in a fraction of a second; `changes` are dotted keys."""
    base = {key: value for key, value in homes.SETTINGS.items() if key != "name"}
    base["training"] = {"max_epochs": 1, "validations_per_epoch": 2, "batch_size": 256}
    changed = {key.replace("__", "."): value for key, value in changes.items()}
    return sweep_config.build({"name": "tiny", "base": overridden(base, changed), "axes": axes})


def write(home: Path, wanted: Sweep) -> Path:
    path = home / f"{wanted.name}.yaml"
    files.write_text(path, yaml.safe_dump(wanted.model_dump(mode="json"), sort_keys=False))
    return path


@contextmanager
def workers(count: int, *arguments: str) -> Generator[list[Command]]:
    """`mlxts worker` processes in this workspace; those still there at the end are killed."""
    command = ["worker", "--quiet", "--exit-when-idle"]
    command += ["--workers-per-device", str(count), *arguments]
    started = [processes.start(command) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def until(holds: Callable[[], Any], seconds: float = 300.0) -> Any:
    """The first true answer of `holds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := holds():
            return answer
        time.sleep(0.02)
    raise AssertionError("it never happened")


def kill_mid_run(study: optuna.Study, started: list[Command]) -> FrozenTrial:
    """SIGKILL the first worker that is seen to have a checkpoint of a run it still trains.

    Returns:
        The trial that it was at.
    """
    own = {process.pid: process for process in started}

    def in_the_middle() -> FrozenTrial | None:
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            owner, run_id = trial.user_attrs.get(claims.OWNER), trial.user_attrs.get("run_id")
            folder = files.runs_folder() / str(run_id)
            if owner is None or not (folder / "checkpoint" / "last").is_dir():
                continue
            own[owner["pid"]].send_signal(signal.SIGSTOP)  # it must not finish while we look
            if not (folder / "summary.json").exists():
                own[owner["pid"]].send_signal(signal.SIGKILL)
                return trial
            own[owner["pid"]].send_signal(signal.SIGCONT)
        return None

    return until(in_the_middle)


def check_ledger(study: optuna.Study, runs: int, killed: FrozenTrial) -> None:
    """Every run is done exactly once, the killed one from its checkpoint, and nothing is left."""
    trials = study.get_trials()
    by_state = {state: [t for t in trials if t.state == state] for state in TrialState}
    assert not by_state[TrialState.RUNNING]
    assert not by_state[TrialState.WAITING]
    assert len(by_state[TrialState.COMPLETE]) == runs
    assert [t.number for t in by_state[TrialState.FAIL]] == [killed.number]
    # Two workers that find it dead at once may both queue it; the second one to begin sees the
    # first and ends without training.
    twins = by_state[TrialState.PRUNED]
    assert all(twin.params == killed.params for twin in twins)
    assert len(twins) < 3
    assert len(trials) == runs + 1 + len(twins)  # nothing was invented, nothing was done twice
    points = sweep_study.points(study)
    assert [point.state for point in points] == ["done"] * runs
    done = {point.attribute("run_id") for point in points}
    assert done == {folder.name for folder in files.runs_folder().iterdir()}
    assert len(done) == runs
    (again,) = [t for t in by_state[TrialState.COMPLETE] if t.params == killed.params]
    assert job_queue.retries(again) == [killed.number]
    assert again.user_attrs["run_id"] == killed.user_attrs["run_id"]
    assert again.user_attrs["resumed_at_step"] > 0
    check_resumed(again.user_attrs["run_id"])


def check_resumed(run_id: str) -> None:
    """A run was begun once, and gone on with once."""
    lines = (files.runs_folder() / run_id / "events.jsonl").read_text().splitlines()
    starts = [json.loads(line) for line in lines if '"start"' in line]
    assert [start["resumed"] for start in starts] == [False, True]
