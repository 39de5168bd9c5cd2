"""A machine keeps its name whatever network it is in."""

import shutil
import socket
from pathlib import Path

import optuna
import pytest

from mlxts.search import claims, job_queue, storage


def test_a_machine_stays_the_same_under_another_host_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    first = claims.machine.__wrapped__()
    monkeypatch.setattr(socket, "gethostname", lambda: "cafe.local")
    assert claims.machine.__wrapped__() == first
    assert len(first) == 32


def test_without_a_place_to_keep_it_the_machine_still_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert len(claims.machine.__wrapped__()) == 12


def test_a_cache_that_is_emptied_leaves_the_machine_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS empties caches when a disk is full; running trials of the machine name it."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (cache / "mlxts").mkdir(parents=True)
    (cache / "mlxts" / "machine").write_text("of an earlier version\n")
    assert claims.machine.__wrapped__() == "of an earlier version"
    shutil.rmtree(cache)
    assert claims.machine.__wrapped__() == "of an earlier version"
    assert claims.shared_folder().is_relative_to(tmp_path / "state")


def test_a_journals_running_trial_is_recovered_after_the_cache_was_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(claims, "machine", claims.machine.__wrapped__)
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    store = storage.open()
    study = optuna.create_study(study_name="hpo-x-0", storage=store)
    dead = study.ask()
    with claims.claim(tmp_path / "outputs" / "search" / "claims") as owner:
        dead.set_user_attr(claims.OWNER, owner)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    job_queue.recover(study, store)
    assert [t.state.name for t in study.get_trials()] == ["FAIL", "WAITING"]
