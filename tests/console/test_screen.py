import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from mlxts.console.screen import draw
from mlxts.console.state import RunState
from mlxts.training.events import (
    CompileEvent,
    Event,
    NoticeEvent,
    PauseEvent,
    ReferenceEvent,
    StartEvent,
    StopEvent,
    ThermalEvent,
)
from tests.console.events import HEADER, heat, run, step


def state_of(*events: Event) -> RunState:
    state = RunState()
    for event in events:
        state.update(event)
    return state


def shown(state: RunState, width: int = 80, height: int = 24, **console) -> list[str]:
    stream = io.StringIO()
    screen = Console(file=stream, width=width, height=height, highlight=False, **console)
    screen.print(draw(state, width, height))
    return stream.getvalue().splitlines()


def busy(header: dict[str, str] = HEADER) -> RunState:
    notices = [NoticeEvent(200, f"notice {n} " + "x" * 200) for n in range(20)]
    start, *rest = run(200)
    assert isinstance(start, StartEvent)
    start = StartEvent(0, start.total_steps, start.epochs, False, header)
    return state_of(start, *rest, heat("warning", "warning: 88 °C"), *notices)


@pytest.mark.parametrize("pairs", [0, 1, 6, 30])
def test_at_80_by_24_it_takes_at_most_20_rows(pairs: int) -> None:
    header = {f"key {n}": "long value " * 9 for n in range(pairs)}
    assert len(shown(busy(header))) <= 20


def test_a_large_terminal_is_used_but_not_overflowed() -> None:
    large = shown(busy(), 160, 50)
    assert len(shown(busy())) < len(large) <= 48


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 220), st.sampled_from([10, 24, 50]), st.text(max_size=60))
def test_no_line_is_wider_than_the_terminal(width: int, height: int, text: str) -> None:
    state = busy(HEADER | {"odd": text.replace("\n", " ")})
    assert all(cell_len(line) <= width for line in shown(state, width, height))


def test_everything_asked_for_is_there() -> None:
    text = "\n".join(shown(busy(), 120, 30))
    for wanted in (
        "demo-3fa91c2e",
        "epoch 4/20",
        "200/1,000",
        "20%",
        "ETA",
        "train 0.",
        "validation 0.",
        "best 0.",
        "samples/s",
        "lr 1.0e-04",
        "MLX 312 MiB active · 1.2 GiB peak · 96 MiB cache · process 1.4 GiB",
        "WARNING",
        "CPU 71 · GPU 68 · max 88 °C · Nominal · smc",
        "notice 19",
    ):
        assert wanted in text
    assert re.search("[\u2801-\u28ff]{5}", text)


@pytest.mark.parametrize("width", [56, 80, 120, 160])
def test_where_room_is_short_the_values_give_way_not_the_keys(width: int) -> None:
    header = {key: value * 200 for key, value in HEADER.items()}
    lines = shown(busy(header), width)
    box = lines[1 : lines.index(next(line for line in lines if line.startswith("╰")))]
    columns = (width - 4) // 38
    shown_keys = list(header)[: 5 * columns]
    assert all(f"{key} " in "".join(box) for key in shown_keys)
    assert sum(line.count("…") for line in box) == len(shown_keys)
    assert all(line.startswith("│ ") and line.endswith(" │") for line in box)
    facts = [line.split()[0] for line in lines[-9:] if line.strip()]
    assert {"throughput", "memory", "temperature"} <= set(facts)


def test_where_there_are_rows_for_it_no_value_is_cut() -> None:
    long = {"run": "200M-daily_multi-threshold_1pct-h1-s0-0123456789", "data": "x" * 60}
    header = HEADER | long
    lines = shown(busy(header), 160, 50)
    box = "".join(lines[1 : lines.index(next(line for line in lines if line.startswith("╰")))])
    assert all(value in box for value in header.values())
    assert len(lines) <= 48


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
def test_the_reference_is_a_line_in_the_validation_panel(width: int, height: int) -> None:
    lines = shown(state_of(*run(100), ReferenceEvent(0, "har", 0.42)), width, height)
    title = next(line for line in lines if "validation 0." in line)
    assert "HAR 0.4200" in title
    after = lines[lines.index(title) + 1 :]
    axis = next(n for n, line in enumerate(after) if "0 step" in line)
    assert after[axis].count("0 step") == after[axis].count(" 100") == 2
    # It lies below the curve, so at the foot of the panel, where the scale says so.
    foot = after[axis - 1][(width - 2) * 3 // 7 :]
    assert foot.split()[0] == "0.4200"
    assert foot.count("\u2840") > 20
    without = shown(state_of(*run(100)), width, height)
    assert not any("HAR" in line or line.count("\u2840") > 20 for line in without)


def test_an_empty_run_can_be_drawn() -> None:
    text = "\n".join(shown(RunState()))
    assert "starting" in text
    assert "nan" not in text.lower()


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (CompileEvent(0), "compiling kernels (once)"),
        (PauseEvent(0, "88 °C"), "paused, cooling down"),
        (StopEvent(0, "early_stop", ""), "early stop"),
    ],
)
def test_the_status_says_what_it_waits_for(event: Event, status: str) -> None:
    start = StartEvent(0, 100, 2, False)
    assert any(line.startswith(status) for line in shown(state_of(start, event)))


def test_a_band_is_a_word_and_not_only_a_colour() -> None:
    for band in ("warning", "critical"):
        assert any(band.upper() in line for line in shown(state_of(heat(band))))
    assert not any("ACCEPTABLE" in line for line in shown(state_of(heat("acceptable"))))


def test_a_missing_sensor_shows_no_degrees() -> None:
    event = ThermalEvent(0, "unavailable", None, "none", "")
    line = next(line for line in shown(state_of(event)) if "temperature" in line)
    assert line.split() == ["temperature", "unavailable"]


def test_no_colour_means_none() -> None:
    lines = shown(busy(), force_terminal=True, no_color=True, color_system="truecolor")
    codes = re.findall(r"\x1b\[([0-9;]*)m", "\n".join(lines))
    assert codes
    assert all(int(part or 0) in (0, 1, 2, 7) for code in codes for part in code.split(";"))


def test_the_curves_state_the_ends_of_their_scale() -> None:
    lines = shown(state_of(StartEvent(0, 10, 1, False), *(step(n, n / 10) for n in range(1, 11))))
    text = "\n".join(lines)
    assert "0.2975" in text  # smoothed
    assert "0.1000" in text
