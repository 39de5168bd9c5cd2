"""A sweep as an Optuna study: its points are queued as trials, each to be trained once.

The study holds all that another machine needs besides data: the sweep itself, the code version
and the hashes of the artifacts that it was planned with. Its values are validation losses.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.trial import FrozenTrial, TrialState

from mlxts import code_version, locks
from mlxts.errors import SearchError
from mlxts.files import runs_folder
from mlxts.runs.folder import RunFolder
from mlxts.search import storage, sweep_config, worker_checks
from mlxts.search.sweep_config import Point, Sweep, Value

KIND = "sweep"
STATES = ("done", "running", "waiting", "failed", "not queued")  # the first that holds is shown


@dataclass(frozen=True)
class Entry:
    """What has become of one point."""

    point: Point
    state: str  # one of STATES
    trial: FrozenTrial | None  # that the state was read from
    tries: int

    @property
    def why(self) -> str | None:
        """What a failed one died of."""
        if self.state != "failed" or self.trial is None:
            return None
        silent = f"its worker died, {self.tries} times"
        return self.trial.user_attrs.get("why", silent)

    def attribute(self, name: str) -> Any:
        """A user attribute of the trial, None where it has none."""
        return self.trial.user_attrs.get(name) if self.trial else None


class NothingWaitingError(SearchError):
    """Every queued trial was claimed by somebody else."""


class _Queue(optuna.Study):
    """A study that runs what was queued and nothing else: no sampler invents a trial.

    Trials whose checkpoint lies on this machine go first, so that work which was cut short is
    taken up where it can be continued. A run that another process of this machine still holds (it
    was stopped, and will find that its trial was given away) waits until that one has let go.
    """

    def ask(self, fixed_distributions: dict[str, Any] | None = None) -> optuna.Trial:
        waiting = self.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        for trial in sorted(waiting, key=lambda t: (not _begun_here(t), t.number)):
            if _held_here(trial):
                continue
            self._sign_of_life(trial)
            try:
                claimed = self._storage.set_trial_state_values(
                    trial._trial_id, state=TrialState.RUNNING
                )
            except optuna.exceptions.UpdateFinishedTrialError:
                continue
            if claimed:
                return optuna.Trial(self, trial._trial_id)
        raise NothingWaitingError("nothing is waiting")

    def _sign_of_life(self, trial: FrozenTrial) -> None:
        """The first heartbeat, before the claim: a worker that is killed right after it would
        otherwise leave a trial that runs for ever, for only silence after a heartbeat is noticed.
        """
        if isinstance(self._storage, BaseHeartbeat):
            self._storage.record_heartbeat(trial._trial_id)


def name_of(sweep: Sweep) -> str:
    """`sweep-<name>-<hash>`: other runs, or other code, make another study."""
    runs = sorted(point.config.hash for point in sweep.points())
    return storage.study_name(
        KIND, sweep.name, {"runs": runs, "code": code_version.of(code_version.RUN)}
    )


def create(sweep: Sweep, store: BaseStorage) -> optuna.Study:
    """The study of a sweep, made if it is not there, with every point queued that never was.

    The artifacts are pinned once, by whoever comes first; later downloads change no sweep.
    """
    name, points = name_of(sweep), sweep.points()
    with suppress(DuplicatedStudyError):
        optuna.create_study(study_name=name, storage=store, sampler=RandomSampler(seed=0))
    study = load(name, store)
    pins = worker_checks.pins(point.config for point in points)
    attributes = {
        "config": sweep.model_dump(mode="json"),
        "code": code_version.of(code_version.RUN),
        "data": pins | study.user_attrs.get("data", {}),
        "kind": KIND,  # last: a study without it is not looked at
    }
    for key, value in attributes.items():
        if study.user_attrs.get(key) != value:
            study.set_user_attr(key, value)
    with _one_at_a_time(store):
        for entry in ledger(study):
            if entry.state == "not queued":
                study.enqueue_trial(entry.point.values)
    return study


def find(sweep: Sweep, store: BaseStorage) -> optuna.Study | None:
    """The study of a sweep, None where it was never begun in this storage."""
    name = name_of(sweep)
    return load(name, store) if name in storage.study_names(store, KIND) else None


def load(name: str, store: BaseStorage) -> optuna.Study:
    return _Queue(study_name=name, storage=store, sampler=RandomSampler(seed=0))


def of(study: optuna.Study) -> Sweep:
    """The sweep that a study was made of."""
    return sweep_config.build(study.user_attrs["config"], origin=study.study_name)


def ledger(study: optuna.Study) -> list[Entry]:
    """What has become of every point, in the order of the sweep."""
    trials: dict[tuple, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        trials.setdefault(_key(values_of(trial)), []).append(trial)
    sweep = of(study)
    return [_entry(point, trials.get(_key(point.values), [])) for point in sweep.points()]


def retry_failed(study: optuna.Study, store: BaseStorage) -> int:
    """Queue the points that failed once more. Returns how many."""
    with _one_at_a_time(store):
        failed = [entry for entry in ledger(study) if entry.state == "failed"]
        for entry in failed:
            study.enqueue_trial(entry.point.values)
    return len(failed)


def waiting(study: optuna.Study) -> bool:
    return bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def running(study: optuna.Study) -> bool:
    return bool(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def values_of(trial: FrozenTrial) -> dict[str, Value]:
    """The point that a trial stands for, also before it is begun."""
    return trial.params or trial.system_attrs.get("fixed_params", {})


def _entry(point: Point, trials: list[FrozenTrial]) -> Entry:
    by_state = {
        "done": TrialState.COMPLETE,
        "running": TrialState.RUNNING,
        "waiting": TrialState.WAITING,
        "failed": TrialState.FAIL,
    }
    tries = sum(trial.state == TrialState.FAIL for trial in trials)
    for name, state in by_state.items():
        found = [trial for trial in trials if trial.state == state]
        if not found:
            continue
        # Put back by a worker that was stopped, which was stopped again before it could queue it.
        if name == "failed" and found[-1].user_attrs.get("put_back"):
            return Entry(point, "not queued", found[-1], tries)
        return Entry(point, name, found[-1], tries)
    return Entry(point, "not queued", None, tries)


def _key(values: dict[str, Value]) -> tuple:
    return tuple(sorted((name, str(value)) for name, value in values.items()))


def _begun_here(trial: FrozenTrial) -> bool:
    run_id = trial.user_attrs.get("run_id")
    return bool(run_id) and RunFolder(runs_folder() / run_id).checkpoints.is_dir()


def _held_here(trial: FrozenTrial) -> bool:
    run_id = trial.user_attrs.get("run_id")
    return bool(run_id) and locks.holder(RunFolder(runs_folder() / run_id).lock) is not None


@contextmanager
def _one_at_a_time(store: BaseStorage) -> Generator[None]:
    """Let nobody else on this machine queue the same points at the same moment.

    Two machines that do are noticed when their trials begin.
    """
    if isinstance(store, storage.Journal):
        with store.claim_lock():
            yield
    else:
        yield
