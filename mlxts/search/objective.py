"""What a search minimises: a real run's validation loss at its best epoch.

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

from mlxts import locks, protocol
from mlxts.config.experiment import ExperimentConfig
from mlxts.errors import BudgetError, BusyError, ConfigError, DivergedError, TakenOverError
from mlxts.platform import device
from mlxts.runs.folder import RunFolder
from mlxts.search import job_queue, jobs, space, train_validation_data
from mlxts.search.database import if_reachable
from mlxts.search.job_queue import RUN_ID, WHY
from mlxts.search.jobs import Job, TrialInterrupted
from mlxts.search.space import Space, Values
from mlxts.search.train_validation_data import TrainValidationData
from mlxts.training.events import EpochEvent, Event, StopEvent, ValidationEvent
from mlxts.training.plan import Plan, make_plan

# User attributes of a trial.
REASON, DUPLICATE, SECONDS = "reason", "duplicate_of", "train_seconds"
COUNTS = ("n_total", "n_body", "n_embed", "n_head")
POLL_SECONDS = 2.0  # between two checks of a twin that is being trained
OUT_OF_TIME = "the time limit is reached; the same command continues"
COLLAPSE_EPOCHS = 2  # in a row, the first not counted, until a trial is given up as collapsed


class Objective:
    """What Optuna minimises."""

    def __init__(
        self,
        experiment: ExperimentConfig,
        searched: Space,
        *,
        out_of_time: Callable[[], bool] = lambda: False,
        load: Callable[[ExperimentConfig], TrainValidationData] = train_validation_data.load,
    ) -> None:
        """
        Args:
            experiment: around the search.
            searched: the dimensions.
            out_of_time: called after every step; true interrupts the trial.
            load: gives the data. Its type has no test split.
        """
        self._experiment, self._space = experiment, searched
        self._out_of_time, self._load = out_of_time, load

    def __call__(self, job: Job) -> float:
        """The value of a trial.

        Raises:
            TrialPruned: infeasible, diverged, collapsed, or not promising; `REASON` names it.
            TrialInterrupted: cut short; the trial must be queued again.
            TakenOverError: another worker was given the trial.
            MlxtsError: see `experiment.run_experiment`.
        """
        plan = self._feasible(job.trial, space.suggest(job.trial, self._space))
        job.identify(plan)
        for key in COUNTS:
            job.trial.set_user_attr(key, plan.to_dict()[key])
        if twin := self._finished_twin(job, plan):
            return _repeat(job, twin)
        try:
            return self._train(job, plan)
        except BusyError:  # another process began it first, and may end without a result
            return self(job)
        finally:
            gc.collect()  # the model and its optimizer hold each other through their closures
            mx.clear_cache()

    def _finished_twin(self, job: Job, plan: Plan) -> FrozenTrial | None:
        """An earlier trial that was the same run, to its end; one that still trains is waited for.

        It may die meanwhile; then this one trains the run, and its retry finds it done.
        """
        while True:
            twin = job.find_twin(TrialState.COMPLETE, TrialState.PRUNED)
            if twin is not None and twin.state.is_finished():
                return twin
            if twin is None and locks.holder(RunFolder(plan.folder).lock) is None:
                return None
            if self._out_of_time():
                raise TrialInterrupted("timeout", OUT_OF_TIME)
            job.require_ours()
            time.sleep(POLL_SECONDS)
            job_queue.recover(job.study, job.storage)

    def _feasible(self, trial: optuna.Trial, values: Values) -> Plan:
        """The plan of these values; the sampler learns of infeasible ones, nothing is allocated."""
        try:
            configuration = space.configure(self._experiment, values)
            plan = make_plan(configuration, data=self._load(configuration).dataset)
        except (ConfigError, BudgetError) as error:
            _constrain(trial, "shape", 1.0)
            raise _pruned(trial, f"infeasible: {error}") from error
        _constrain(trial, "shape", 0.0)
        needed, usable = plan.memory_bytes, device.usable_memory()
        _constrain(trial, "memory", needed / usable - 1)
        if needed > usable:
            raise _pruned(
                trial,
                f"infeasible: needs {needed / 2**30:.1f} GiB of {usable / 2**30:.1f} GiB",
            )
        return plan

    def _train(self, job: Job, plan: Plan) -> float:
        pruner = _Pruner(job, plan, self._out_of_time)
        if stop := pruner.replay():
            raise _pruned(job.trial, stop.message)
        try:
            summary = job.train(plan, emit=pruner, gate=pruner.gate)
        except DivergedError as error:
            raise _pruned(job.trial, f"diverged: {error}") from error
        job.trial.set_user_attr(SECONDS, summary["train_seconds"])
        if summary["collapsed"]:
            raise _pruned(job.trial, "collapsed: the best checkpoint predicts one value")
        return float(summary["best_loss"])


class _Pruner:
    """Reports each epoch's best loss to the study, whose pruner decides whether to go on.

    While the storage is away training goes on; what could not be reported is when it is back.
    """

    def __init__(self, job: Job, plan: Plan, out_of_time: Callable[[], bool]) -> None:
        self._job, self._plan, self._out_of_time = job, plan, out_of_time
        self._reported = set(job.stored.intermediate_values)
        self._unreported: dict[int, float] = {}  # epoch -> best loss, for a storage that was away
        self._best = math.inf
        self._ranges: list[float] = []  # of the predictions, at the validations of this epoch
        self._collapsed_epochs = self._judged_epochs = 0
        self._stop: StopEvent | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, ValidationEvent):
            self._best = min(self._best, event.loss)
            low, high = event.prediction_range
            self._ranges.append(high - low)
        elif isinstance(event, EpochEvent):
            self._stop = self._judge(event.step, event.epoch + 1)

    def gate(self, step: int) -> StopEvent | None:
        if self._stop is None and self._out_of_time():
            return StopEvent(step, "timeout", OUT_OF_TIME)
        return self._stop

    def replay(self) -> StopEvent | None:
        """Take in the events of a run that was cut short, as if they came now.

        A summary needs no replay: its run is over and was not pruned.
        """
        if RunFolder(self._plan.folder).is_finished:
            return None
        for row in RunFolder(self._plan.folder).metrics():
            if row["split"] == "validation":
                low_high = tuple(row["prediction_range"])
                self(ValidationEvent(row["step"], row["epoch"], row["loss"], 0.0, False, low_high))
            elif row["split"] == "train_epoch":
                self(EpochEvent(row["step"], row["epoch"], row["loss"], row["seconds"]))
            if self._stop:
                return self._stop
        reason = self._job.stored.user_attrs.get(REASON)
        return StopEvent(0, "pruned", reason) if reason else None

    def _judge(self, step: int, epochs: int) -> StopEvent | None:
        """Whether a trial is given up after `epochs` of them; never after its last one."""
        constant = max(self._ranges, default=1.0) < protocol.COLLAPSE_RANGE
        self._ranges = []
        if epochs <= self._judged_epochs:
            return None  # repeated, from an older checkpoint
        self._judged_epochs = epochs
        collapsed = self._plan.binary and constant and epochs > 1
        self._collapsed_epochs = self._collapsed_epochs + 1 if collapsed else 0
        if epochs not in self._reported:
            self._reported.add(epochs)
            self._unreported[epochs] = self._best
        try:
            with if_reachable():
                return self._report(step, epochs)
        except UpdateFinishedTrialError as error:
            raise TakenOverError(jobs.TAKEN_OVER) from error
        return None

    def _report(self, step: int, epochs: int) -> StopEvent | None:
        """Report to the study what it does not know yet, and ask it."""
        trial = self._job.trial
        while self._unreported:
            epoch = min(self._unreported)
            trial.report(self._unreported[epoch], epoch)
            del self._unreported[epoch]
        if epochs >= self._plan.config.training.max_epochs:
            return None
        if self._collapsed_epochs == COLLAPSE_EPOCHS:
            reason = f"collapsed to one prediction, epoch {epochs}"
        elif trial.should_prune():
            reason = f"pruned: {self._best:.4f}, epoch {epochs}"
        else:
            return None
        trial.set_user_attr(REASON, reason)  # before the checkpoint: it may be killed there
        return StopEvent(step, "pruned", reason)


def _pruned(trial: optuna.Trial, reason: str) -> optuna.TrialPruned:
    trial.set_user_attr(REASON, reason)
    return optuna.TrialPruned(reason)


def _constrain(trial: optuna.Trial, key: str, value: float) -> None:
    """The constraint value for the sampler: distance from feasible; 0 or less is feasible."""
    if key not in trial.constraints:  # a trial that is run again has it already
        trial.set_constraint(key, value)


def _repeat(job: Job, twin: FrozenTrial) -> float:
    """End a trial as its twin ended, without training."""
    job.trial.set_user_attr(DUPLICATE, twin.user_attrs.get(DUPLICATE, twin.number))
    reported = job.stored.intermediate_values
    for step, value in twin.intermediate_values.items():
        if step not in reported:
            job.trial.report(value, step)
    if twin.state == TrialState.PRUNED:
        raise _pruned(job.trial, twin.user_attrs.get(REASON, "pruned before"))
    assert twin.value is not None
    return twin.value


def describe(trial: FrozenTrial) -> dict[str, Any]:
    """One row of the table of trials; None where a value is not known."""
    attributes = (RUN_ID, REASON, DUPLICATE, SECONDS, *COUNTS, WHY)
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value,
        "epochs": max(trial.intermediate_values, default=None),
        **{key: trial.user_attrs.get(key) for key in attributes},
        "params": trial.params,
    }
