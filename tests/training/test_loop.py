"""The loop on a small data set: it learns, it repeats to the byte, it resumes to the byte."""

import io
import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from mlxts.config.experiment import ExperimentConfig
from mlxts.console.plain import PlainReporter
from mlxts.errors import DeviceError, DivergedError
from mlxts.model import parameter_budget
from mlxts.model.baseline_networks import DLinear, WindowShape
from mlxts.model.interfaces import Network
from mlxts.model.patchtst import PatchTST, flat_arrays
from mlxts.model.residual import OffsetPatchTST
from mlxts.training import checkpoint, loop
from mlxts.training.early_stopping import validation_steps
from mlxts.training.events import (
    CheckpointEvent,
    CompileEvent,
    EpochEvent,
    Event,
    NoticeEvent,
    StepEvent,
    StopEvent,
    ValidationEvent,
)
from mlxts.training.loop import Arrays, Outcome, fresh_state, train
from mlxts.training.losses import BaseRateForecast, mean_loss
from mlxts.training.sampler import Batches
from mlxts.training.step import Forward, Step, Update, make_optimizer
from mlxts.training.weight_average import WeightAverage
from tests import devices
from tests.training import worlds

STEPS_PER_EPOCH = math.ceil((250 - worlds.CONTEXT) / 32)


def _train(
    folder: Path,
    config: ExperimentConfig | None = None,
    *,
    stop_at: int | None = None,
    pause_at: int | None = None,
    resume: bool = False,
    arrays: Arrays | None = None,
    binary: bool = True,
    events: list[Event] | None = None,
    bias: float = 0.0,
    network: Callable[[], Network] | None = None,
) -> tuple[Outcome, dict[str, np.ndarray], list[Event]]:
    config = config or worlds.configuration()
    shape = parameter_budget.solve(config.budget, worlds.FEATURES, config.model)
    model = network() if network else PatchTST(shape, seed=config.seed, bias=bias)
    optimizer = make_optimizer(config.training)
    state, decay = fresh_state(config, "run"), config.training.ema_decay
    average = WeightAverage(model, decay) if decay else None
    if resume:
        optimizer.init(model.trainable_parameters())
        state, _ = checkpoint.restore(folder, "last", "run", model, optimizer, average)
    arrays = arrays or _arrays()
    events = [] if events is None else events

    def gate(step: int) -> StopEvent | None:
        if step == pause_at:
            time.sleep(0.6)
        return StopEvent(step, "interrupted", "asked") if step == stop_at else None

    outcome = train(
        config,
        arrays,
        model,
        optimizer,
        state,
        binary=binary,
        micro_batch=config.training.micro_batch or config.training.batch_size,
        folder=folder,
        emit=events.append,
        gate=gate,
        average=average,
    )
    weights = {k: np.array(v) for k, v in flat_arrays(model.parameters()).items()}
    return outcome, weights, events


def _same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def _losses(events: list[Event]) -> list[tuple[int, float]]:
    return [(e.step, e.loss) for e in events if isinstance(e, StepEvent | ValidationEvent)]


def test_it_learns_what_there_is_to_learn(tmp_path: Path) -> None:
    config = worlds.configuration(training__max_epochs=12, model__dropout=0.1)
    outcome, _, events = _train(tmp_path, config)
    targets = worlds.dataset().samples["validation"].targets
    rate = targets.mean()
    entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    assert outcome.state.stopping.best < entropy - 0.05
    epochs = [e.train_loss for e in events if isinstance(e, EpochEvent)]
    assert epochs[-1] < epochs[0]


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    _, first, events_1 = _train(tmp_path / "a")
    _, second, events_2 = _train(tmp_path / "b")
    assert _same(first, second)
    assert _losses(events_1) == _losses(events_2)


@pytest.mark.parametrize(
    ("stop_at", "decay"),
    [(1, None), (3, None), (3, 0.9), (STEPS_PER_EPOCH, None), (STEPS_PER_EPOCH + 2, 0.9)],
)
def test_stopping_and_resuming_at_any_step_gives_the_same_bytes(
    tmp_path: Path, stop_at: int, decay: float | None
) -> None:
    config = worlds.configuration(training__ema_decay=decay)
    _, straight, all_events = _train(tmp_path / "a", config)
    stopped, _, before = _train(tmp_path / "b", config, stop_at=stop_at)
    assert stopped.stop.reason == "interrupted"
    assert stopped.state.step == stop_at
    _, resumed, after = _train(tmp_path / "b", config, resume=True)
    assert _same(straight, resumed)
    for name in ("best", "last"):
        files = [p.name for p in (tmp_path / "a" / name).iterdir() if p.name != "state.json"]
        assert ("average.safetensors" in files) == (name == "last" and decay is not None)
        for file in files:
            assert (tmp_path / "a" / name / file).read_bytes() == (
                tmp_path / "b" / name / file
            ).read_bytes()
    assert _losses(before) + _losses(after) == _losses(all_events)
    epochs = [(e.step, e.train_loss) for e in all_events if isinstance(e, EpochEvent)]
    again = [(e.step, e.train_loss) for e in before + after if isinstance(e, EpochEvent)]
    assert epochs == again


def _residual(**changes: Any) -> dict[str, Any]:
    """How a network is trained on top of forecasts, all of them 0."""
    config = worlds.configuration(model__residual_of="har", **changes)
    shape = parameter_budget.solve(config.budget, worlds.FEATURES, config.model)
    forecasts = np.zeros((worlds.ROWS, 1), dtype=np.float32)
    columns = np.hstack([worlds.dataset().features, forecasts])
    arrays = _arrays(features=mx.array(columns))
    return {"config": config, "arrays": arrays, "network": lambda: OffsetPatchTST(shape)}


def test_a_residual_network_is_scored_before_its_first_step_once(tmp_path: Path) -> None:
    straight, weights, all_events = _train(tmp_path / "a", **_residual())
    first = next(e for e in all_events if not isinstance(e, CheckpointEvent))
    assert isinstance(first, ValidationEvent)
    assert first.loss == straight.state.initial_loss == pytest.approx(math.log(2), abs=1e-12)
    _, _, before = _train(tmp_path / "b", **_residual(), stop_at=1)
    resumed, again, after = _train(tmp_path / "b", **_residual(), resume=True)
    assert _same(weights, again)
    assert _losses(before) + _losses(after) == _losses(all_events)
    assert resumed.state.initial_loss == straight.state.initial_loss
    plain, _, events = _train(tmp_path / "c")
    assert plain.state.initial_loss is None
    assert min(e.step for e in events if isinstance(e, ValidationEvent)) > 0


def test_weights_of_before_the_first_step_are_kept_where_no_step_improves_on_them(
    tmp_path: Path,
) -> None:
    how = _residual(training__min_delta=10.0, training__patience=2)
    outcome, _, _ = _train(tmp_path, **how)
    assert outcome.stop.reason == "early_stop"
    model = how["network"]()
    state, _ = checkpoint.restore(tmp_path, "best", "run", model)
    assert state.step == 0
    assert not np.array(model.head.weight).any()


def test_of_averaged_weights_the_average_is_scored_and_kept(tmp_path: Path) -> None:
    averaged = worlds.configuration(training__ema_decay=0.99)
    outcome, weights, events = _train(tmp_path / "a", averaged)
    _, plain, plain_events = _train(tmp_path / "b")
    assert _same(weights, plain)  # it learns as ever
    steps, plain_steps = (
        [e.loss for e in of if isinstance(e, StepEvent)] for of in (events, plain_events)
    )
    assert steps == plain_steps
    config, data = averaged, worlds.dataset()
    model = PatchTST(parameter_budget.solve(config.budget, worlds.FEATURES, config.model))
    checkpoint.restore(tmp_path / "a", "best", "run", model)
    validation = data.samples["validation"]
    outputs = Forward(model, 16)(mx.array(data.features), validation.rows)
    loss = mean_loss(outputs, validation.targets, binary=True, huber_delta=1.0)
    assert loss == pytest.approx(outcome.state.stopping.best, rel=1e-6)
    plain_losses = [e.loss for e in plain_events if isinstance(e, ValidationEvent)]
    assert all(abs(loss - other) > 1e-4 for other in plain_losses)


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    config = worlds.configuration(training__patience=2, training__max_epochs=30)
    outcome, _, events = _train(tmp_path, config)
    looks = [e for e in events if isinstance(e, ValidationEvent)]
    assert outcome.stop.reason == "early_stop"
    best = min(looks, key=lambda e: e.loss)
    assert outcome.state.stopping.best == best.loss
    shape = parameter_budget.solve(config.budget, worlds.FEATURES, config.model)
    model = PatchTST(shape)
    state, _ = checkpoint.restore(tmp_path, "best", "run", model)
    assert state.step == best.step


def test_validation_weighs_every_sample_alike(tmp_path: Path) -> None:
    _, _, events = _train(tmp_path, worlds.configuration(training__max_epochs=1))
    look = next(e for e in reversed(events) if isinstance(e, ValidationEvent) and e.improved)
    config, data = worlds.configuration(), worlds.dataset()
    model = PatchTST(parameter_budget.solve(config.budget, worlds.FEATURES, config.model))
    checkpoint.restore(tmp_path, "best", "run", model)
    model.eval()
    losses = []
    for row, y in zip(
        data.samples["validation"].rows, data.samples["validation"].targets, strict=True
    ):
        window = data.features[row - worlds.CONTEXT + 1 : row + 1]
        z = float(model(mx.array(window[None]))[0])
        losses.append(math.log1p(math.exp(z)) - y * z)
    assert look.loss == pytest.approx(np.mean(losses), rel=1e-5)


def _arrays(**changes: Any) -> Arrays:
    data = worlds.dataset()
    train_split, validation = data.samples["train"], data.samples["validation"]
    arrays = Arrays(
        mx.array(data.features),
        train_split.rows,
        train_split.targets,
        validation.rows,
        validation.targets,
        train_split.dates,
    )
    return replace(arrays, **changes)


def _linear() -> Network:
    """A network of so few operations that all of them are begun before the first one fails."""
    statistics = np.stack([np.zeros(worlds.FEATURES), np.ones(worlds.FEATURES)])
    return DLinear(
        WindowShape(worlds.CONTEXT, worlds.FEATURES), statistics, seed=0, bias=0.0, rate=0.0
    )


class _Late(list[Event]):
    """Listens, and lets the first step fail some time after it was begun."""

    def append(self, event: Event) -> None:
        if isinstance(event, CompileEvent):
            devices.keep_busy()
        super().append(event)


@pytest.mark.parametrize("network", [None, _linear])
@pytest.mark.parametrize("micro_batch", [8, 32])
def test_a_failed_device_ends_the_run_with_the_checkpoint_before_it_and_it_can_go_on(
    tmp_path: Path, micro_batch: int, network: Callable[[], Network] | None
) -> None:
    config = worlds.configuration(training__micro_batch=micro_batch, training__max_epochs=1)
    _, straight, _ = _train(tmp_path / "a", config, network=network)
    _train(tmp_path / "b", config, network=network, stop_at=3)
    before = {path: path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file()}
    broken = _arrays(features=devices.cut_array(tmp_path, worlds.dataset().features))
    events = _Late()
    how: dict[str, Any] = {"network": network, "resume": True}
    with pytest.raises(
        DeviceError, match="3 steps are done, the checkpoint of step 3 is kept"
    ) as e:
        _train(tmp_path / "b", config, arrays=broken, events=events, **how)
    assert events[-1] == StopEvent(3, "stopped", str(e.value))
    assert not any(isinstance(event, StepEvent | CheckpointEvent) for event in events)
    assert before == {p: p.read_bytes() for p in (tmp_path / "b").rglob("*") if p.is_file()}
    _, resumed, _ = _train(tmp_path / "b", config, **how)
    assert _same(straight, resumed)


def test_no_step_of_a_failed_device_is_counted(tmp_path: Path) -> None:
    broken = _arrays(features=devices.cut_array(tmp_path, worlds.dataset().features))
    with pytest.raises(DeviceError, match="0 steps are done, there is no checkpoint yet"):
        _train(tmp_path / "run", arrays=broken)
    assert not checkpoint.exists(tmp_path / "run", "last")


def _diverges(folder: Path, config: ExperimentConfig, **how: Any) -> tuple[str, list[Event]]:
    """What a run says that leaves the finite numbers, and all its events."""
    events: list[Event] = []
    with pytest.raises(DivergedError) as raised:
        _train(folder, config, events=events, **how)
    end = events[-1]
    assert isinstance(end, StopEvent)
    assert (end.reason, end.message) == ("diverged", str(raised.value))
    assert "lower training.learning_rate" in end.message
    return end.message, events


def _last(folder: Path, config: ExperimentConfig) -> tuple[int, dict[str, np.ndarray]]:
    model = PatchTST(parameter_budget.solve(config.budget, worlds.FEATURES, config.model))
    state, refused = checkpoint.restore(folder, "last", "run", model)
    assert refused == []
    return state.step, {k: np.array(v) for k, v in flat_arrays(model.parameters()).items()}


def test_a_batch_that_is_no_number_ends_the_run_with_the_checkpoint_before_it(
    tmp_path: Path,
) -> None:
    config = worlds.configuration(
        training__batch_size=8, training__micro_batch=8, training__validations_per_epoch=30
    )
    features = worlds.dataset().features.copy()
    arrays = _arrays()
    spoilt = arrays.train_rows[0]
    features[spoilt - worlds.CONTEXT + 1] = np.nan  # no other window reaches back to it
    order = Batches(arrays.train_rows, arrays.train_targets, 8, 8, config.seed)
    first = next(n for n in range(30) if spoilt in arrays.train_rows[order.sample_indices(n)])
    assert first > 0
    message, events = _diverges(
        tmp_path, config, arrays=replace(arrays, features=mx.array(features))
    )
    seen = arrays.train_rows[order.sample_indices(first)]
    days = worlds.dataset().samples["train"].dates[order.sample_indices(first)]
    assert f"the loss became nan at step {first + 1} of epoch 1" in message
    assert f"8 samples of rows {spoilt} to {seen.max()}" in message
    assert f"decided {days.min()} to {days.max()}" in message
    assert f"the checkpoint of step {first} is kept" in message
    assert [e.step for e in events if isinstance(e, StepEvent)] == list(range(1, first + 1))
    step, weights = _last(tmp_path, config)
    assert step == first
    assert all(np.isfinite(value).all() for value in weights.values())


def test_an_update_that_wrecks_the_weights_is_never_saved(tmp_path: Path) -> None:
    wild = worlds.configuration(training__learning_rate=1e30, training__validations_per_epoch=8)
    message, events = _diverges(tmp_path, wild)
    assert "there is no checkpoint yet" in message
    assert "at step 1 of epoch 1" in message  # the update that did it, not the one after
    assert not any(isinstance(event, CheckpointEvent) for event in events)
    assert not checkpoint.exists(tmp_path, "last")


def test_wrecked_weights_are_not_saved_when_the_run_is_told_to_stop_either(tmp_path: Path) -> None:
    wild = worlds.configuration(training__learning_rate=1e30, training__validations_per_epoch=1)
    message, _ = _diverges(tmp_path, wild, stop_at=1)
    assert "validation loss" in message
    assert not checkpoint.exists(tmp_path, "last")


def test_the_checkpoint_before_a_bad_update_survives_it(tmp_path: Path) -> None:
    calm = worlds.configuration()
    _train(tmp_path, calm, stop_at=3)
    before = _last(tmp_path, calm)
    wild = worlds.configuration(training__learning_rate=1e30)
    message, _ = _diverges(tmp_path, wild, resume=True)
    assert "the checkpoint of step 3 is kept" in message
    step, weights = _last(tmp_path, calm)
    assert step == before[0] == 3
    assert _same(weights, before[1])


def _still(**changes: Any) -> ExperimentConfig:
    """A configuration whose updates move next to nothing."""
    return worlds.configuration(training__learning_rate=1e-9, training__max_epochs=1, **changes)


@pytest.mark.parametrize(("times", "ends"), [(40.0, False), (60.0, True)])
def test_a_loss_over_fifty_times_the_base_rates_ends_the_run_and_one_below_does_not(
    tmp_path: Path, times: float, ends: bool
) -> None:
    # One batch an epoch, so that its loss is that of all training samples.
    config = _still(training__batch_size=256, training__micro_batch=256)
    targets = _arrays().train_targets
    rate = float(targets.mean())
    entropy = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    bias = times * entropy / (1 - rate)  # what a forecast that is sure of the event loses
    if ends:
        message, _ = _diverges(tmp_path, config, bias=bias)
        assert f"over 50 times the base rate's {entropy:.3g} at step 1" in message
    else:
        assert _train(tmp_path, config, bias=bias)[0].stop.reason == "finished"


def test_a_validation_split_that_any_forecast_loses_on_is_no_divergence(tmp_path: Path) -> None:
    arrays = _arrays()
    rare = np.zeros_like(arrays.train_targets)
    rare[0] = 1.0
    often = np.ones_like(arrays.validation_targets)
    arrays = replace(arrays, train_targets=rare, validation_targets=often)
    outcome, _, _ = _train(tmp_path, _still(), arrays=arrays, bias=-6.0)
    assert outcome.stop.reason == "finished"
    assert outcome.state.stopping.best > 50 * 0.03  # of the base rate on the training split


@pytest.mark.parametrize("seed", range(8))
def test_a_rare_event_that_is_in_no_first_batch_is_no_divergence(tmp_path: Path, seed: int) -> None:
    arrays = _arrays()
    rare = np.zeros_like(arrays.train_targets)
    config = _still(seed=seed, training__batch_size=8, training__micro_batch=8)
    order = Batches(arrays.train_rows, rare, 8, 8, seed)
    rare[order.sample_indices(1)[:2]] = 1.0
    rate = float(rare.mean())
    outcome, _, events = _train(
        tmp_path, config, arrays=replace(arrays, train_targets=rare),
        bias=math.log(rate / (1 - rate)),
    )  # fmt: skip
    losses = [event.loss for event in events if isinstance(event, StepEvent)]
    assert losses[1] > 50 * losses[0]
    assert outcome.stop.reason == "finished"


@pytest.mark.parametrize("binary", [True, False])
def test_targets_that_are_all_alike_are_no_divergence(tmp_path: Path, binary: bool) -> None:
    arrays = replace(_arrays(), train_targets=np.zeros_like(_arrays().train_targets))
    assert _train(tmp_path, _still(), arrays=arrays, binary=binary)[0].stop.reason == "finished"


def test_the_base_rate_forecast_is_the_best_that_says_one_number() -> None:
    targets = np.array([0, 0, 0, 1], dtype=np.float32)
    base = BaseRateForecast.fit(targets, binary=True, huber_delta=1.0)
    assert base.output == pytest.approx(math.log(1 / 3))
    assert base.loss == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert base.loss_on(np.ones(2)) == pytest.approx(math.log(4))
    base = BaseRateForecast.fit(targets, binary=False, huber_delta=0.5)
    assert (base.output, base.loss_on(np.array([2.25]))) == (0.25, 0.5 * (2 - 0.25))


def test_gradients_that_overflow_end_the_run_before_the_weights_are_saved(tmp_path: Path) -> None:
    arrays = _arrays()  # errors whose squares are finite, and the sum of more than one is not
    far = replace(arrays, train_targets=np.full_like(arrays.train_targets, 1.5e19))
    config = worlds.configuration(training__huber_delta=2e19, training__max_epochs=1)
    message, events = _diverges(tmp_path, config, arrays=far, binary=False)
    assert "the norm of the gradients became inf" in message
    assert not any(isinstance(event, StepEvent | CheckpointEvent) for event in events)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_validation_loss_that_is_no_number_ends_the_run(tmp_path: Path, value: float) -> None:
    arrays = _arrays()
    targets = arrays.validation_targets.copy()
    targets[-1] = value
    message, events = _diverges(
        tmp_path, worlds.configuration(), arrays=replace(arrays, validation_targets=targets)
    )
    assert "the validation loss became" in message
    assert not any(isinstance(event, ValidationEvent | CheckpointEvent) for event in events)


def test_the_step_that_compiles_is_no_training_time(tmp_path: Path) -> None:
    outcome, _, events = _train(tmp_path, stop_at=3)
    steps = [event for event in events if isinstance(event, StepEvent)]
    assert outcome.state.train_seconds == pytest.approx(sum(e.seconds for e in steps[1:]))
    assert outcome.state.timed_samples == 2 * 32
    outcome, _, more = _train(tmp_path, stop_at=5, resume=True)  # a process of its own, as it were
    steps += [event for event in more if isinstance(event, StepEvent)]
    assert outcome.state.timed_samples == 3 * 32
    timed = [steps[1], steps[2], steps[4]]
    assert outcome.state.train_seconds == pytest.approx(sum(e.seconds for e in timed))


def test_an_update_begins_before_the_results_of_the_last_are_read_but_for_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[str, int]] = []

    class Spied(Step):
        def __call__(self, step: int, *inputs: Any) -> Update:  # ty: ignore
            order.append(("begun", step))
            return super().__call__(step, *inputs)

    class Listening(list[Event]):
        def append(self, event: Event) -> None:
            if isinstance(event, StepEvent):
                order.append(("known", event.step - 1))

    monkeypatch.setattr(loop, "Step", Spied)
    per_epoch = next(n for n in range(1, 9) if min(validation_steps(STEPS_PER_EPOCH, n)) == 2)
    config = worlds.configuration(training__validations_per_epoch=per_epoch)
    _train(tmp_path, config, events=Listening(), stop_at=3)
    # After two updates comes a validation, and after the third the end.
    assert order == [
        ("begun", 0), ("begun", 1), ("known", 0), ("known", 1), ("begun", 2), ("known", 2)
    ]  # fmt: skip


def test_a_step_during_a_pause_is_no_training_time(tmp_path: Path) -> None:
    outcome, _, events = _train(tmp_path, stop_at=5, pause_at=3)
    steps = [event for event in events if isinstance(event, StepEvent)]
    assert outcome.state.timed_samples == 3 * 32
    timed = [steps[1], steps[3], steps[4]]
    assert outcome.state.train_seconds == pytest.approx(sum(e.seconds for e in timed))
    assert steps[2].seconds == steps[1].seconds
    assert max(e.seconds for e in steps[1:]) < 0.5


def test_predictions_that_do_not_move_are_called_collapsed(tmp_path: Path) -> None:
    config = worlds.configuration(training__learning_rate=1e-9, training__max_epochs=2)
    constant = _arrays(features=mx.zeros_like(_arrays().features))
    outcome, _, events = _train(tmp_path, config, arrays=constant)
    (notice,) = (e for e in events if isinstance(e, NoticeEvent))
    assert "collapsed" in notice.message
    assert notice.step == [e.step for e in events if isinstance(e, ValidationEvent)][2]
    assert outcome.state.collapsed_validations == 4
    assert outcome.state.collapses == 1


def test_checkpoints_are_spaced_by_time_but_the_last_one_is_always_written(tmp_path: Path) -> None:
    config = worlds.configuration(checkpoint__every_seconds=3600.0)
    _, _, events = _train(tmp_path, config)
    lasts = [e.step for e in events if isinstance(e, CheckpointEvent) and not e.best]
    assert lasts == [3 * STEPS_PER_EPOCH]


def test_the_last_position_of_an_epoch_is_always_looked_at() -> None:
    for per_epoch in range(1, 40):
        for looks in range(1, 10):
            chosen = validation_steps(per_epoch, looks)
            assert per_epoch in chosen
            assert len(chosen) == min(looks, per_epoch)
            assert min(chosen) >= 1


def test_mean_loss_is_exact_for_logits_of_any_size() -> None:
    z, y = np.array([-1000.0, 1000.0, 0.0]), np.array([0.0, 1.0, 1.0], np.float32)
    want = math.log(2) / 3
    assert mean_loss(z, y, binary=True, huber_delta=1.0) == pytest.approx(want)
    assert mean_loss(np.array([3.0]), np.array([0.0]), binary=False, huber_delta=1.0) == 2.5


def test_epochs_are_shown_from_the_first_to_the_last(tmp_path: Path) -> None:
    _, _, events = _train(tmp_path)
    said = io.StringIO()
    with PlainReporter(said, interval=0.0) as report:
        for event in events:
            report(event)
    shown = re.findall(r"epoch (\d+)", said.getvalue())
    assert list(dict.fromkeys(shown)) == ["1", "2", "3"]
