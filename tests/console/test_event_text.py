import re

import pytest

from mlxts.console import event_text
from mlxts.console.event_text import Line, describe
from mlxts.training.events import (
    EpochEvent,
    NoticeEvent,
    PauseEvent,
    ReferenceEvent,
    ResumeEvent,
    StartEvent,
    StopEvent,
    ThermalEvent,
)
from tests.console.events import heat, step, validation


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (StartEvent(0, 5000, 20, False), Line("training: at most 5,000 steps, 20 epochs")),
        (
            StartEvent(400, 5000, 20, True),
            Line("resuming at step 400: at most 5,000 steps, 20 epochs"),
        ),
        (ReferenceEvent(0, "har", 0.4241), Line("to beat: HAR, validation loss 0.4241")),
        (heat("warning", "warning: 88 °C"), Line("warning: 88 °C", "warning")),
        (heat("critical", "critical: 97 °C"), Line("critical: 97 °C", "critical")),
        (heat("normal", "cooled down"), Line("cooled down")),
        (heat("warning"), None),
        (PauseEvent(1, "88 °C"), Line("pausing: 88 °C", "warning")),
        (ResumeEvent(1, 93.0), Line("resumed after 1:33", "good")),
        (NoticeEvent(1, "collapsed"), Line("collapsed", "warning")),
        (StopEvent(1, "early_stop", "patience 12"), Line("early stop: patience 12", "good")),
        (StopEvent(1, "finished", ""), Line("finished", "good")),
        (StopEvent(1, "overheated", "97 °C"), Line("overheated: 97 °C", "critical")),
        (step(1), None),
        (EpochEvent(1, 1, 0.5, 2.0), None),
    ],
)
def test_what_is_said(event, line: Line | None) -> None:
    assert describe(event) == line


def test_a_validation_says_loss_best_and_range() -> None:
    line = describe(validation(10, 0.4812, True))
    assert line == Line(
        "validation loss 0.4812 · best 0.4812 · predictions 0.100 to 0.600 · improved", "good"
    )


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (heat(), "CPU 71 · GPU 68 · max 88 °C · Nominal · smc"),
        (heat(gpu=None, pressure=None), "CPU 71 · max 88 °C · smc"),
        (heat(cpu=None, gpu=None), "die 71 · max 88 °C · Nominal · smc"),
        (heat(cpu=None, gpu=None, hottest=None, probes=0), "71 °C · Nominal · smc"),
    ],
)
def test_heat_leaves_out_what_is_not_known(event: ThermalEvent, text: str) -> None:
    assert event_text.temperature(event) == text


@pytest.mark.parametrize("source", ["none", "off", "smc", "pressure"])
def test_what_is_unavailable_is_never_a_number(source: str) -> None:
    text = event_text.temperature(ThermalEvent(0, "unavailable", None, source, ""))
    assert not re.search(r"\d|°", text)
    assert ("off" if source == "off" else "unavailable") in text
