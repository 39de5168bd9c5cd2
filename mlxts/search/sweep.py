"""A sweep as an Optuna study: its points are queued as trials, each to be trained once.

The study holds all that another machine needs besides data: the sweep itself, the code version
and the hashes of the artifacts that it was planned with. Its values are validation losses. A run
is the run folder that `mlxts train` would make; a trial whose point is done, or being done,
elsewhere gives way.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from mlxts import code_version
from mlxts.evaluation import comparison
from mlxts.platform import device
from mlxts.runs.predictions import NETWORK
from mlxts.search import job_queue, jobs, storage, sweep_config, worker_checks
from mlxts.search.jobs import Duplicate, Job, Listen, Outcome
from mlxts.search.sweep_config import Point, Sweep
from mlxts.training.plan import make_plan

KIND = "sweep"
_TRIAL_STATES = {  # of a point: the first that one of its trials is in
    "done": TrialState.COMPLETE,
    "running": TrialState.RUNNING,
    "waiting": TrialState.WAITING,
    "failed": TrialState.FAIL,
}
STATES = (*_TRIAL_STATES, "not queued")
_CUT_SHORT = "put_back"  # what version 0.1 marked a trial with that was to wait again


@dataclass(frozen=True)
class SweepPoint:
    """What has become of one point."""

    point: Point
    state: str  # one of STATES
    trial: FrozenTrial | None  # that the state was read from
    failures: int

    @property
    def why(self) -> str | None:
        """What a failed one died of."""
        if self.state != "failed":
            return None
        return self.attribute(job_queue.WHY) or f"its worker died, {self.failures} times"

    def attribute(self, name: str) -> Any:
        """A user attribute of the trial, None where it has none."""
        return self.trial.user_attrs.get(name) if self.trial else None


def name_of(sweep: Sweep) -> str:
    """`sweep-<name>-<hash>`: other runs, or other code, make another study."""
    hashes = sorted(point.config.hash for point in sweep.points())
    return storage.study_name(
        KIND, sweep.name, {"runs": hashes, "code": code_version.of(code_version.RUN)}
    )


def create(store: BaseStorage, sweep: Sweep, leave_out: Collection[str] = ()) -> optuna.Study:
    """The study of a sweep, made if it is not there, with every point queued that never was.

    The artifacts are pinned once, by whoever comes first; later downloads change no sweep.

    Args:
        leave_out: labels of points that are not queued now.
    """
    stored = find(store, sweep)
    hashes = worker_checks.pins(point.config for point in sweep.points())
    attributes = {
        "config": sweep.model_dump(mode="json"),
        "code": code_version.of(code_version.RUN),
        "data": {**hashes, **(stored.user_attrs["data"] if stored else {})},
        "kind": KIND,
    }
    storage.make_study(store, name_of(sweep), attributes)
    study = load(store, name_of(sweep))
    job_queue.requeue_marked(study, store)
    _enqueue(study, store, "not queued", leave_out)
    return study


def find(store: BaseStorage, sweep: Sweep) -> optuna.Study | None:
    """The study of a sweep, None where it was never started in this storage."""
    name = name_of(sweep)
    return load(store, name) if name in storage.study_names(store, KIND) else None


def load(store: BaseStorage, name: str) -> optuna.Study:
    """A sweep's study by its whole name."""
    return optuna.load_study(study_name=name, storage=store, sampler=RandomSampler(seed=0))


def sweep_of(study: optuna.Study) -> Sweep:
    """The sweep that a study was made of."""
    return sweep_config.build(study.user_attrs["config"], origin=study.study_name)


def points(study: optuna.Study) -> list[SweepPoint]:
    """What has become of every point, in the order of the sweep."""
    trials: dict[tuple, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        trials.setdefault(_key(job_queue.parameters(trial)), []).append(trial)
    return [
        _sweep_point(point, trials.get(_key(point.values), []))
        for point in sweep_of(study).points()
    ]


def retry_failed(study: optuna.Study, store: BaseStorage) -> int:
    """Queue the points that failed once more. Returns how many."""
    return _enqueue(study, store, "failed")


def require_machine(study: optuna.Study) -> None:
    """Raises SearchError: this machine has other data or code than the sweep was planned with."""
    worker_checks.require_code(study.user_attrs["code"])
    worker_checks.require_data(study.user_attrs["data"])


def has_work(study: optuna.Study) -> bool:
    return job_queue.count(study, TrialState.WAITING) > 0


def work(study: optuna.Study, store: BaseStorage, listen: Listen) -> Outcome | None:
    """Train exactly one waiting run of a sweep: see `jobs.work`."""
    job_queue.recover(study, store)
    return jobs.work(study, store, _train, listen=listen)


def _train(job: Job) -> float:
    """The validation loss of a point."""
    sweep = sweep_of(job.study)
    values = {axis: job.trial.suggest_categorical(axis, sweep.choices(axis)) for axis in sweep.axes}
    point = sweep.point(values)
    job.label = point.label
    _raise_if_duplicate(job)
    plan = make_plan(worker_checks.pinned(point.config, job.study.user_attrs["data"]))
    job.identify(plan)
    summary = job.train(plan)
    _raise_if_duplicate(job)
    scores = summary["scores"]["validation"][NETWORK]
    for key, value in {
        **{key: summary[key] for key in ("status", "n_total", "steps", "train_seconds")},
        "verdict": scores.get("verdict"),
        "reference": comparison.reference(scores),
        "device": device.device_name(),
    }.items():
        job.trial.set_user_attr(key, value)
    return float(summary["best_loss"])


def _raise_if_duplicate(job: Job) -> None:
    if twin := job.find_twin(TrialState.COMPLETE):
        raise Duplicate(f"trial {twin.number} is the same run")


def _sweep_point(point: Point, trials: list[FrozenTrial]) -> SweepPoint:
    failures = sum(trial.state == TrialState.FAIL for trial in trials)
    for state, of_trial in _TRIAL_STATES.items():
        matches = [trial for trial in trials if trial.state == of_trial]
        if not matches:
            continue
        # It was to wait again, and whoever ended it was stopped before it could queue it.
        cut_short = matches[-1].user_attrs.get(_CUT_SHORT) or job_queue.will_be_retried(matches[-1])
        if state == "failed" and cut_short:
            state = "not queued"
        return SweepPoint(point, state, matches[-1], failures)
    return SweepPoint(point, "not queued", None, failures)


def _enqueue(
    study: optuna.Study, store: BaseStorage, state: str, leave_out: Collection[str] = ()
) -> int:
    """Queue the points that are in some state, but for labels to leave out. Returns how many.

    Two machines that queue the same ones at the same time are noticed when the trials start.
    """
    with job_queue.one_at_a_time(store):
        queued = [
            point
            for point in points(study)
            if point.state == state and point.point.label not in leave_out
        ]
        for point in queued:
            study.enqueue_trial(point.point.values)
    return len(queued)


def _key(values: dict[str, Any]) -> tuple:
    return tuple(sorted((name, str(value)) for name, value in values.items()))
