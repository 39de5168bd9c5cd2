"""From a plan to a summary: scored once, repeated to the byte, stopped by heat."""

import json
import shutil
import signal
import threading
import time
from collections.abc import Callable
from datetime import date
from functools import partialmethod
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlxts import experiment, predict
from mlxts.baselines.registry import STANDARD
from mlxts.config.loading import load_config
from mlxts.errors import DataError, RunError
from mlxts.evaluation import run_listing
from mlxts.runs import layout, predictions
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.thermal import policy
from mlxts.thermal.sensors.base import Sample
from mlxts.thermal.sensors.scripted import Scripted
from mlxts.thermal.step_time_drift import StepTimeDrift
from mlxts.training import run
from mlxts.training.events import (
    Event,
    PauseEvent,
    ResumeEvent,
    StepEvent,
    StopEvent,
    ValidationEvent,
)
from mlxts.training.losses import TargetScale
from mlxts.training.plan import Plan, make_plan
from tests import homes


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return homes.simulated(tmp_path_factory.mktemp("home"), patch)


@pytest.fixture(autouse=True)
def _inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(workspace))
    monkeypatch.chdir(workspace)


def _plan(**overrides) -> Plan:
    return make_plan(load_config(Path("small.yaml"), overrides))


@pytest.fixture(scope="module")
def finished(workspace: Path) -> tuple[Plan, dict]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(workspace))
        plan = make_plan(load_config(workspace / "small.yaml"))
        return plan, experiment.run_experiment(plan, emit=lambda event: None)


def test_the_summary_holds_scores_heat_and_a_verdict(finished) -> None:
    plan, summary = finished
    assert summary["status"] in experiment.FINISHED
    assert set(summary["scores"]["validation"]) >= {NETWORK, "har", "linear", "volatility"}
    assert summary["scores"]["validation"][NETWORK]["log_loss"] == pytest.approx(
        summary["best_loss"], rel=1e-9
    )
    for name in ("HAR", "linear"):
        assert f"(model − {name})" in summary["verdict"] or f"Against {name}" in summary["verdict"]
    reference = summary["reference"]
    assert reference["name"] == min(reference["losses"], key=reference["losses"].get)
    assert summary["thermal"]["step_time_drift"] in (False, True)
    assert summary["collapsed_in_training"] is False
    steps = [r for r in _metrics(plan.folder) if r["split"] == "train"]
    timed = [(r["samples"], r["seconds"]) for r in steps[1:]]  # the first one compiles
    samples, seconds = (sum(column) for column in zip(*timed, strict=True))
    assert summary["train_seconds"] == pytest.approx(seconds)
    assert summary["samples_per_second"] == pytest.approx(samples / seconds)
    assert json.loads((plan.folder / "summary.json").read_text()) == json.loads(
        json.dumps(summary, default=str)
    )


def test_the_loss_to_beat_is_known_before_training_and_is_the_one_that_is_scored(finished) -> None:
    plan, summary = finished
    name, loss = predict.reference_loss(plan) or ("", 0.0)
    assert name == summary["reference"]["name"]
    assert loss == pytest.approx(summary["scores"]["validation"][name]["log_loss"], rel=1e-9)


def test_predictions_cover_train_and_validation_and_never_test(finished) -> None:
    plan, _ = finished
    table = RunFolder(plan.folder).predictions()
    sizes = {name: len(samples) for name, samples in plan.dataset.samples.items()}
    assert sizes["test"] > 0
    models = ["patchtst", *STANDARD, "base_rate", "bayes"]
    assert table["model"].unique(maintain_order=True).to_list() == models
    for own in predictions.by_model(table).values():
        counts = dict(own.group_by("split").len().iter_rows())
        assert counts == {"train": sizes["train"], "validation": sizes["validation"]}


@pytest.mark.parametrize("key", ["n_pos", "base_rate", "log_loss_prior", "log_loss", "interval"])
@pytest.mark.parametrize("model", ["patchtst", "har"])
def test_a_figure_that_a_screen_needs_and_is_gone_is_damage(
    finished, tmp_path: Path, model: str, key: str
) -> None:
    plan, _ = finished
    folder = tmp_path / plan.folder.name
    shutil.copytree(plan.folder, folder)
    path = folder / layout.SUMMARY
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert experiment.summary_of(folder) == summary
    del summary["scores"]["validation"][model][key]
    path.write_text(json.dumps(summary), encoding="utf-8")
    with pytest.raises(RunError, match=rf"is damaged: .*{key} is missing"):
        experiment.summary_of(folder)


def test_a_finished_run_is_not_done_again(finished) -> None:
    plan, summary = finished
    seen: list[Event] = []
    again = experiment.run_experiment(plan, emit=seen.append)
    assert seen == []
    assert again["run_id"] == summary["run_id"]
    assert again["best_loss"] == summary["best_loss"]


def test_the_test_split_is_predicted_from_the_best_weights(finished) -> None:
    plan, _ = finished
    trained = run.load(plan.folder)
    table = predict.predict_network(trained, ("test",))
    again = predict.predict_network(trained, ("validation",))
    stored = RunFolder(plan.folder).predictions()
    stored = stored.filter(model="patchtst", split="validation")
    assert (table["date"] >= date(2025, 1, 1)).all()
    assert again.sort("date").equals(stored.sort("date"))


def test_a_forecast_is_the_models_output_at_that_bar(finished) -> None:
    plan, _ = finished
    stored = RunFolder(plan.folder).predictions()
    stored = stored.filter(model="patchtst", split="validation")
    day, logit = stored["date"][-1], stored["logit"][-1]
    said = experiment.forecast(plan.folder, day)
    assert said["date"] == day.isoformat()
    assert said["probability"] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)
    latest = experiment.forecast(plan.folder)
    assert latest["date"] == str(plan.dataset.bars["date"].max())


def test_a_day_without_a_bar_has_no_forecast(finished) -> None:
    plan, _ = finished
    with pytest.raises(DataError, match="choose a trading day"):
        experiment.forecast(plan.folder, date(2024, 12, 25))


def test_a_return_comes_with_a_price_and_an_interval_around_it() -> None:
    plan = _plan(task="regression", **{"training.max_epochs": 1})
    experiment.run_experiment(plan, emit=lambda event: None)
    said = experiment.forecast(plan.folder)
    low, high = said["price_interval"]
    assert low < said["price"] < high
    assert said["price"] == pytest.approx(said["close"] * np.exp(said["log_return"]))
    assert abs(said["log_return"]) < 0.05
    table = RunFolder(plan.folder).predictions().filter(model="patchtst")
    assert np.std(table["logit"].to_numpy()) < np.std(table["target"].to_numpy())
    held_out = table.filter(split="validation")
    half = np.log(high / said["price"])
    wider = ((held_out["target"] - held_out["logit"]).abs() > half * (1 - 1e-9)).sum()
    assert wider == held_out.height - int(np.ceil(0.9 * (held_out.height + 1))) + 1


def test_a_range_is_learned_by_squared_error_and_forecast_in_per_cent_with_an_interval() -> None:
    plan = _plan(task="range", **{"training.max_epochs": 1})
    losses = {}

    def listen(event: Event) -> None:
        if isinstance(event, ValidationEvent):
            losses[event.step] = event.loss

    summary = experiment.run_experiment(plan, emit=listen)
    table = RunFolder(plan.folder).predictions().filter(model="patchtst", split="validation")
    scale = TargetScale.fit(plan.dataset)
    errors = ((table["logit"] - table["target"]) / scale.scale).to_numpy()
    assert losses[summary["best_step"]] == pytest.approx(0.5 * (errors**2).mean(), rel=1e-5)
    reference, loss = predict.reference_loss(plan) or ("", 0.0)
    mse = summary["scores"]["validation"][reference]["mse"]
    assert loss == pytest.approx(0.5 * mse / scale.scale**2)
    figures = summary["scores"]["validation"][NETWORK]
    assert figures["mse"] == pytest.approx((errors**2).mean() * scale.scale**2)
    assert figures["rmse"] == pytest.approx(figures["mse"] ** 0.5)
    assert "QLIKE difference" in summary["verdict"]
    said = experiment.forecast(plan.folder)
    low, high = said["range_interval"]
    assert 0.0 < low < said["range"] < high < 1.0
    assert np.log(np.log1p(said["range"])) == pytest.approx(said["log_log_range"])
    assert f"high to low {said['range']:.2%}, 90% interval {low:.2%}" in said["sentence"]


def test_a_weekly_run_is_scored_in_its_canonical_phase_and_in_all_and_speaks_of_today() -> None:
    plan = _plan(timescale="weekly", horizon=None, **{"training.max_epochs": 1})
    summary = experiment.run_experiment(plan, emit=lambda event: None)
    scores = summary["scores"]
    assert list(scores) == ["validation", "validation_all_phases"]
    canonical, every = (scores[split][NETWORK] for split in scores)
    assert every["n"] == len(plan.dataset.samples["validation"]) > 4 * canonical["n"]
    assert every["log_loss"] == pytest.approx(summary["best_loss"], rel=1e-6)
    assert summary["canonical_samples"]["validation"] == canonical["n"]
    said = experiment.forecast(plan.folder)
    # The last day is a Monday, whose bars are too long where weeks have four sessions.
    assert plan.dataset.daily["date"].max() == date(2025, 3, 31)
    assert said["date"] == "2025-03-28"
    assert said["close"] == plan.dataset.daily["close"][-2]
    with pytest.raises(DataError, match="spans more than twice"):
        experiment.forecast(plan.folder, date(2025, 3, 31))


def _trace(folder: Path, temperatures: list[float]) -> str:
    (folder / "trace.yaml").write_text("".join(f"- {value}\n" for value in temperatures))
    return f"scripted:{folder / 'trace.yaml'}"


def test_a_critical_temperature_stops_the_run_and_it_can_go_on(tmp_path: Path) -> None:
    overrides = {"seed": 5, "training.max_epochs": 40, "training.patience": 1000}
    hot = {"thermal.sensor": _trace(tmp_path, [60, 60, 99, 99, 99, 99]), **overrides}
    plan = _plan(**hot, **{"thermal.poll_seconds": 0.02})
    summary = experiment.run_experiment(plan, emit=lambda event: None)
    assert summary["status"] == "overheated"
    assert not (plan.folder / "summary.json").exists()
    state = json.loads((plan.folder / "checkpoint" / "last" / "state.json").read_text())
    assert 0 < state["step"] < plan.total_steps


def test_a_run_that_is_both_too_hot_and_interrupted_was_interrupted(tmp_path: Path) -> None:
    hot = _trace(tmp_path, [60, 99, 99, 99, 99])
    plan = _plan(seed=11, **{"thermal.sensor": hot, "thermal.poll_seconds": 0.02})

    def both(event: Event) -> None:
        if isinstance(event, StepEvent):
            time.sleep(0.3)  # long enough for readings that stop the run
            signal.raise_signal(signal.SIGINT)

    summary = experiment.run_experiment(plan, emit=both)
    assert summary["status"] == "interrupted"
    assert "SIGINT" in summary["message"]


def test_ctrl_c_ends_a_pause_for_heat(tmp_path: Path) -> None:
    warm = {"thermal.sensor": _trace(tmp_path, [60, 88]), "thermal.pause": True}
    plan = _plan(seed=12, **warm, **{"thermal.poll_seconds": 0.02})

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent):
            time.sleep(0.1)
        if isinstance(event, PauseEvent):
            signal.raise_signal(signal.SIGINT)

    assert experiment.run_experiment(plan, emit=listen)["status"] == "interrupted"


class _HotUntilPaused:
    """A sensor that is hot from its second reading on until training was seen to pause.

    Also the listener that sees it, and that holds the first step until the heat was read.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[Event] = []
        self.settings = {
            "thermal.sensor": _trace(folder, [60.0, 88.0, 70.0]),
            "thermal.pause": True,
            "thermal.poll_seconds": 0.02,
        }
        self._paused, self._reads = threading.Event(), 0
        monkeypatch.setattr(Scripted, "read", self._read)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, PauseEvent):
            self._paused.set()
        while isinstance(event, StepEvent) and self._reads < 2 * policy.WINDOW:
            time.sleep(0.01)

    @property
    def _read(self) -> Callable[[Scripted], Sample]:
        def read(sensor: Scripted) -> Sample:
            self._reads += 1
            now = 0 if self._reads == 1 else 2 if self._paused.is_set() else 1
            return sensor._samples[now]

        return read


def test_a_pause_for_heat_changes_no_loss(
    finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, _ = finished
    losses = [r["loss"] for r in _metrics(plan.folder) if r["split"] == "train"]
    plan.folder.rename(plan.folder.with_name("kept"))
    try:
        seen = _HotUntilPaused(tmp_path, monkeypatch)
        paused = _plan(**seen.settings)
        assert paused.run_id == plan.run_id
        experiment.run_experiment(paused, emit=seen)
        kinds = [type(event) for event in seen.events]
        assert PauseEvent in kinds
        assert ResumeEvent in kinds
        assert [e.loss for e in seen.events if isinstance(e, StepEvent)] == losses
    finally:
        import shutil

        shutil.rmtree(plan.folder, ignore_errors=True)
        plan.folder.with_name("kept").rename(plan.folder)


def _metrics(folder: Path) -> list[dict]:
    return pl.read_ndjson(folder / "metrics.jsonl", infer_schema_length=None).to_dicts()


def _recorded(folder: Path, kind: str) -> list[dict]:
    return [row for row in RunFolder(folder).events() if row["event"] == kind]


def test_heat_is_in_the_runs_own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _HotUntilPaused(tmp_path, monkeypatch)
    plan = _plan(seed=6, **seen.settings)
    experiment.run_experiment(plan, emit=seen)
    bands = [row["band"] for row in _recorded(plan.folder, "thermal")]
    assert "warning" in bands
    assert len(_recorded(plan.folder, "pause")) == len(_recorded(plan.folder, "resume")) >= 1


def _slow_after(seconds: float, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the step timer of the loop see a machine that slows down after so many steps."""
    add = StepTimeDrift.add
    seen = [0]

    def later(self: StepTimeDrift, took: float) -> bool:
        seen[0] += 1
        return add(self, seconds * (1.5 if seen[0] > steps else 1.0))

    monkeypatch.setattr(StepTimeDrift, "add", later)


def test_a_run_that_slows_down_says_so_once_and_keeps_its_wall_time_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(StepTimeDrift, "__init__", partialmethod(StepTimeDrift.__init__, window=5))
    _slow_after(0.01, 30, monkeypatch)
    plan = _plan(seed=8, **{"training.batch_size": 32})
    assert plan.total_steps > 50
    summary = experiment.run_experiment(plan, emit=lambda event: None)
    assert summary["thermal"]["step_time_drift"] is True
    assert "up to 50%" in summary["thermal"]["step_time_drift_reason"]
    notices = [row["message"] for row in _recorded(plan.folder, "notice")]
    assert len([text for text in notices if "timings are excluded" in text]) == 1
    assert summary["train_seconds"] > 0
    assert run_listing.describe(plan.folder)["train_seconds"] is None


def test_a_run_that_collapsed_on_the_way_says_so() -> None:
    """A weight decay that leaves little but the head's bias after every step."""
    plan = _plan(seed=10, **{"training.weight_decay": 900, "training.learning_rate": 0.001})
    summary = experiment.run_experiment(plan, emit=lambda event: None)
    assert summary["collapsed_in_training"] is True
    (notice,) = [row["message"] for row in _recorded(plan.folder, "notice")]
    assert notice.startswith("collapsed: ")


def test_going_on_with_other_threads_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(seed=9)
    stop = experiment.run_experiment(
        plan,
        emit=lambda event: None,
        gate=lambda step: StopEvent(step, "interrupted", "asked") if step == 3 else None,
    )
    assert stop["status"] == "interrupted"
    path = plan.folder / "run.json"
    record = json.loads(path.read_text())
    record["machine"]["threads"] += 1
    path.write_text(json.dumps(record))
    experiment.run_experiment(plan, emit=lambda event: None, resume=True)
    (notice,) = [row["message"] for row in _recorded(plan.folder, "notice")]
    assert notice.startswith(f"threads {record['machine']['threads'] - 1} instead of")


def test_a_finished_run_whose_predictions_are_gone_predicts_again(finished) -> None:
    plan, _ = finished
    path = plan.folder / layout.PREDICTIONS
    before = path.read_bytes()
    path.unlink()
    assert predict.read_or_predict(plan.folder).height
    assert path.read_bytes() == before
    path.write_bytes(before[:100])
    with pytest.raises(DataError, match="delete it, and it is predicted again"):
        predict.read_or_predict(plan.folder)
    path.write_bytes(before)


def test_a_run_that_is_not_finished_has_no_predictions_to_make(finished, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train the run to its end"):
        predict.read_or_predict(tmp_path)


def test_a_damaged_summary_is_named_and_comes_back_from_the_last_checkpoint(finished) -> None:
    plan, summary = finished
    path = plan.folder / "summary.json"
    for text in ("{", "[]", json.dumps(summary | {"scores": {}})):
        path.write_text(text)
        with pytest.raises(RunError, match=r"summary\.json is damaged.*delete that file"):
            experiment.run_experiment(plan, emit=lambda event: None)
    path.unlink()
    again = experiment.run_experiment(plan, emit=lambda event: None, resume=True)
    assert again["scores"] == summary["scores"]
    assert again["best_step"] == summary["best_step"]


@pytest.mark.parametrize("task", ["threshold_1pct", "direction", "regression"])
def test_a_run_on_one_training_day_claims_nothing(task: str) -> None:
    plan = _plan(**{"data.train_fraction": 1e-9, "task": task, "training.batch_size": 1})
    summary = experiment.run_experiment(plan, emit=lambda event: None)
    assert summary["samples"]["train"] == 1
    assert summary["verdict"].startswith("Not estimable")
    assert "at least 30" in summary["verdict"]
    assert summary["reference"]["name"] is None
    assert summary["scores"]["validation"][NETWORK]["verdict"] == "not estimable"
    again = experiment.run_experiment(plan, emit=lambda event: None)
    assert again == json.loads(json.dumps(summary, default=str))
