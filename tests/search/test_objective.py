"""A trial is a real run, judged by the loss of the checkpoint that is restored."""

import time
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from mlxts import files, protocol
from mlxts.platform import device
from mlxts.search import job_queue, jobs, objective, sampling, space, study
from mlxts.search.job_queue import RUN_ID
from mlxts.search.jobs import Job
from mlxts.search.objective import DUPLICATE, REASON, Objective
from mlxts.search.train_validation_data import TrainValidationData
from mlxts.training import loop, run
from mlxts.training.events import EpochEvent, ValidationEvent
from mlxts.training.plan import make_plan
from tests import homes
from tests.search import studies


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return homes.simulated(tmp_path_factory.mktemp("home"), patch)


@pytest.fixture(autouse=True)
def _inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(workspace))


def _trials(
    searched: dict[str, Any], *params: dict[str, Any], **more: Any
) -> tuple[optuna.Study, list[FrozenTrial]]:
    """A study that runs exactly these suggestions."""
    configuration = studies.experiment(searched, trials=len(params), **more)
    one, store = studies.begin(configuration)
    for suggestion in params:
        one.enqueue_trial(suggestion)
    study.run_all(one, store)
    return one, one.trials


def test_the_objective_is_given_no_test_split() -> None:
    assert typing.get_type_hints(Objective.__init__)["load"].__args__[-1] is TrainValidationData


def test_the_value_is_the_loss_of_the_restored_checkpoint() -> None:
    searched = {"weight_decay": [0.1, 0.2]}
    epochs = {"training": {"max_epochs": 2, "learning_rate": 0.01}}
    one, (trial,) = _trials(searched, {"weight_decay": 0.2}, settings=epochs)
    assert trial.state == TrialState.COMPLETE
    trained = run.load(files.runs_folder() / trial.user_attrs[RUN_ID])
    validation = trained.plan.dataset.samples["validation"]
    loss = loop.mean_loss(
        trained.outputs("validation"), validation.targets, binary=True, huber_delta=1.0
    )
    assert trial.value == pytest.approx(loss, rel=1e-6)
    assert trained.plan.config.training.weight_decay == 0.2
    reported = trial.intermediate_values
    assert sorted(reported) == [1, 2]
    assert reported[2] == trial.value
    assert list(reported.values()) == sorted(reported.values(), reverse=True)
    counts = trained.model.counts()
    stored = [trial.user_attrs[key] for key in ("n_total", "n_body", "n_embed", "n_head")]
    assert stored == [counts.total, counts.body, counts.embed, counts.head]
    assert abs(counts.total / protocol.BUDGETS["0.02M"].parameters - 1) <= 0.01
    _, configuration = study.winner(one)
    assert make_plan(configuration).run_id == trial.user_attrs[RUN_ID]


def test_what_memory_cannot_hold_is_told_before_anything_is_allocated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "usable_memory", lambda: 3_000_000)
    searched = {"micro_batch": [1, 128], "accumulation": [1, 2], "weight_decay": [0.3, 0.4]}
    large = {"micro_batch": 128, "accumulation": 1, "weight_decay": 0.3}
    before = _runs()
    _, (trial,) = _trials(searched, large)
    assert trial.state == TrialState.PRUNED
    assert trial.constraints["memory"] > 0 >= trial.constraints["shape"]
    assert "infeasible: needs" in trial.user_attrs[REASON]
    assert _runs() == before


def test_a_shape_that_meets_no_budget_is_infeasible_too() -> None:
    before = _runs()
    _, (deep, odd) = _trials(
        {"depth": [1, 60], "patch_length": [16, 90]},
        {"depth": 60, "patch_length": 16},
        {"depth": 1, "patch_length": 90},
    )
    for trial, reason in ((deep, "no 0.02M model reads"), (odd, "is longer than context")):
        assert trial.state == TrialState.PRUNED
        assert trial.constraints == {"shape": 1.0}
        assert reason in trial.user_attrs[REASON]
    assert _runs() == before


def test_the_sampler_learns_what_is_infeasible() -> None:
    searched = {"depth": [1, 60], "weight_decay": {"low": 1e-4, "high": 1.0, "log": True}}
    configuration = studies.experiment(searched, startup_trials=6, trials=24)
    one = optuna.create_study(study_name="learns")
    found = space.read(configuration)
    one.sampler = sampling.make_sampler(found)

    def cheap(trial: optuna.Trial) -> float:
        values = space.suggest(trial, found.space)
        trial.set_constraint("shape", 1.0 if values["depth"] == 60 else 0.0)
        if values["depth"] == 60:
            raise optuna.TrialPruned
        return values["weight_decay"]

    one.optimize(cheap, n_trials=24)
    late = [trial.params["depth"] for trial in one.trials[12:]]
    assert late.count(1) >= 9


def test_a_trial_that_diverges_is_pruned_with_its_reason() -> None:
    _, (trial,) = _trials({"learning_rate": [1e-3, 1e9]}, {"learning_rate": 1e9})
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs[REASON].startswith(("diverged: the loss", "diverged: the norm"))


def test_a_trial_that_collapses_is_pruned_with_its_reason() -> None:
    """A weight decay that leaves little but the head's bias after every step."""
    settings = {"training": {"max_epochs": 4, "learning_rate": 0.001}}
    _, (trial,) = _trials({"weight_decay": [0.1, 900]}, {"weight_decay": 900}, settings=settings)
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs[REASON].startswith("collapsed")


def test_an_epoch_that_is_lived_through_again_hides_no_collapse() -> None:
    epochs = {"training": {"max_epochs": 9}}
    configuration = studies.experiment({"weight_decay": [0.1, 0.2]}, settings=epochs)
    one, store = studies.begin(configuration)
    job = Job(one, store, one.ask(), jobs.without_listener)
    watch = objective._Pruner(job, make_plan(configuration), lambda: False)

    def epoch(number: int, spread: tuple[float, float]) -> None:
        watch(ValidationEvent(number + 1, number, 0.6, 0.6, False, spread))
        watch(EpochEvent(number + 1, number, 0.6, 1.0))

    epoch(0, (0.1, 0.9))
    epoch(0, (0.1, 0.9))  # from an older checkpoint
    epoch(1, (0.5, 0.5))
    assert watch.gate(2) is None
    epoch(2, (0.5, 0.5))
    stop = watch.gate(3)
    assert stop is not None
    assert stop.message.startswith("collapsed")


def test_a_suggestion_that_was_made_before_is_not_trained_again() -> None:
    twice = {"weight_decay": 0.7}
    events: list[Any] = []
    configuration = studies.experiment({"weight_decay": [0.6, 0.7]}, trials=2)
    one, store = studies.begin(configuration)
    one.enqueue_trial(twice)
    one.enqueue_trial(twice)
    study.work(one, store, studies.watched(events.append))
    assert events
    events.clear()
    study.work(one, store, studies.watched(events.append))
    assert events == []
    first, second = one.trials
    assert second.value == first.value
    assert second.user_attrs[DUPLICATE] == 0
    assert DUPLICATE not in first.user_attrs
    assert second.intermediate_values == first.intermediate_values


@pytest.mark.parametrize("dies", [False, True], ids=["ends", "dies"])
def test_a_twin_that_is_being_trained_is_waited_for(
    dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(job_queue, "recover", lambda *_: None)  # the twin's worker is alive
    configuration = studies.experiment({"weight_decay": [0.55, 0.65]}, trials=2)
    one, store = studies.begin(configuration)
    for _ in range(2):
        one.enqueue_trial({"weight_decay": 0.55})
    twin = one.ask()
    values = space.suggest(twin, space.read(configuration).space)
    same = space.configure(study.settings(one).experiment, values)
    twin.set_user_attr(RUN_ID, make_plan(same).run_id)
    events: list[Any] = []

    def other_worker() -> None:
        while len(one.trials) < 2 or RUN_ID not in one.trials[1].user_attrs:
            time.sleep(0.01)
        assert one.trials[1].state == TrialState.RUNNING
        told = {"state": TrialState.FAIL} if dies else {"values": 0.5}
        one.tell(twin, **told)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(other_worker)
        study.work(one, store, studies.watched(events.append))
        other.result(timeout=60)
    second = one.trials[1]
    assert second.state == TrialState.COMPLETE
    assert bool(events) is dies
    assert second.user_attrs.get(DUPLICATE) == (None if dies else 0)
    assert (second.value == 0.5) is not dies


def test_a_second_model_in_one_process_trains_like_the_first() -> None:
    searched = {"warmup_steps": [3, 4]}
    _, (first, *_) = _trials(searched, {"warmup_steps": 3}, {"warmup_steps": 4})
    folder = files.runs_folder() / first.user_attrs[RUN_ID]
    folder.rename(folder.with_name("kept"))
    _, (_, again) = _trials(searched, {"warmup_steps": 4}, {"warmup_steps": 3}, seed=5)
    assert again.value == first.value
    weights = [
        (place / "checkpoint" / "best" / "weights.safetensors").read_bytes()
        for place in (folder, folder.with_name("kept"))
    ]
    assert weights[0] == weights[1]
    assert np.isfinite(first.value or np.nan)


def _runs() -> set[str]:
    return {path.name for path in files.runs_folder().glob("*")}
