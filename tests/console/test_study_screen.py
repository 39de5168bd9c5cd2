"""A study on the terminal: what is shown, in how much room, and what a pipe gets."""

import io
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from rich.console import Console

from mlxts.console import study_screen
from mlxts.console.event_text import Line
from mlxts.console.study_progress import (
    BestTrial,
    CurrentTrial,
    Running,
    StudyProgress,
    StudySnapshot,
)
from mlxts.training.events import StartEvent, StepEvent, ThermalEvent, ValidationEvent

MEMORY = {"active": 1, "peak": 1, "cache": 0, "process": 1}
PARAMETERS = {"depth": 2, "weight_decay": 0.0123456}
COUNTS = {"done": 0, "running": 0, "pruned": 0, "waiting": 0, "failed": 0}
EMPTY = StudySnapshot("hpo-small-0123456789", 10, COUNTS, None, [], None, {})
BUSY = replace(
    EMPTY,
    counts={**COUNTS, "done": 3, "pruned": 2},
    best=BestTrial(1, 0.5, PARAMETERS, 19_990),
    best_values=[0.6, 0.5],
    seconds_per_trial=2.0,
    ended={3: Line("trial 3: pruned, diverged: the loss became nan", "warning")},
)


def _busy() -> StudyProgress:
    progress = StudyProgress(clock=iter(range(10_000)).__next__)
    progress.end(EMPTY)
    progress.begin(BUSY, CurrentTrial(5, {"depth": 3}))
    progress.update(StartEvent(0, 40, 4, False))
    progress.update(StepEvent(20, 1, 0.7, 1e-4, 1.0, 64, 0.1, MEMORY))
    progress.update(ValidationEvent(20, 1, 0.61, 0.58, False, (0.1, 0.4)))
    progress.update(ThermalEvent(20, "normal", 61.0, "smc", ""))
    return progress


def _drawn(progress: StudyProgress, width: int) -> list[str]:
    stream = io.StringIO()
    screen = study_screen.draw(progress, width, 24)
    Console(file=stream, width=width, color_system=None).print(screen)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_says_how_far_how_good_and_with_what(width: int) -> None:
    rows = _drawn(_busy(), width)
    text = "\n".join(rows)
    assert len(rows) <= 20
    assert max(map(len, rows)) <= width
    assert "5/10 trials" in text
    assert "3 done · 2 pruned" in text
    assert "0.5000" in text
    assert "trial 1 · 19,990 parameters" in text
    assert "trial 5 · epoch 2/4 · 50% · validation 0.5800" in text
    assert any(row.split()[:3] == ["depth", "2", "3"] for row in rows)
    assert "weight_decay  0.0123" in text
    assert "61 °C · smc" in text
    assert "diverged: the loss became nan" in text
    assert "ETA 0:10" in text


MANY = {f"parameter_{number}": number * 1e-5 for number in range(13)}


@pytest.mark.parametrize("width", [60, 80, 160])
def test_parameters_stand_in_columns_that_fit(width: int) -> None:
    progress = _busy()
    trial = CurrentTrial(6, {name: value * 2 for name, value in MANY.items()})
    progress.begin(replace(BUSY, best=BestTrial(1, 0.5, MANY, 19_990)), trial)
    rows = _drawn(progress, width)
    assert max(map(len, rows)) <= width
    words = " ".join(rows).split()
    for name, value in MANY.items():
        place = words.index(name)
        assert words[place + 1 : place + 3] == [f"{value:.3g}", f"{value * 2:.3g}"]
    assert all(row.startswith(" ") for row in rows if "parameter_" in row)


def test_a_sweep_has_one_bar_a_line_for_each_worker_and_folds_what_is_done() -> None:
    now = datetime(2026, 1, 1, 12)
    progress = StudyProgress(clock=iter(range(10_000)).__next__, now=lambda: now)
    ended = {n: Line(f"run {n}: 0.4000, loses to HAR") for n in range(20)}
    sweep = replace(
        EMPTY,
        target=40,
        counts={**COUNTS, "done": 20, "running": 2, "waiting": 18},
        seconds_per_trial=60.0,
        ended=ended,
        noun="run",
        running=(
            Running(30, "2M-s0", "here", now),
            Running(31, "2M-s1", "another", now - timedelta(seconds=75)),
        ),
        outcomes={"loses to HAR": 20},
    )
    progress.end(EMPTY)
    progress.begin(sweep, CurrentTrial(30, {}, "2M-s0"))
    rows = _drawn(progress, 80)
    text = "\n".join(rows)
    assert rows[1].startswith("20/40 runs ")
    assert rows[1].endswith("ETA 10:00")  # 20 runs, two at a time
    assert "20 loses to HAR" in text
    assert text.count("2M-s0") == 1
    assert "2M-s1 · another · for 1:15" in text
    assert "none yet" not in text
    assert len(rows) <= 20
    assert text.count(": 0.4000") == 4


def test_a_trial_that_ended_elsewhere_meanwhile_is_said_once() -> None:
    progress = _busy()
    progress.end(BUSY)
    assert [line.text for _, line in progress.recent] == [BUSY.ended[3].text]


def test_before_the_first_trial_nothing_is_made_up() -> None:
    progress = StudyProgress()
    progress.end(EMPTY)
    text = "\n".join(_drawn(progress, 80))
    assert "none yet" in text
    assert "ETA –" in text


def test_a_pipe_gets_one_line_a_trial_and_no_control_characters() -> None:
    stream = io.StringIO()
    reporter = study_screen.make(stream)
    assert isinstance(reporter, study_screen.PlainStudy)
    done = replace(EMPTY, target=2, counts={**COUNTS, "done": 1})
    with reporter:
        reporter.end(EMPTY)
        reporter.end(replace(done, ended={0: Line("trial 0: 0.6000, the best so far", "good")}))
        reporter(ThermalEvent(3, "warning", 88.0, "smc", "warning: 88 °C"))
    said = stream.getvalue()
    assert "\x1b" not in said
    first, alarm = said.splitlines()
    assert "trial 0: 0.6000, the best so far · 1/2 trials · 1 done" in first
    assert "warning: 88 °C" in alarm


def test_quiet_says_nothing() -> None:
    stream = io.StringIO()
    with study_screen.make(stream, quiet=True) as reporter:
        reporter.end(BUSY)
    assert stream.getvalue() == ""
