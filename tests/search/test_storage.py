"""Storages: a journal outlives a killed writer, and what cannot be opened is one line."""

import sys
from pathlib import Path

import optuna
import pytest

from mlxts.errors import SearchError
from mlxts.search import storage as storages
from tests.search import studies


@pytest.fixture(params=["journal", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    return None if request.param == "journal" else f"sqlite:///{tmp_path}/studies.db"


ALIVE = storages.Heartbeat(1, 600)  # nobody is silent for so long, however busy the machine


def _study(url: str | None) -> tuple[optuna.Study, optuna.storages.BaseStorage]:
    storage = storages.open(url, ALIVE)
    return optuna.create_study(storage=storage, study_name="s", load_if_exists=True), storage


def test_half_a_line_of_a_killed_writer_does_not_cost_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    study, _ = _study(None)
    study.enqueue_trial({"x": 1.0})
    path = tmp_path / "outputs" / "search" / "journal.log"
    with path.open("ab") as stream:
        stream.write(b'{"op_code":4,"worker')
    again, storage = _study(None)
    again.enqueue_trial({"x": 2.0})
    for _ in range(2):
        studies.do(again, storage, lambda trial: trial.suggest_float("x", 0, 3))
    assert [t.value for t in _study(None)[0].trials] == [1.0, 2.0]


def test_studies_of_ours_are_found_by_kind(url) -> None:
    study, storage = _study(url)
    assert storages.study_names(storage) == []
    study.set_user_attr("kind", "sweep")
    assert storages.study_names(storage) == storages.study_names(storage, "sweep") == ["s"]
    assert storages.study_names(storage, "hpo") == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "cannot be read; write postgresql"),
        ("mysql://host/db", "mysql:// is not supported"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db?connect_timeout=2", "is the server"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_one_line_without_the_password(
    url: str, says: str
) -> None:
    with pytest.raises(SearchError, match=says) as raised:
        storages.open(url)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_without_psycopg_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SearchError, match=r'pip install "mlxts\[postgres\]"'):
        storages.open("postgresql://me@127.0.0.1:1/db")


@pytest.mark.parametrize(
    "line", [b"garbage", b"[]", b"3", b"{}", b'{"op_code": 99}', b'{"op_code": 4}', b"\xff\xfe"]
)
@pytest.mark.parametrize("more", [b"", b"behind"])
def test_a_damaged_journal_is_one_line_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, more: bytes
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    _study(None)
    path = storages.journal_path()
    whole = path.read_bytes()
    path.write_bytes(whole + line + b"\n" + (whole if more else b""))
    with pytest.raises(SearchError, match=r"journal\.log is damaged: .*move it away") as raised:
        storages.open(None)
    assert "\n" not in str(raised.value)
