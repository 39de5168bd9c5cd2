"""A worker: do the next job, of either kind, until there is none.

Any number of them, on any number of machines, share one storage. A job is one run of a sweep or
one trial of a search; who gets it is settled by the storage.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from mlxts.errors import MlxtsError, SearchError
from mlxts.search import job_queue, storage, sweep
from mlxts.search import study as search
from mlxts.search.jobs import Listen, Outcome


class JobKind(Protocol):
    """What a worker needs to know of one kind of study; a module."""

    def load(self, store: BaseStorage, name: str, /) -> optuna.Study: ...

    def require_machine(self, study: optuna.Study, /) -> None:
        """Raises SearchError where this machine must not work on the study."""
        ...

    def work(self, study: optuna.Study, store: BaseStorage, listen: Listen, /) -> Outcome | None:
        """Do exactly one job. None: there is nothing to do now."""
        ...

    def has_work(self, study: optuna.Study, /) -> bool:
        """Whether a job is queued."""
        ...


KINDS: dict[str, JobKind] = {sweep.KIND: sweep, search.KIND: search}


@dataclass
class WorkerReport:
    """What a worker did before it ended."""

    outcomes: list[Outcome] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # study -> why

    @property
    def stopped_by(self) -> str | None:
        """interrupted or overheated, where that ended it."""
        return self.outcomes[-1].stopped_by if self.outcomes else None


def loop(
    store: BaseStorage,
    *,
    listen: Listen,
    notify: Callable[[str], None],
    done: Callable[[str, Outcome], None] = lambda study, outcome: None,
    only: str | None = None,
    once: bool = False,
    exit_when_idle: bool = False,
    poll_seconds: float = 5.0,
) -> WorkerReport:
    """Work until stopped.

    Args:
        listen: makes the listener of a run.
        notify: gets a line for the person at the terminal.
        done: is given every outcome.
        only: the one study to work on; None for all of them, the oldest first.
        once: end after one job, or at once where there is none.
        exit_when_idle: end when everything is done; work that runs elsewhere is waited for,
            because its worker may die.
        poll_seconds: between two checks while there is nothing to do.

    Raises:
        KeyboardInterrupt: what was claimed has been put back.
    """
    report, idle = WorkerReport(), False
    while True:
        studies = _ready(store, only, report, notify)
        outcome = None
        for kind, study in studies:
            outcome = kind.work(study, store, listen)
            if outcome:
                report.outcomes.append(outcome)
                done(study.study_name, outcome)
                break
        if outcome:
            idle = False
            if once or outcome.stopped_by:
                return report
            continue
        if once or (exit_when_idle and not any(_is_open(*study, store) for study in studies)):
            return report
        if not idle:
            notify("nothing to do now; waiting for work (Ctrl-C ends)")
        idle = True
        time.sleep(poll_seconds)


def progress(name: str, store: BaseStorage) -> str:
    """How far a study is: `12 done, 2 running, 10 waiting`."""
    states = {
        "done": (TrialState.COMPLETE, TrialState.PRUNED),
        "running": TrialState.RUNNING,
        "waiting": TrialState.WAITING,
    }
    study_id = store.get_study_id_from_name(name)
    counts = {label: store.get_n_trials(study_id, state) for label, state in states.items()}
    return ", ".join(f"{n} {label}" for label, n in counts.items() if n or label == "done")


def _is_open(kind: JobKind, study: optuna.Study, store: BaseStorage) -> bool:
    """Whether there is work left, or being done elsewhere that may come back."""
    job_queue.recover(study, store)
    return kind.has_work(study) or job_queue.count(study, TrialState.RUNNING) > 0


def _ready(
    store: BaseStorage, only: str | None, report: WorkerReport, notify: Callable[[str], None]
) -> list[tuple[JobKind, optuna.Study]]:
    """The studies that this machine may work on now; the reason for a refusal is given once."""
    ready = []
    for name in [only] if only else storage.study_names(store):
        try:
            ready.append(_open(name, store))
        except (MlxtsError, LookupError, TypeError, ValueError) as error:
            # Of another version, or of another program that shares the storage.
            readable = isinstance(error, MlxtsError)
            why = str(error) if readable else f"this version cannot read it ({error!r})"
            if report.refused.get(name) != why:
                notify(f"{name} is skipped: {why}")
            report.refused[name] = why
        else:
            report.refused.pop(name, None)
    return ready


def _open(name: str, store: BaseStorage) -> tuple[JobKind, optuna.Study]:
    """A study and its kind. Raises SearchError: this machine must not work on it."""
    try:
        study = optuna.load_study(study_name=name, storage=store)
    except KeyError as error:
        names = ", ".join(storage.study_names(store)) or "none yet"
        raise SearchError(f"no study {name} in this storage; there are: {names}") from error
    kind = KINDS.get(study.user_attrs.get("kind", ""))
    if kind is None:
        raise SearchError(
            f"this version knows no work of kind {study.user_attrs.get('kind', '')!r}; update it"
        )
    kind.require_machine(study)
    return kind, kind.load(store, name)
