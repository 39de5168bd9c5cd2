"""One experiment from a configuration to its summary: train, monitor temperature, predict, score.

The only place where training, the thermal guard and the evaluator meet; the command line, the
search and every other caller go through it.
"""

import math
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from mlxts import locks, predict, tasks
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.errors import ConfigError, DataError
from mlxts.evaluation import comparison, conformal, metrics, score
from mlxts.files import SCHEMA, delete_temporary_files, write_json
from mlxts.platform import device
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.runs.scored_task import ScoredTask
from mlxts.thermal.guard import Guard
from mlxts.thermal.prevent_sleep import prevent_sleep
from mlxts.thermal.step_time_drift import StepTimeDrift
from mlxts.tracking.run_trackers import RunTrackers
from mlxts.training import run
from mlxts.training.checkpoint import LoopState
from mlxts.training.distributed import ALONE, STALL_SECONDS, Ranks, StallWatch, agreed_gate
from mlxts.training.events import (
    Event,
    Listener,
    NoticeEvent,
    Relay,
    StartEvent,
    StepEvent,
    StopEvent,
)
from mlxts.training.loop import Gate, Permit, always
from mlxts.training.plan import Plan
from mlxts.training.run import Trained
from mlxts.training.signals import Interrupt

FINISHED = ("finished", "early_stop")
_SUMMARISED = (
    "run_id", "status", "message", "steps", "best_step", "best_loss", "collapsed", "train_seconds",
    "n_total", "verdict", f"scores.validation.{NETWORK}",
)  # fmt: skip
# Of every model on validation, the references too where they could be fitted.
_SCORED = ("n", "n_eff", "prediction_range", "collapsed", "interval")
_SCORED_LABELS = ("n_pos", "base_rate", "log_loss_prior", "log_loss")
_SCORED_NUMBERS = ("rmse", "width_from")


def summary_of(folder: Path) -> dict[str, Any]:
    """summary.json of a finished run, with every figure that screens and pictures need.

    Raises:
        RunError: the run has not been trained to its end, or the file is damaged.
    """
    run = RunFolder(folder)
    of_kind = _SCORED_LABELS if run.scored_task.task.binary else _SCORED_NUMBERS
    scored = [f"scores.validation.*.{key}" for key in (*_SCORED, *of_kind)]
    return run.summary((*_SUMMARISED, *scored))


def run_experiment(
    plan: Plan,
    *,
    emit: Listener,
    resume: bool = False,
    gate: Gate | None = None,
    ranks: Ranks = ALONE,
    stall_seconds: float = STALL_SECONDS,
    permit: Permit = always,
) -> dict[str, Any]:
    """Run `plan` to its end and return its summary; a finished run is not done again.

    The summary's `status` is finished or early_stop, or, where training was cut short and can be
    continued with `resume`: interrupted, overheated, or the reason that `gate` gave.

    Args:
        gate: asked after every step, after signals and temperature, whether to go on.
        ranks: the processes that train this one model together. Rank 0 predicts, scores and
            writes; the others return when training has ended.
        stall_seconds: with several ranks, how long a step may take before the process ends.
        permit: asked before checkpoints, predictions and the summary are written.

    Raises:
        TakenOverError: the run is another worker's, says `permit`.
        MlxtsError: see `run.train` and `score.score_run`.
        ConfigError: several ranks with `thermal.pause`, or with batch normalisation.
        RunError: the summary of a finished run is damaged.
    """
    if ranks.size > 1 and plan.config.thermal.pause:
        raise ConfigError(
            "thermal.pause would leave the other ranks waiting; set it to false: with several "
            "ranks a hot one stops them all, and --resume continues"
        )
    if ranks.size > 1 and plan.config.model.norm == "batch":
        raise ConfigError(
            "model.norm: batch takes its statistics from one process; set it to layer, or train "
            "without --distributed"
        )
    with StallWatch(stall_seconds) if ranks.size > 1 else nullcontext():  # one may be lost already
        done = ranks.max(int(ranks.is_rank_zero and RunFolder(plan.folder).is_finished))
    if done:
        if not ranks.is_rank_zero:
            return _without_scores(plan, "finished", "rank 0 has the result")
        _remove_temporary_files(plan.folder)
        return summary_of(plan.folder)
    drift = StepTimeDrift()
    relay = Relay(emit)  # to the console, and to the run's record as soon as there is one
    follow = RunTrackers(plan.config, plan.folder, relay) if ranks.is_rank_zero else None

    def listen(event: Event) -> None:
        emit(event)
        if follow:
            follow(event)
        if isinstance(event, StartEvent) and event.resumed and ranks.is_rank_zero:
            for seconds in RunFolder(plan.folder).step_seconds():
                drift.add(seconds)
            trained_on = RunFolder(plan.folder).metadata(("machine",))["machine"]
            if changes := device.changes_since(trained_on):
                relay(NoticeEvent(event.step, f"{changes}: the last bits may differ from here on"))
        elif isinstance(event, StepEvent) and drift.add(event.seconds):
            relay(NoticeEvent(event.step, f"{drift.reason}; this run's timings are excluded"))

    relay.connect(listen)
    with follow or nullcontext():
        with ExitStack() as stack:
            stack.callback(relay.connect, emit)  # the run's record is closed then
            stack.enter_context(prevent_sleep())
            interrupt = stack.enter_context(Interrupt())
            guard = stack.enter_context(Guard(plan.config.thermal, relay))
            passes = _gate(interrupt, guard, gate)
            if ranks.size > 1:
                watch = stack.enter_context(StallWatch(stall_seconds))
                passes = agreed_gate(passes, ranks, watch)
            trained = run.train(
                plan,
                emit=listen,
                gate=passes,
                resume=resume,
                sensor=guard.to_dict(),
                connect=relay.connect,
                ranks=ranks,
                permit=permit,
            )
            thermal = {**guard.summary(), **drift.to_dict()}
        outcome = trained.outcome
        assert outcome is not None
        stop = outcome.stop
        if stop.reason in FINISHED and ranks.is_rank_zero:
            summary = _predict_and_score(trained, thermal, permit)
        else:
            summary = _without_scores(plan, stop.reason, stop.message)
        if follow:
            follow.finish(summary)
        return summary


def _remove_temporary_files(folder: Path) -> None:
    """Remove what a killed process left half-written, unless another one is at work there."""
    with locks.hold(RunFolder(folder).lock) as holder:
        if holder is None:
            delete_temporary_files(folder)


def _without_scores(plan: Plan, status: str, message: str) -> dict[str, Any]:
    """The result of a process that ends without scoring."""
    return {"run_id": plan.run_id, "status": status, "message": message}


def _predict_and_score(trained: Trained, thermal: dict[str, Any], permit: Permit) -> dict[str, Any]:
    """Predict train and validation with every model, score them, write it all down."""
    plan, outcome = trained.plan, trained.outcome
    assert outcome is not None
    data = plan.dataset
    predicted = predict.predict_run(trained, plan.folder, permit)
    reference = RunFolder(plan.folder).references()[data.score_on]
    scored_task = ScoredTask.of(plan.config.model_dump(mode="json"))
    scores = score.score_run(predicted, reference, scored_task)
    figures_of_model = scores["validation"][NETWORK]
    summary = {
        "schema": SCHEMA,
        **plan.to_dict(),
        "status": outcome.stop.reason,
        "message": outcome.stop.message,
        "mode": plan.config.mode,
        "splits": data.splits_name,
        "steps": outcome.state.step,
        "best_step": outcome.state.stopping.best_step,
        "best_loss": outcome.state.stopping.best,
        "initial_loss": outcome.state.initial_loss,  # a residual network's: its reference's
        "collapsed": bool(figures_of_model.get("collapsed", False)),  # the weights that are scored
        "collapsed_in_training": outcome.state.collapses > 0,  # at three validations in a row
        "train_seconds": outcome.state.train_seconds,
        "samples_per_second": _throughput(outcome.state),
        "thermal": thermal,
        "reference": reference.to_dict(),
        "scores": scores,
        "verdict": comparison.sentence(
            NETWORK, figures_of_model, data.task, data.horizon, "validation"
        ),
    }
    permit()
    write_json(plan.folder / layout.SUMMARY, summary)
    return summary


def _throughput(state: LoopState) -> float | None:
    """Samples a second over all steps but those that compiled."""
    return state.timed_samples / state.train_seconds if state.train_seconds else None


def _gate(interrupt: Interrupt, guard: Guard, more: Gate | None) -> Gate:
    """Signals, then temperature (a pause is waited out here, between two steps), then `more`."""

    def gate(step: int) -> StopEvent | None:
        action = guard.check(step)
        if action.kind == "pause" and not interrupt.requested:
            action = guard.wait_until_cool(step, cancelled=lambda: bool(interrupt.requested))
        if interrupt.requested:
            return StopEvent(step, "interrupted", f"{interrupt.requested}; continue with --resume")
        if action.kind == "stop":
            return StopEvent(step, "overheated", f"{action.reason}; continue with --resume")
        return more(step) if more else None

    return gate


def forecast(
    folder: Path,
    day: date | None = None,
    symbol: str | None = None,
    *,
    artifact_sha256: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """A finished run's forecast at the close of `day`, from the newest registered data.

    Args:
        artifact_sha256: by symbol, artifacts to read instead of those that its configuration means.

    Returns:
        run_id, symbol, date (of the decision bar), task, horizon, close, and for binary tasks
        `probability`, for regression `log_return`, `price` and `price_interval`, for range
        `log_log_range`, `range` and `range_interval`, how far the highest price lies above the
        lowest, as a fraction of it. Intervals are split-conformal: as wide as residuals of
        validation, which the model was not fitted to. `sentence` is the forecast in words.

    Raises:
        DataError: no such bar, or too few bars before it for the context.
    """
    trained = run.load(folder)
    pinned = trained.plan.dataset
    config = RunFolder(folder).config()
    pinned_artifacts = {**config.data.artifact_sha256, **artifact_sha256}
    data = config.data.model_copy(update={"artifact_sha256": pinned_artifacts})
    newest = build_dataset(config.model_copy(update={"data": data}))
    if newest.names != pinned.names:
        raise DataError(f"{folder.name} reads other features than this version makes; train again")
    symbol = symbol or newest.score_on
    row = _decision_row(newest, symbol, day)
    output = float(trained.on(newest)(np.array([row]))[0])
    bar = newest.bars.row(row, named=True)
    result: dict[str, Any] = {
        "run_id": folder.name,
        "symbol": symbol,
        "date": bar["date"].isoformat(),
        "task": newest.task.name,
        "horizon": newest.horizon,
        "close": bar["close"],
    }
    span = "next day" if newest.horizon == 1 else f"next {newest.horizon} days"
    begin = f"{symbol}, close of {bar['date']} at {bar['close']:.2f}, {span}"
    if newest.task.binary:
        probability = float(metrics.Forecast(np.array([output]), np.zeros(1)).probabilities[0])
        sentence = f"{begin}: probability of {tasks.event(newest.task)} {probability:.3f}"
        return {**result, "probability": probability, "sentence": sentence}
    half = conformal.half_width(_validation_residuals(folder, newest.score_on))
    if newest.task.kind == "range":
        middle, low, high = (conformal.price_range(output + z) for z in (0.0, -half, half))
        sentence = (
            f"{begin}: high to low {middle:.2%}, {conformal.COVERAGE:.0%} interval {low:.2%} to "
            f"{high:.2%}"
        )
        return {
            **result,
            "log_log_range": output,
            "range": middle,
            "range_interval": [low, high],
            "sentence": sentence,
        }
    low, high = conformal.price_interval(bar["close"], output, half)
    price = bar["close"] * math.exp(output)
    sentence = (
        f"{begin}: price {price:.2f}, {conformal.COVERAGE:.0%} interval {low:.2f} to {high:.2f}"
    )
    return {
        **result,
        "log_return": output,
        "price": price,
        "price_interval": [low, high],
        "sentence": sentence,
    }


def _decision_row(data: Dataset, symbol: str, day: date | None) -> int:
    bars = data.bars.with_row_index("row").filter(
        pl.Series(data.eligible) & (pl.col("symbol") == symbol)
    )
    bars = bars.sort("date")  # whichever phase has the latest
    if day is not None:
        bars = bars.filter(pl.col("date") == day)
    if not bars.height:
        when = f" on {day}" if day else ""
        raise DataError(
            f"no bar of {symbol}{when} with {data.context} bars of context before it, none of "
            "which spans more than twice the usual sessions; choose a trading day that is "
            "registered (`mlxts data list`)"
        )
    return int(bars["row"][-1])


def _validation_residuals(folder: Path, symbol: str) -> np.ndarray:
    predicted = predict.read_or_predict(folder)
    rows = predicted.filter(model=NETWORK, split="validation", symbol=symbol)
    return (rows["target"] - rows["logit"]).to_numpy()
