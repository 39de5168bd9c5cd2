"""Finding runs and reading what they say."""

import json
import shutil

import pytest

from mlxts.config.loading import build_config
from mlxts.errors import ConfigError, RunError
from mlxts.evaluation import run_listing
from mlxts.runs import index


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    return tmp_path / "outputs" / "runs"


def make(folder, run_id, summary=None):
    settings = build_config({"name": "small", "seed": 3})
    path = folder / run_id
    path.mkdir(parents=True)
    record = {"run_id": run_id, "n_total": 2_000_123, "config": settings.model_dump(mode="json")}
    (path / "run.json").write_text(json.dumps(record))
    if summary:
        (path / "summary.json").write_text(json.dumps(summary))
    return path


def test_a_run_is_found_by_path_id_and_beginning(folder):
    path = make(folder, "abcdef")
    make(folder, "abxyz")
    assert index.find(str(path)) == path
    assert index.find("abcdef") == path
    assert index.find("abc") == path
    assert index.find("abc*") == path


def test_no_run_and_several_runs_are_one_line_errors(folder):
    make(folder, "abcdef")
    make(folder, "abxyz")
    with pytest.raises(RunError, match="mlxts runs"):
        index.find("zzz")
    for name in ("ab", "ab*"):
        with pytest.raises(RunError, match="any of abcdef, abxyz"):
            index.find(name)


def test_the_listing_shows_scores_and_the_unfinished(folder):
    figures = {"log_loss": 0.48, "auc": 0.7, "log_loss_skill": -0.01, "verdict": "matches"}
    scores, seconds = {"validation": {"patchtst": figures}}, {"train_seconds": 61.5}
    make(folder, "b", {"status": "finished", "scores": scores, **seconds})
    make(folder, "a")
    unfinished, finished = run_listing.listing()
    assert (unfinished["run_id"], unfinished["status"]) == ("a", "unfinished")
    assert unfinished["log_loss"] is None
    assert finished == {
        "run_id": "b",
        "started": None,
        "name": "small",
        "mode": "strict",
        "budget": "2M",
        "n_total": 2_000_123,
        "task": "threshold_1pct",
        "symbol": "SPY",
        "horizon": 1,
        "seed": 3,
        "status": "finished",
        "log_loss": 0.48,
        "rmse": None,
        "auc": 0.7,
        "difference": None,
        "skill": -0.01,
        "skill_har": -0.01,  # of before there was linear
        "reference": "har",
        "verdict": "not significantly different",
        "train_seconds": 61.5,
        "samples_per_second": None,
        "wall_time_omitted": None,
        "damaged": None,
    }


def test_a_run_whose_steps_slowed_down_gives_no_wall_time_but_a_reason(folder):
    thermal = {"step_time_drift": True, "step_time_drift_reason": "steps took up to 20% longer"}
    times = {"train_seconds": 61.5, "samples_per_second": 80.0}
    scores = {"validation": {"patchtst": {"log_loss": 0.48}}}
    make(folder, "a", {"status": "finished", "scores": scores, "thermal": thermal, **times})
    (row,) = run_listing.listing()
    assert (row["train_seconds"], row["samples_per_second"]) == (None, None)
    assert row["wall_time_omitted"] == "steps took up to 20% longer"
    assert row["log_loss"] == 0.48


def test_a_run_on_returns_is_listed_with_its_rmse(folder):
    figures = {"rmse": 0.018, "mse_skill": 0.002, "verdict": "matches"}
    make(folder, "a", {"status": "finished", "scores": {"validation": {"patchtst": figures}}})
    (row,) = run_listing.listing()
    assert (row["log_loss"], row["rmse"], row["skill"]) == (None, 0.018, 0.002)


@pytest.mark.parametrize("text", ["{", "[]", "null", "", '{"run_id": 3}', '{"run_id": "a"}'])
def test_a_damaged_run_is_listed_with_the_reason_and_hides_no_other(folder, text):
    (make(folder, "a") / "run.json").write_text(text)
    make(folder, "b")
    damaged, whole = run_listing.listing()
    assert (damaged["run_id"], damaged["status"], whole["run_id"]) == ("a", "damaged", "b")
    assert "run.json is damaged" in damaged["damaged"]
    assert damaged.keys() == whole.keys()
    assert index.without_damaged([folder / "a", folder / "b"]) == (
        [folder / "b"],
        {"a": damaged["damaged"]},
    )


def test_a_run_without_its_run_json_is_damaged_and_not_forgotten(folder):
    (make(folder, "a", {"status": "finished"}) / "run.json").unlink()
    (row,) = run_listing.listing()
    assert row["status"] == "damaged"
    assert "holds no readable run.json" in row["damaged"]


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"status": 3}', '{"status": "finished", "steps": 1.5}']
)
def test_a_summary_of_another_shape_makes_no_unfinished_run(folder, text):
    (make(folder, "a") / "summary.json").write_text(text)
    (row,) = run_listing.listing()
    assert row["status"] == "damaged"
    assert "summary.json is damaged" in row["damaged"]


@pytest.mark.parametrize("name", ["", "/etc/nothing", "xy*", "[", "..", "."])
def test_what_names_no_run_is_one_line(folder, name):
    make(folder, "abcdef")
    with pytest.raises(RunError, match=r"no .*run"):
        index.find(name)


def test_no_runs_are_an_empty_listing(folder):
    assert run_listing.listing() == []


ROWS = [
    {"run_id": run, "started": started, "log_loss": loss, "rmse": None, "difference": difference,
     "n_total": size, "name": run, "mode": "strict", "budget": "2M", "task": task, "symbol": "SPY",
     "horizon": 1, "seed": 0, "status": "finished", "verdict": None, "reference": "har"}
    for run, started, loss, difference, size, task in (
        ("a", "2026-01-02", 0.5, 0.1, 20, "direction"),
        ("b", "2026-01-03", None, None, 10, "direction"),
        ("c", "2026-01-01", 0.4, -0.1, 30, "threshold_1pct"),
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("date", "bac"),
        ("run", "abc"),
        ("loss", "cab"),
        ("difference", "cab"),
        ("parameters", "bac"),
    ],
)
def test_runs_are_sorted_and_what_is_not_known_comes_last(order, expected):
    assert "".join(row["run_id"] for row in run_listing.arranged(ROWS, order=order)) == expected


def test_runs_pass_every_filter_and_a_limit_comes_after_both():
    def ids(*filters: str, limit: int | None = None) -> str:
        found = run_listing.arranged(ROWS, order="loss", filters=filters, limit=limit)
        return "".join(row["run_id"] for row in found)

    assert ids("task=Direction") == "ab"
    assert ids("task=thresh*", "symbol=spy") == "c"
    assert ids("task=direction", "run_id=c") == ""
    assert ids(limit=2) == "ca"
    for wrong in ("task", "colour=red", "=x"):
        with pytest.raises(ConfigError, match=f"--filter {wrong}: write it as KEY=TEXT"):
            ids(wrong)


def test_a_second_listing_reads_only_the_runs_that_changed(folder, monkeypatch):
    for name in "abc":
        make(folder, name, {"status": "finished"})
    first = run_listing.listing()
    read, describe = [], run_listing.describe
    monkeypatch.setattr(run_listing, "describe", lambda run: read.append(run.name) or describe(run))
    assert run_listing.listing() == first
    (folder / "b" / "summary.json").write_text('{"status": "early_stop"}')
    shutil.rmtree(folder / "c")
    make(folder, "d")
    rows = {row["run_id"]: row["status"] for row in run_listing.listing()}
    assert rows == {"a": "finished", "b": "early_stop", "d": "unfinished"}
    assert read == ["b", "d"]
    make(folder, "e")
    (folder / "e" / "run.json").write_text("{")
    damaged = [[row["run_id"] for row in run_listing.listing() if row["damaged"]] for _ in "12"]
    assert (damaged, read) == ([["e"], ["e"]], ["b", "d", "e", "e"])


@pytest.mark.parametrize("text", ["{", "[]", '{"code": "other", "rows": {"a": [[[], []], {}]}}'])
def test_a_listing_that_is_damaged_or_of_other_code_is_made_again(folder, text):
    make(folder, "a")
    first = run_listing.listing()
    (folder / ".listing.json").write_text(text)
    assert run_listing.listing() == first
    assert '"status": "unfinished"' in (folder / ".listing.json").read_text()


def test_runs_are_listed_where_nothing_can_be_written(folder):
    make(folder, "a")
    (folder / ".listing.json").mkdir()  # what no file can replace, whoever asks
    assert [row["run_id"] for row in run_listing.listing()] == ["a"]
