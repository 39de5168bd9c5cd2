"""`sweep plan`, `run`, `status` and `worker` as a person calls them."""

import json
import signal
import threading
from datetime import date
from pathlib import Path

import numpy as np
import optuna
import pytest
from typer.testing import CliRunner

from mlxts import protocol
from mlxts.cli.app import app
from mlxts.errors import BudgetError, DivergedError, SearchError
from mlxts.evaluation import power
from mlxts.evaluation.power import Design
from mlxts.search import cost_estimate, storage, sweep, sweep_config, sweep_power
from tests import homes, processes
from tests.search import studies, sweeps


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handlers are pytest's
    home = homes.simulated(tmp_path, monkeypatch, date(2019, 6, 3), date(2023, 3, 31))
    sweeps.write(home, sweeps.sweep({"seed": [0, 1], "horizon": [1, 3]}))
    return home


@pytest.fixture
def two_years(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose validation years are whole, so that they can be estimated."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return homes.simulated(tmp_path, monkeypatch, date(2019, 6, 3), date(2025, 1, 10))


def _call(*arguments: str):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def _tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_plan_says_what_every_run_costs_and_writes_nothing(home: Path) -> None:
    before = _tree(home)
    said = json.loads(_call("sweep", "plan", "tiny.yaml", "--json").stdout)
    assert _tree(home) == before
    assert [row["run"] for row in said["runs"]] == ["s0-h1", "s0-h3", "s1-h1", "s1-h3"]
    for row in said["runs"]:
        assert row["state"] == "missing"
        assert row["n_total"] == pytest.approx(20_000, rel=0.01)
        assert row["seconds"] == pytest.approx(row["seconds_per_step"] * row["total_steps"])
        assert row["flops"] > 0
        assert row["memory_bytes"] > 0
    assert len({row["seconds_per_step"] for row in said["runs"]}) == 1  # one shape, timed once
    shown = _call("sweep", "plan", "tiny.yaml", "--no-timing").stdout
    assert "0 done, 4 left" in shown
    assert "Nothing was written" in shown


def test_a_plan_says_what_cannot_be_estimated_and_what_the_rest_will_see(two_years: Path) -> None:
    rare = {"task": ["threshold_1pct", "threshold_5pct"], "budget": ["0.02M", "0.2M"]}
    sweeps.write(two_years, sweeps.sweep({"seed": [0, 1, 2], **rare}))
    said = json.loads(_call("sweep", "plan", "tiny.yaml", "--no-timing", "--json").stdout)
    possible = [row["run"] for row in said["runs"] if not row["not_estimable"]]
    assert possible == [f"s{s}-threshold_1pct-{b}" for s in range(3) for b in rare["budget"]]
    seen, unseen = said["power"]
    assert (seen["seeds"], seen["origins"], seen["measured"]) == (3, 1, False)
    error = Design((2e4, 2e5), 3, seen["days"]).error(protocol.NOISE["strict"])
    assert seen["smallest_gain"] == pytest.approx(power.smallest_gain(error))
    assert "of each are needed" in unseen["not_estimable"]
    assert unseen["smallest_gain"] is None
    shown = _call("sweep", "plan", "tiny.yaml", "--no-timing", "--estimable-only").stdout
    assert "6 runs left out" in shown
    assert "threshold_5pct" not in shown
    queued = _call("sweep", "run", "tiny.yaml", "--estimable-only", "--queue-only").stdout
    assert "6 waiting, 6 not queued." in queued
    assert "12 waiting" in _call("sweep", "run", "tiny.yaml", "--queue-only").stdout


def test_a_dry_run_says_whether_it_is_estimable_and_what_sizes_would_see(two_years: Path) -> None:
    said = json.loads(_call("train", "small.yaml", "--dry-run", "--json").stdout)
    assert (said["scored_days"], said["not_estimable"]) == (501, None)
    assert said["smallest_gain"] == pytest.approx(0.0149, abs=1e-4)
    assert "three seeds would see a gain of 0.0149" in sweep_power.sentence(said)
    rare = ("--set", "task=threshold_5pct")
    none = json.loads(_call("train", "small.yaml", "--dry-run", "--json", *rare).stdout)
    assert "not estimable, part of no claim" in sweep_power.sentence(none)


def test_all_windows_of_a_cell_decide_together_whether_it_is_estimable(home: Path) -> None:
    """A quiet window is left out of nothing: that would choose days by what happened on them."""
    sweeps.write(
        home, sweeps.sweep({"task": ["threshold_2pct"], "data.walk_forward_window": [1, 2]})
    )
    points = sweep_config.load(home / "tiny.yaml").points()
    dates = np.arange(400)
    few, many = (np.isin(dates, np.arange(0, 400, step)).astype(float) for step in (30, 8))
    config = points[0].config
    quiet, wild = (
        sweep_power.Evidence(dates + 400 * k, targets, None)
        for k, targets in enumerate((few, many))
    )
    assert sweep_power.obstacle(config, [quiet]) is not None
    assert sweep_power.obstacle(config, [quiet, wild]) is None
    assert len({sweep_power.cell_key(point.config) for point in points}) == 1


def test_noise_of_finished_runs_replaces_what_was_measured_before(
    two_years: Path,
) -> None:
    sweeps.write(two_years, sweeps.sweep({"seed": [0, 1], "budget": ["0.02M", "0.06M"]}))
    _call("sweep", "run", "tiny.yaml", "--quiet")
    (one,) = json.loads(_call("sweep", "plan", "tiny.yaml", "--no-timing", "--json").stdout)[
        "power"
    ]
    assert one["measured"]
    assert one["noise"] != vars(protocol.NOISE["strict"])
    assert one["noise"]["seed"] > 0


def test_a_shape_that_cannot_be_timed_now_keeps_none_from_the_plan(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(plan: object, count: int) -> float:
        raise BudgetError("needs 4.0 GiB and 1.0 GiB are free")

    monkeypatch.setattr(cost_estimate.Plan, "time_steps", full)
    said = json.loads(_call("sweep", "plan", "tiny.yaml", "--json").stdout)["runs"]
    assert len(said) == 4
    assert all("GiB" in row["problem"] for row in said)


def test_what_is_trained_is_done_in_the_plan_the_status_and_for_a_second_run(home: Path) -> None:
    done = _call("sweep", "run", "tiny.yaml", "--quiet")
    assert done.exit_code == 0
    assert done.stdout.count("validation loss") == 4
    assert "4 done." in done.stdout
    planned = json.loads(_call("sweep", "plan", "tiny.yaml", "--json").stdout)["runs"]
    assert {row["state"] for row in planned} == {"done"}
    status = json.loads(_call("sweep", "status", "tiny.yaml", "--json").stdout)["runs"]
    assert [row["run_id"] for row in status] == [row["run_id"] for row in planned]
    assert all(row["loss"] > 0 for row in status)
    assert "validation loss" not in _call("sweep", "run", "tiny.yaml", "--quiet").stdout


def test_a_run_trained_alone_counts_as_done(home: Path) -> None:
    configuration = sweeps.sweep({"seed": [0]}).points()[0].config
    (home / "alone.yaml").write_text(configuration.to_yaml())
    _call("train", "alone.yaml", "--quiet")
    planned = json.loads(_call("sweep", "plan", "tiny.yaml", "--no-timing", "--json").stdout)
    assert [row["state"] for row in planned["runs"]] == ["done", *["missing"] * 3]


def test_work_is_queued_here_and_done_by_a_worker(home: Path) -> None:
    queued = _call("sweep", "run", "tiny.yaml", "--queue-only")
    assert "4 waiting." in queued.stdout
    done = _call("worker", "--once", "--quiet").stdout
    assert done.startswith("done 0.02M-daily")
    assert done.endswith("(1 done, 3 waiting)\n")
    counts = _call("sweep", "status", "tiny.yaml").stdout
    assert "1 done, 3 waiting." in counts


def test_a_failure_stands_in_the_table_and_can_be_retried(home: Path) -> None:
    _call("sweep", "run", "tiny.yaml", "--queue-only")
    store = storage.open()
    (name,) = storage.study_names(store)

    def broken(trial: optuna.Trial) -> float:
        raise DivergedError("the loss is not finite at step 7")

    studies.do(sweep.load(store, name), store, broken)
    shown = _call("sweep", "status", "tiny.yaml").stdout
    assert "the loss is not finite" in shown
    assert "1 failed" in shown
    assert "--retry-failed" in shown
    assert "4 waiting." in _call("sweep", "status", "tiny.yaml", "--retry-failed").stdout


def test_an_untuned_budget_is_named_in_the_plan(home: Path) -> None:
    wanted = sweeps.sweep({"budget": ["2M"]}, mode="strict")
    sweeps.write(home, wanted)
    shown = _call("sweep", "plan", "tiny.yaml").stdout
    assert "blocked" in shown
    assert "mlxts batch-size" in shown


def test_a_status_before_the_beginning_says_how_to_begin(home: Path) -> None:
    with pytest.raises(SearchError, match="sweep run"):
        _call("sweep", "status", "tiny.yaml")


def test_a_worker_that_must_not_work_says_why_and_exits_2(home: Path) -> None:
    _call("sweep", "run", "tiny.yaml", "--queue-only")
    (home / "data" / "raw" / "manifest.json").unlink()
    with pytest.raises(SearchError, match="data/raw"):
        _call("worker", "--exit-when-idle")


def test_an_idle_worker_ends_by_ctrl_c_with_130(home: Path) -> None:
    process = processes.start(["worker"])
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
    reader.start()
    try:
        sweeps.until(lambda: any("waiting for work" in line for line in said))
        process.terminate()
        process.wait(timeout=120)
    finally:
        process.kill()
        reader.join(timeout=60)
        process.communicate()
    assert process.returncode == protocol.EXIT_INTERRUPTED
    assert said[1:] == ["interrupted; the unfinished job is queued again\n"]


def test_a_long_plan_shows_what_costs_the_same_in_one_row(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "like it" not in _call("sweep", "plan", "tiny.yaml", "--no-timing").stdout
    monkeypatch.setattr("mlxts.cli.sweep._MOST_ROWS", 3)
    shown = _call("sweep", "plan", "tiny.yaml", "--no-timing").stdout
    assert "tiny: 4 runs" in shown
    assert "like it" in shown
    assert "0 done, 4 left" in shown


def test_options_of_the_last_release_still_work_and_name_the_new_ones(home: Path) -> None:
    done = _call("worker", "--quiet", "--idle-exit", "--grace=7")
    assert done.exit_code == 0
    assert "--idle-exit is now --exit-when-idle" in done.stderr
    assert "--grace is now --heartbeat-timeout" in done.stderr
