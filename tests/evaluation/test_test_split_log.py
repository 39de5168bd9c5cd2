"""The ledger of looks at the test split."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from mlxts.errors import StorageError
from mlxts.evaluation import test_split_log


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    return tmp_path


def test_each_look_adds_a_line_with_who_when_and_which_run(workspace):
    before = datetime.now(UTC).replace(microsecond=0)
    assert test_split_log.history() == []
    assert test_split_log.record("first", "SPY") == 1
    assert test_split_log.record("second", "SPY") == 2
    first, second = test_split_log.history()
    assert set(first) == {"who", "when", "run", "score_on"}
    assert first["score_on"] == "SPY"
    assert (workspace / "outputs" / "results" / "test_looks.jsonl").is_file()
    assert (first["run"], second["run"]) == ("first", "second")
    assert first["who"]
    assert datetime.fromisoformat(first["when"]) >= before


def test_looks_at_the_same_time_all_count():
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: test_split_log.record(f"run-{number}", "SPY"), range(40)))
    assert sorted(look["run"] for look in test_split_log.history()) == sorted(
        f"run-{n}" for n in range(40)
    )


def test_a_look_that_cannot_be_recorded_is_refused(workspace):
    (workspace / "outputs").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match=r": Not a directory; .* stays closed .* on record$"):
        test_split_log.record("run", "SPY")


@pytest.mark.parametrize("line", ["garbage", "[]", '{"who": "me"}', '{"who": 1, "wh'])
def test_a_damaged_ledger_keeps_the_test_split_closed(line):
    test_split_log.record("first", "SPY")
    with test_split_log.path().open("a") as ledger:
        ledger.write(line + "\n")
    before = test_split_log.path().read_bytes()
    for look in (test_split_log.history, lambda: test_split_log.record("second", "SPY")):
        with pytest.raises(StorageError, match=r"test_looks\.jsonl is damaged: line 2"):
            look()
    assert test_split_log.path().read_bytes() == before


def test_a_user_without_a_name_is_recorded_by_number(monkeypatch):
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987654321)
    assert test_split_log.record("run", "SPY") == 1
    assert test_split_log.history()[0]["who"] == "uid 987654321"


def test_a_look_is_flushed_to_the_disk_before_it_is_taken(monkeypatch):
    flushed = []
    monkeypatch.setattr(
        test_split_log, "sync", lambda _: flushed.append(test_split_log.path().read_bytes())
    )
    test_split_log.record("run", "SPY")
    assert flushed == [test_split_log.path().read_bytes()]
