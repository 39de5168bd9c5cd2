"""The negative control on real prices: its rows, and what is said of them."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks import claims, direction_control
from benchmarks.harness import Skip
from mlxts.data import calendar, store
from mlxts.evaluation import comparison
from mlxts.simulation.source import SimulatedSource

CLAIMS = [claim for claim in claims.CLAIMS if claim.benchmark == "direction_control"]


def row(task: str, model: str, minus: float) -> dict:
    return {
        "task": task, "model": model, "minus": minus, "low": minus - 0.001, "high": minus + 0.001,
    }  # fmt: skip


def met(*rows: dict) -> list[bool | None]:
    return [claim.check(rows)[1] for claim in CLAIMS]


def test_a_model_that_foresees_direction_breaks_the_claim_and_one_that_sees_no_touch_the_other():
    nothing, touched = row("direction", "har", 0.0005), row("threshold_1pct", "har", -0.08)
    assert met(nothing, touched) == [True, True]
    assert met(nothing, row("direction", "trees", -0.002), touched) == [False, True]
    assert met(nothing, row("threshold_1pct", "lhar", 0.0), touched) == [True, False]


def test_it_is_skipped_where_there_are_no_real_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    with pytest.raises(Skip, match="no real bars of SPY"):
        direction_control.measure(quick=True)


def test_on_a_market_of_coins_nothing_foresees_direction_and_all_see_a_touch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    bars = SimulatedSource("sv", first=date(2012, 1, 3), last=date(2024, 12, 31)).fetch("SPY").frame
    bars = bars.select(pl.exclude("^oracle_.*$"))
    store.register_raw(bars, source="files", symbol="SPY", parameters={})
    monkeypatch.setattr(direction_control, "MODELS", ("har", "linear"))
    rows = direction_control.measure(quick=True)
    assert [(r["task"], r["model"]) for r in rows] == [
        (task, model) for task in direction_control.TASKS for model in ("har", "linear")
    ]
    assert {r["verdict"] for r in rows if r["task"] == "threshold_1pct"} == {comparison.BEATS}
    assert comparison.BEATS not in {r["verdict"] for r in rows if r["task"] == "direction"}
    days = calendar.sessions(date(2021, 1, 1), date(2024, 12, 31))
    assert {r["days"] for r in rows} == {len(days) - 2}  # each window ends a day before its data
