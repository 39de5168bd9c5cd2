"""A worker: take the next piece of work, of either kind, until there is none.

Any number of them, on any number of machines, share one storage. A piece is one run of a sweep or
one trial of a search; who gets it is settled by the storage.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from mlxts.errors import MlxtsError, SearchError
from mlxts.search import storage, study, sweep, sweep_worker, worker_checks
from mlxts.search.objective import REASON, RUN, TAKEN_OVER, Halted
from mlxts.search.space import Values
from mlxts.search.sweep_worker import Listen, Outcome, State
from mlxts.training.events import Event, Listener
from mlxts.training.plan import Plan


class Kind(Protocol):
    """What a worker needs to know of one kind of study."""

    def require(self, name: str, store: BaseStorage) -> None:
        """Raises SearchError where this machine must not work on the study."""
        ...

    def work(self, name: str, store: BaseStorage, listen: Listen) -> Outcome | None:
        """Do exactly one piece. None: there is nothing to do now."""
        ...

    def unfinished(self, name: str, store: BaseStorage) -> bool:
        """Whether there is work left, or being done elsewhere that may come back."""
        ...


class _Sweeps:
    """Runs of sweeps."""

    def require(self, name: str, store: BaseStorage) -> None:
        planned = _attributes(name, store)
        worker_checks.require_code(planned["code"])
        worker_checks.require_data(planned["data"])

    def work(self, name: str, store: BaseStorage, listen: Listen) -> Outcome | None:
        return sweep_worker.work(sweep.load(name, store), store, listen)

    def unfinished(self, name: str, store: BaseStorage) -> bool:
        runs = sweep.load(name, store)
        storage.recover(runs, store)
        return sweep.waiting(runs) or sweep.running(runs)


class _Searches:
    """Trials of hyperparameter searches."""

    def require(self, name: str, store: BaseStorage) -> None:
        # The code first: what another version wrote down this one may not be able to read.
        worker_checks.require_code(_attributes(name, store)["code_version"])
        worker_checks.require_data(study.settings(study.load(store, name)).experiment.data.pinned)

    def work(self, name: str, store: BaseStorage, listen: Listen) -> Outcome | None:
        watcher = _Watcher(listen)
        try:
            study.work(study.load(store, name), store, watcher=watcher)
        except Halted as halted:
            if halted.status == TAKEN_OVER:
                return watcher.outcome("lost", halted.message)
            return watcher.outcome("put back", halted.message, stopped_by=halted.status)
        except MlxtsError as error:
            return watcher.outcome("failed", str(error))
        finally:
            watcher.close()
        return watcher.outcome("done")

    def unfinished(self, name: str, store: BaseStorage) -> bool:
        search = study.load(store, name)
        storage.recover(search, store)
        running = search.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return study.end(search) is None or bool(running)


class _Watcher(study.Watcher):
    """Gives a trial's run the listener that every other run gets."""

    def __init__(self, listen: Listen) -> None:
        self._listen, self._stack = listen, ExitStack()
        self._emit: Listener = lambda event: None
        self._trial: optuna.Trial | None = None
        self._study: optuna.Study | None = None

    def __call__(self, event: Event) -> None:
        self._emit(event)

    def began(self, trial: optuna.Trial, values: Values, plan: Plan | None) -> None:
        self._trial = trial
        if plan is not None:
            self._emit = self._stack.enter_context(self._listen(plan))

    def ended(self, study: optuna.Study) -> None:
        self._study = study
        self.close()

    def close(self) -> None:
        self._stack.close()

    def outcome(
        self, state: State, why: str | None = None, stopped_by: str | None = None
    ) -> Outcome | None:
        """What became of the trial; None where none was begun."""
        if self._trial is None or self._study is None:
            return None
        trial = self._study.trials[self._trial.number]
        if trial.state == TrialState.PRUNED:
            state, why = "pruned", trial.user_attrs.get(REASON)
        return Outcome(
            state, f"trial {trial.number}", trial.user_attrs.get(RUN), trial.value, why, stopped_by
        )


KINDS: dict[str, Kind] = {sweep.KIND: _Sweeps(), study.KIND: _Searches()}


@dataclass
class Tally:
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
    tell: Callable[[str], None],
    done: Callable[[str, Outcome], None] = lambda study, outcome: None,
    only: str | None = None,
    once: bool = False,
    idle_exit: bool = False,
    poll_seconds: float = 5.0,
) -> Tally:
    """Work until told to stop.

    Args:
        listen: who watches a run while it trains.
        tell: gets a line for the person at the terminal.
        done: told of every piece when it has ended.
        only: the one study to work on; None for all of them, the oldest first.
        once: end after one piece, or at once where there is none.
        idle_exit: end when everything is done; work that runs elsewhere is waited for, because
            its worker may die.
        poll_seconds: between two looks while there is nothing to do.

    Raises:
        KeyboardInterrupt: what was claimed has been put back.
    """
    tally, idle = Tally(), False
    while True:
        names = _ready(store, only, tally, tell)
        outcome = None
        for name in names:
            outcome = _kind(name, store).work(name, store, listen)
            if outcome:
                tally.outcomes.append(outcome)
                done(name, outcome)
                break
        if outcome:
            idle = False
            if once or outcome.stopped_by:
                return tally
            continue
        if once or (idle_exit and not any(_kind(n, store).unfinished(n, store) for n in names)):
            return tally
        if not idle:
            tell("nothing to do now; waiting for work (Ctrl-C ends)")
        idle = True
        time.sleep(poll_seconds)


def standing(name: str, store: BaseStorage) -> str:
    """How far a study is: `12 done, 2 running, 10 waiting`."""
    states = {
        "done": (TrialState.COMPLETE, TrialState.PRUNED),
        "running": TrialState.RUNNING,
        "waiting": TrialState.WAITING,
    }
    study_id = store.get_study_id_from_name(name)
    counts = {said: store.get_n_trials(study_id, state) for said, state in states.items()}
    return ", ".join(f"{count} {said}" for said, count in counts.items() if count or said == "done")


def _ready(
    store: BaseStorage, only: str | None, tally: Tally, tell: Callable[[str], None]
) -> list[str]:
    """The studies that this machine may work on now; each refusal is told once."""
    ready = []
    for name in [only] if only else storage.study_names(store):
        try:
            _kind(name, store).require(name, store)
        except (MlxtsError, LookupError, TypeError, ValueError) as error:
            # Of another version, or of another program that shares the storage.
            known = isinstance(error, MlxtsError)
            why = str(error) if known else f"this version cannot read it ({error!r})"
            if tally.refused.get(name) != why:
                tell(f"{name} is left alone: {why}")
            tally.refused[name] = why
            continue
        tally.refused.pop(name, None)
        ready.append(name)
    return ready


def _kind(name: str, store: BaseStorage) -> Kind:
    kind = _attributes(name, store).get("kind", "")
    if kind not in KINDS:
        raise SearchError(f"this version knows no work of kind {kind!r}; update it")
    return KINDS[kind]


def _attributes(name: str, store: BaseStorage) -> dict[str, Any]:
    try:
        return store.get_study_user_attrs(store.get_study_id_from_name(name))
    except KeyError as error:
        listed = ", ".join(storage.study_names(store)) or "none yet"
        raise SearchError(f"no study {name} in this storage; there are: {listed}") from error
