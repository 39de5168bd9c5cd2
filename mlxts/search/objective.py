"""One trial: a real run, judged by its validation loss at the best epoch.

The value is the loss of the checkpoint that is restored at the end (log loss in nats, or Huber
for regression). After every epoch the best so far is reported, and the pruner may end the run.
"""

import gc
import math
import time
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from mlxts import experiment, locks, protocol, run_files
from mlxts.config.experiment import ExperimentConfig
from mlxts.errors import BudgetError, BusyError, ConfigError, DivergedError, TakenOverError
from mlxts.platform import device
from mlxts.search import space, storage, train_validation_data
from mlxts.search.space import Space, Values
from mlxts.search.train_validation_data import Blind
from mlxts.training import log, run
from mlxts.training.events import EpochEvent, Event, Listener, StopEvent, ValidationEvent
from mlxts.training.run import Plan

RUN, REASON, DUPLICATE, SECONDS = "run_id", "reason", "duplicate_of", "train_seconds"
COUNTS = ("n_total", "n_body", "n_embed", "n_head")
TAKEN_OVER = "taken over"  # status of a run whose trial was given to another worker
LOOKS = 10.0  # seconds between two looks whether the trial still is this worker's
_POLL = 2.0  # seconds between two looks at a twin that is being trained
OUT_OF_TIME = "the time is up; go on with the same command"
COLLAPSE_EPOCHS = 2  # in a row, the first not counted, until a trial is given up as collapsed


class Halted(Exception):
    """Training stopped for a reason that is not the trial's: it can go on where it stopped.

    `status` is interrupted, overheated, timeout, or `TAKEN_OVER`: then another worker goes on.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Objective:
    """What Optuna minimises."""

    def __init__(
        self,
        base: ExperimentConfig,
        varied: Space,
        *,
        emit: Listener = lambda event: None,
        began: Callable[[optuna.Trial, Values, Plan | None], None] = lambda *_: None,
        out_of_time: Callable[[], bool] = lambda: False,
        look: Callable[[ExperimentConfig], Blind] = train_validation_data.load,
    ) -> None:
        """
        Args:
            base: the experiment around the search.
            varied: the dimensions.
            emit: told of every event of training.
            began: told of each trial before its run starts; without a plan where there is none.
            out_of_time: asked after every step; true halts the trial.
            look: gives the data. Its type has no test split.
        """
        self._base, self._space = base, varied
        self._emit, self._began = emit, began
        self._out_of_time, self._look = out_of_time, look

    def __call__(self, trial: optuna.Trial) -> float:
        """The value of a trial.

        Raises:
            TrialPruned: infeasible, diverged, collapsed, or not promising; `REASON` says which.
            Halted: cut short; the trial must be queued again.
            TakenOverError: another worker was given the trial.
            MlxtsError: see `experiment.execute`.
        """
        values = space.suggest(trial, self._space)
        plan = self._feasible(trial, values)
        trial.set_user_attr(RUN, plan.run_id)
        for key in COUNTS:
            trial.set_user_attr(key, plan.record()[key])
        if (twin := self._twin(trial, plan)) is not None:
            return _as_before(trial, twin)
        self._began(trial, values, plan)
        try:
            return self._train(trial, plan)
        except BusyError:  # somebody else was faster; he may end without a result
            return self(trial)
        finally:
            gc.collect()  # the model and its optimizer hold each other through their closures
            mx.clear_cache()

    def _twin(self, trial: optuna.Trial, plan: Plan) -> FrozenTrial | None:
        """An earlier trial that was the same run, to its end; one that still trains is waited for.

        It may die meanwhile; then this one trains the run, and its retry finds it done.
        """
        store = trial.study._storage
        while True:
            twin = _first_of_run(trial, plan.run_id)
            if twin is not None and twin.state.is_finished():
                return twin
            if twin is None and locks.holder(plan.folder / run.LOCK) is None:
                return None
            if self._out_of_time():
                raise Halted("timeout", OUT_OF_TIME)
            storage.require_ours(store, trial)
            time.sleep(_POLL)
            storage.recover(trial.study, store)

    def _feasible(self, trial: optuna.Trial, values: Values) -> Plan:
        """The plan of these values; infeasible ones are told to the sampler, nothing allocated."""
        try:
            configuration = space.configure(self._base, values)
            plan = run.plan(configuration, data=self._look(configuration).dataset)
        except (ConfigError, BudgetError) as error:
            self._began(trial, values, None)
            _constrain(trial, "shape", 1.0)
            raise _pruned(trial, f"infeasible: {error}") from error
        _constrain(trial, "shape", 0.0)
        needed = plan.memory_bytes()
        usable = device.usable_memory()
        _constrain(trial, "memory", needed / usable - 1)
        if needed > usable:
            self._began(trial, values, None)
            raise _pruned(
                trial,
                f"infeasible: needs {needed / 2**30:.1f} GiB of {usable / 2**30:.1f} GiB",
            )
        return plan

    def _train(self, trial: optuna.Trial, plan: Plan) -> float:
        watch = _Watch(trial, plan, self._out_of_time)

        def listen(event: Event) -> None:
            watch(event)
            self._emit(event)

        if stop := watch.replay():
            raise _pruned(trial, stop.message)
        try:
            summary = experiment.execute(
                plan, emit=listen, resume=True, gate=watch.gate, permit=watch.permit
            )
        except DivergedError as error:
            raise _pruned(trial, f"diverged: {error}") from error
        if summary["status"] == "pruned":
            raise _pruned(trial, summary["message"])
        if summary["status"] not in experiment.FINISHED:
            raise Halted(summary["status"], summary["message"])
        trial.set_user_attr(SECONDS, summary["train_seconds"])
        if summary["collapsed"]:
            raise _pruned(trial, "collapsed: the best checkpoint predicts one value for all")
        return float(summary["best_loss"])


class _Watch:
    """Reports each epoch's best loss to the study and asks it whether to go on.

    While the storage is away training goes on; what it was not told it is told when it is back.
    """

    def __init__(self, trial: optuna.Trial, plan: Plan, out_of_time: Callable[[], bool]) -> None:
        self._trial, self._plan, self._out_of_time = trial, plan, out_of_time
        self._reported = set(_frozen(trial).intermediate_values)
        self._untold: dict[int, float] = {}  # epoch -> best loss, for a storage that was away
        self._next_look = time.monotonic() + LOOKS
        self._best = math.inf
        self._spreads: list[float] = []  # of the predictions, at the looks of this epoch
        self._collapsed_epochs = self._judged = 0
        self._stop: StopEvent | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, ValidationEvent):
            self._best = min(self._best, event.loss)
            low, high = event.prediction_range
            self._spreads.append(high - low)
        elif isinstance(event, EpochEvent):
            self._stop = self._judge(event.step, event.epoch + 1)

    def gate(self, step: int) -> StopEvent | None:
        if self._stop:
            return self._stop
        if self._out_of_time():
            return StopEvent(step, "timeout", OUT_OF_TIME)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOKS
            self.permit()
        return None

    def permit(self) -> None:
        """Raises TakenOverError: the trial is another worker's, nothing may be written any more."""
        storage.require_ours(self._trial.study._storage, self._trial)

    def replay(self) -> StopEvent | None:
        """Take in what a run that was cut short had said already, as if it said it now.

        A summary needs no replay: its run is over and was not pruned.
        """
        if run_files.is_finished(self._plan.folder):
            return None
        for row in log.read(self._plan.folder / log.METRICS):
            if row["split"] == "validation":
                spread = tuple(row["prediction_range"])
                self(ValidationEvent(row["step"], row["epoch"], row["loss"], 0.0, False, spread))
            elif row["split"] == "train_epoch":
                self(EpochEvent(row["step"], row["epoch"], row["loss"], row["seconds"]))
            if self._stop:
                return self._stop
        known = self._trial.user_attrs.get(REASON)
        return StopEvent(0, "pruned", known) if known else None

    def _judge(self, step: int, epochs: int) -> StopEvent | None:
        """Whether a trial is given up after `epochs` of them; never after its last one."""
        collapsed = self._all_alike() and epochs > 1
        self._spreads = []
        if epochs <= self._judged:
            return None  # lived through again, from an older checkpoint
        self._judged = epochs
        self._collapsed_epochs = self._collapsed_epochs + 1 if collapsed else 0
        if epochs not in self._reported:
            self._reported.add(epochs)
            self._untold[epochs] = self._best
        try:
            with storage.if_reachable():
                return self._told(step, epochs)
        except UpdateFinishedTrialError as error:
            raise TakenOverError(storage.GIVEN_AWAY) from error
        return None

    def _told(self, step: int, epochs: int) -> StopEvent | None:
        """Tell the study what it does not know yet, and ask it."""
        while self._untold:
            epoch = min(self._untold)
            self._trial.report(self._untold[epoch], epoch)
            del self._untold[epoch]
        if epochs >= self._plan.config.training.max_epochs:
            return None
        if self._collapsed_epochs == COLLAPSE_EPOCHS:
            reason = f"collapsed: one prediction for all, epoch {epochs}"
        elif self._trial.should_prune():
            reason = f"not promising: {self._best:.4f}, epoch {epochs}"
        else:
            return None
        self._trial.set_user_attr(REASON, reason)  # before the checkpoint: it may be killed there
        return StopEvent(step, "pruned", reason)

    def _all_alike(self) -> bool:
        return self._plan.binary and max(self._spreads, default=1.0) < protocol.COLLAPSE_RANGE


def _pruned(trial: optuna.Trial, reason: str) -> optuna.TrialPruned:
    trial.set_user_attr(REASON, reason)
    return optuna.TrialPruned(reason)


def _constrain(trial: optuna.Trial, key: str, value: float) -> None:
    """Tell the sampler how far from feasible a trial is; 0 or less is feasible."""
    if key not in _frozen(trial).constraints:  # a trial that is run again has it already
        trial.set_constraint(key, value)


def _first_of_run(trial: optuna.Trial, run_id: str) -> FrozenTrial | None:
    """Another trial that is the same run: one that is over, else one that began before this one."""
    alive = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    same = [
        other
        for other in trial.study.get_trials(deepcopy=False, states=alive)
        if other.number != trial.number and other.user_attrs.get(RUN) == run_id
    ]
    over = [other for other in same if other.state.is_finished()]
    return next(iter(over), None) or next((o for o in same if _began_before(o, trial)), None)


def _began_before(other: FrozenTrial, trial: optuna.Trial) -> bool:
    assert other.datetime_start is not None  # both are running
    assert trial.datetime_start is not None
    return (other.datetime_start, other.number) < (trial.datetime_start, trial.number)


def _as_before(trial: optuna.Trial, twin: FrozenTrial) -> float:
    """End a trial as its twin ended, without training."""
    trial.set_user_attr(DUPLICATE, twin.user_attrs.get(DUPLICATE, twin.number))
    reported = _frozen(trial).intermediate_values
    for step, value in twin.intermediate_values.items():
        if step not in reported:
            trial.report(value, step)
    if twin.state == TrialState.PRUNED:
        raise _pruned(trial, twin.user_attrs.get(REASON, "pruned before"))
    assert twin.value is not None
    return twin.value


def _frozen(trial: optuna.Trial) -> FrozenTrial:
    return trial.study._storage.get_trial(trial._trial_id)


_SHOWN = (RUN, REASON, DUPLICATE, SECONDS, *COUNTS, storage.WHY)


def describe(trial: FrozenTrial) -> dict[str, Any]:
    """One row of the table of trials; None where there is nothing to say."""
    attributes = trial.user_attrs
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value,
        "epochs": max(trial.intermediate_values, default=None),
        **{key: attributes.get(key) for key in _SHOWN},
        "params": trial.params,
    }
