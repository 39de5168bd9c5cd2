"""A run that is killed at random moments; the full 100 kills are `benchmarks/kills.py`."""

from pathlib import Path

import pytest

from benchmarks import kills
from tests import processes


def test_a_run_killed_again_and_again_ends_in_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLXTS_HOME", "")  # the benchmark sets its own, and this puts it back

    started: list[processes.Command] = []

    def start(home: Path) -> processes.Command:
        started.append(processes.start(["train", "small.yaml", "--json", "--resume"], cwd=home))
        return started[-1]

    monkeypatch.setattr(kills, "start", start)  # forks, where the full one starts an interpreter
    rows = kills.survive(3, seed=0)
    for process in started:
        process.communicate()
    same = {row["what"]: row["same"] for row in rows if "same" in row}
    counted = {row["what"]: row["kills"] for row in rows if "kills" in row}
    assert counted["in all, of 3"] == 3
    assert counted["of these before any checkpoint"] >= 1
    assert len(same) == 7
    assert all(same.values()), same
