"""A study on the terminal: what is shown, in how much room, and what a pipe gets."""

import io
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from mlxts.search import sampling, screen
from mlxts.search.objective import DUPLICATE, REASON
from mlxts.search.progress import Current, Progress, best_so_far
from mlxts.search.sampling import ORDINAL, ORIGIN
from mlxts.training.events import StepEvent, ThermalEvent, ValidationEvent

MEMORY = {"active": 1, "peak": 1, "cache": 0, "process": 1}


def _study(target: int = 10) -> optuna.Study:
    one = optuna.create_study(study_name="hpo-small-0123456789")
    one.set_user_attr("target_trials", target)
    return one


def _add(one: optuna.Study, value: float | None, state: TrialState, **more: Any) -> None:
    attributes = {ORDINAL: len(sampling.suggestions(one)), **more.get("attributes", {})}
    one.add_trial(
        create_trial(
            value=value,
            state=state,
            params={"depth": 2, "weight_decay": 0.0123456},
            distributions={
                "depth": optuna.distributions.IntDistribution(1, 4),
                "weight_decay": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True),
            },
            user_attrs=attributes,
            system_attrs=more.get("system", {}),
        )
    )


def _busy() -> tuple[optuna.Study, Progress]:
    one, progress = _study(), Progress(clock=iter(range(10_000)).__next__)
    progress.ended(one)
    _add(one, 0.6, TrialState.COMPLETE, attributes={"n_total": 20_011})
    _add(one, 0.5, TrialState.COMPLETE, attributes={"n_total": 19_990})
    _add(one, 0.55, TrialState.PRUNED, attributes={REASON: "not promising: 0.55, epoch 1"})
    _add(one, None, TrialState.PRUNED, attributes={REASON: "diverged: the loss became nan"})
    _add(one, 0.5, TrialState.COMPLETE, attributes={DUPLICATE: 1})
    progress.ended(one)
    progress.current = Current(5, {"depth": 3}, total_steps=40, epochs=4)
    progress(StepEvent(20, 1, 0.7, 1e-4, 1.0, 64, 0.1, MEMORY))
    progress(ValidationEvent(20, 1, 0.61, 0.58, False, (0.1, 0.4)))
    progress(ThermalEvent(20, "normal", 61.0, "smc", ""))
    return one, progress


def _drawn(progress: Progress, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(screen.draw(progress, width))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_says_how_far_how_good_and_with_what(width: int) -> None:
    _, progress = _busy()
    rows = _drawn(progress, width)
    text = "\n".join(rows)
    assert len(rows) <= 20
    assert max(map(len, rows)) <= width
    assert "5/10 trials · 3 done · 2 pruned" in text
    assert "0.5000" in text
    assert "trial 1 · 19,990 parameters" in text
    assert "depth 2 · weight_decay 0.0123" in text
    assert "trial 5 · epoch 2/4 · step 20/40 50% · validation 0.5800" in text
    assert "61 °C · smc" in text
    assert "diverged: the loss became nan" in text
    assert "the same as trial 1, not trained again" in text
    assert "left" in text


def test_a_trial_that_is_run_again_counts_once() -> None:
    one, progress = _study(4), Progress()
    _add(one, 0.6, TrialState.COMPLETE)
    _add(one, None, TrialState.FAIL)
    again = {"attributes": {ORDINAL: 1}, "system": {ORIGIN: 1}}
    _add(one, None, TrialState.WAITING, **again)
    progress.ended(one)
    assert (progress.counts.ended, progress.counts.waiting, progress.counts.failed) == (1, 1, 0)
    assert sampling.ordinal(one, one.trials[2]) == 1


def test_the_best_value_never_gets_worse() -> None:
    one = _study()
    for value in (0.6, 0.7, 0.5, 0.9):
        _add(one, value, TrialState.COMPLETE)
    assert best_so_far(one.trials) == [0.6, 0.6, 0.5, 0.5]


def test_before_the_first_trial_nothing_is_made_up() -> None:
    progress = Progress()
    progress.ended(_study())
    text = "\n".join(_drawn(progress, 80))
    assert "none yet" in text
    assert "left –" in text


def test_a_pipe_gets_one_line_a_trial_and_no_control_characters() -> None:
    one = _study(2)
    stream = io.StringIO()
    reporter = screen.make(stream)
    assert isinstance(reporter, screen.Plain)
    with reporter:
        reporter.ended(one)
        _add(one, 0.6, TrialState.COMPLETE)
        reporter.ended(one)
        reporter(ThermalEvent(3, "warning", 88.0, "smc", "warning: 88 °C"))
    said = stream.getvalue()
    assert "\x1b" not in said
    first, alarm = said.splitlines()
    assert "trial 0: 0.6000, the best so far · 1/2 trials · 1 done" in first
    assert "warning: 88 °C" in alarm


def test_quiet_says_nothing() -> None:
    stream = io.StringIO()
    with screen.make(stream, quiet=True) as reporter:
        reporter.ended(_study())
    assert stream.getvalue() == ""
