import io

from mlxts.console.plain import PlainReporter
from mlxts.training.events import (
    CheckpointEvent,
    Event,
    PauseEvent,
    ResumeEvent,
    StartEvent,
    StopEvent,
)
from tests.console.events import HEADER, heat, run, step, validation


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(events: list[Event], seconds_a_step: float = 0.0625) -> list[str]:
    stream, clock = io.StringIO(), Clock()
    with PlainReporter(stream, clock=clock) as report:
        for event in events:
            if type(event).__name__ == "StepEvent":
                clock.now += seconds_a_step
            report(event)
    return stream.getvalue().splitlines()


def test_steps_are_told_every_ten_seconds() -> None:
    steps: list[Event] = [
        StartEvent(0, 5000, 1, False),
        *(step(n, seconds=0.0625) for n in range(1, 961)),
    ]
    lines = [line for line in told(steps) if "loss" in line]
    assert len(lines) == 6  # 960 steps of 1/16 s are a minute
    assert lines[0].startswith("[0:10] step 160/5,000 (3.2%) · epoch 4 · loss 0.5000 · 1,024 sam")
    assert "MLX 312 MiB, peak 1.2 GiB, process 1.4 GiB" in lines[0]
    assert lines[0].endswith("ETA 5:02")


def test_slow_steps_are_each_told() -> None:
    steps: list[Event] = [StartEvent(0, 9, 1, False), *(step(n, seconds=30) for n in range(1, 6))]
    assert sum("loss" in line for line in told(steps, 30)) == 5


def test_the_header_comes_first() -> None:
    lines = told(list(run(1)))
    assert lines[: len(HEADER)] == [f"{key}: {value}" for key, value in HEADER.items()]


def test_validations_checkpoints_alarms_and_the_end_are_told_at_once() -> None:
    lines = told(
        [
            StartEvent(0, 100, 1, False),
            step(1),
            validation(1, 0.48, True),
            CheckpointEvent(1, "here/best", True),
            heat("warning", "warning: 88 °C"),
            heat("warning"),
            PauseEvent(1, "88 °C; waiting for 75 °C"),
            ResumeEvent(1, 93.0),
            StopEvent(1, "overheated", "97 °C"),
        ]
    )
    ends = [line.split(" · ", 1)[1] for line in lines]
    assert ends[1:5] == [
        "validation loss 0.4800 · best 0.4800 · predictions 0.100 to 0.600 · improved",
        "warning: 88 °C",
        "pausing: 88 °C; waiting for 75 °C",
        "resumed after 1:33",
    ]
    assert ends[-2].startswith("epoch 1 · loss 0.5000")  # where it stood
    assert ends[-1] == "STOPPED overheated: 97 °C"
    assert len(lines) == 7


def test_there_are_no_control_characters() -> None:
    text = "".join(told([*run(300), StopEvent(300, "finished", "")], 1.0))
    assert all(character.isprintable() for character in text)


def test_what_a_stream_cannot_encode_is_replaced() -> None:
    raw = io.BytesIO()
    with PlainReporter(io.TextIOWrapper(raw, encoding="ascii")) as report:
        for event in run(30):
            report(event)
        assert b"sample SPX 1999?2018" in raw.getvalue()


def test_a_reader_that_left_does_not_end_the_run() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with PlainReporter(Gone()) as report:
        for event in run(30):
            report(event)
