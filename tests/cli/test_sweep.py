"""`sweep plan`, `run`, `status` and `worker` as a person calls them."""

import json
import signal
import threading
from datetime import date
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from mlxts import protocol
from mlxts.cli.app import app
from mlxts.errors import BudgetError, DivergedError, SearchError
from mlxts.search import cost_estimate, storage, sweep
from tests import homes, processes
from tests.search import studies, sweeps


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handlers are pytest's
    home = homes.simulated(tmp_path, monkeypatch, date(2019, 6, 3), date(2023, 3, 31))
    sweeps.write(home, sweeps.sweep({"seed": [0, 1], "horizon": [1, 3]}))
    return home


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
