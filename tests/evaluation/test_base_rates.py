"""Base rates counted once more, day by day, from the bars alone."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from mlxts.dataset.labels import label_bars
from mlxts.dataset.samples import Dataset, split_samples
from mlxts.evaluation import base_rates, estimability
from mlxts.protocol import SPLITS, TASKS, TIMESCALES, Task
from tests.evaluation import worlds

HORIZON = 8
DAYS = 8_500  # from 2001 into 2024


def world(days: int = DAYS, timescale: str = "2d") -> Dataset:
    """Two symbols whose bars end on every day, in as many phases as a bar has days."""
    drawn = worlds.world(worlds.market(days, seed=3, symbols=("A", "B")), horizon=HORIZON)
    length = TIMESCALES[timescale].length
    phase = (pl.int_range(pl.len()).over("symbol") % length).cast(pl.Int16)
    bars = drawn.bars.with_columns(phase=phase)
    labels = label_bars(bars, drawn.daily, drawn.task, HORIZON)
    return replace(
        drawn,
        bars=bars,
        timescale=TIMESCALES[timescale],
        samples=split_samples(labels, drawn.eligible, SPLITS["protocol"]),
        splits_name="protocol",
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world()


def outcomes(data: Dataset, task: Task, split: str) -> tuple[list[int], list[date], list[float]]:
    """Phase, date and target of every sample of A."""
    first, last = getattr(SPLITS["protocol"], split)
    bars = data.bars.filter(symbol="A")
    found = []
    for t in range(data.context - 1, bars.height - HORIZON):
        now, ahead = bars.row(t, named=True), bars[t + 1 : t + HORIZON + 1]
        if (first and now["date"] < first) or ahead["date"][-1] > last:
            continue
        later = ahead["close"][-1]
        if task.kind == "direction":
            target = float(later > now["close"])
        elif task.kind == "regression":
            target = float(np.float32(np.log(later / now["close"])))
        elif task.kind == "range":
            highest, lowest = ahead["high"].to_numpy().max(), ahead["low"].to_numpy().min()
            target = float(np.float32(np.log(np.log(highest / lowest))))
        else:
            assert task.threshold is not None
            target = float(ahead["high"].max() >= now["close"] * (1 + task.threshold))
        found.append((now["phase"], now["date"], target))
    phases, dates, targets = zip(*found, strict=True)
    return list(phases), list(dates), list(targets)


def test_rates_are_those_of_the_scored_symbol_in_its_phase_and_in_all(data: Dataset) -> None:
    found = base_rates.rates(data)
    assert [(r.task, r.split, r.canonical) for r in found] == [
        (task, split, canonical)
        for task in TASKS
        for split in ("train", "validation")
        for canonical in (True, False)
    ]
    for rate in found:
        if rate.split == "train" and rate.task != "direction":
            continue  # the same code; a naive loop takes its time
        phases, dates, targets = (np.array(v) for v in outcomes(data, TASKS[rate.task], rate.split))
        own = (phases == 0) | (not rate.canonical)
        assert rate.n == own.sum()
        if not TASKS[rate.task].binary:
            assert (rate.n_pos, rate.rate, rate.not_estimable) == (None, None, None)
            assert rate.deviation == pytest.approx(targets[own].std(), rel=1e-6)
            continue
        assert rate.deviation is None
        assert (rate.n_pos, rate.rate) == (targets[own].sum(), targets[own].mean())
        assert rate.not_estimable == estimability.obstacle(
            dates[own], targets[own], HORIZON, 2 if rate.canonical else 1
        )


def test_a_timescale_of_one_phase_has_one_rate_a_task_and_split() -> None:
    found = base_rates.rates(world(timescale="daily"))
    assert len(found) == 2 * len(TASKS)
    assert all(rate.canonical for rate in found)


def test_a_split_without_samples_has_no_rate() -> None:
    found = [r for r in base_rates.rates(world(days=900)) if r.split == "validation"]
    assert {(r.n, r.rate, r.deviation) for r in found} == {(0, None, None)}
    assert {r.n_pos for r in found} == {0, None}


def test_samples_are_counted_by_phase_and_split(data: Dataset) -> None:
    expected = [{"phase": phase} for phase in range(2)]
    for split in ("train", "validation", "test"):
        own = data.samples[split].symbols == "A"
        for phase in range(2):
            count = (own & (data.samples[split].phases == phase)).sum()
            expected[phase][split] = int(count)
    assert base_rates.counts(data) == expected
    assert expected[0]["train"] > expected[0]["validation"] > 0
    assert base_rates.counts(world(days=900))[1]["test"] == 0
