from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts import protocol
from mlxts.thermal.policy import CONTINUE, Band, Rules, ThermalState, advance, change
from mlxts.thermal.sensors.base import Pressure, is_plausible
from tests.thermal.heat_traces import TRACES, Reading, Trace

BANDS = {
    Band.NORMAL: "n",
    Band.ACCEPTABLE: "a",
    Band.WARNING: "w",
    Band.CRITICAL: "c",
    Band.UNAVAILABLE: "u",
}
ACTIONS = {"continue": ".", "pause": "p", "stop": "S"}


def play(readings: list[Reading], rules: Rules) -> list[ThermalState]:
    """The state after each reading."""
    states = [ThermalState()]
    for reading in readings:
        degrees, pressure = reading if isinstance(reading, tuple) else (reading, None)
        states.append(advance(states[-1], degrees, pressure, rules))
    return states[1:]


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_trace(trace: Trace) -> None:
    states = play(trace.readings, trace.rules)
    assert "".join(BANDS[state.band] for state in states) == trace.bands
    assert "".join(ACTIONS[state.action.kind] for state in states) == trace.actions


def test_the_bands_are_those_of_the_protocol() -> None:
    assert Rules().bands is protocol.THERMAL


readings = st.lists(
    st.floats(30, 120)
    | st.none()
    | st.sampled_from([0.0, -9201.0, 9.9, 150.0, 300.0, float("nan"), 95.0, 85.0, 80.0, 75.0]),
    max_size=25,
)
pressures = st.none() | st.sampled_from(Pressure)
mixed = st.lists(st.tuples(st.floats(30, 120) | st.none(), pressures), max_size=25)
rules = st.builds(Rules, pause=st.booleans(), stop_when_unavailable=st.booleans())


@settings(max_examples=60)
@given(readings, rules)
def test_implausible_values_count_as_absent(trace: list[float | None], rules: Rules) -> None:
    cleaned = [v if v is not None and is_plausible(v) else None for v in trace]
    assert play([*trace], rules) == play([*cleaned], rules)


@settings(max_examples=60)
@given(mixed, rules)
def test_a_stop_is_final(trace: list[Reading], rules: Rules) -> None:
    kinds = [state.action.kind for state in play(trace, rules)]
    if "stop" in kinds:
        assert set(kinds[kinds.index("stop") :]) == {"stop"}


@settings(max_examples=60)
@given(mixed)
def test_without_the_options_there_is_no_pause_and_no_stop_but_for_heat(trace) -> None:
    for before, after in pairwise([ThermalState(), *play(trace, Rules())]):
        assert after.action.kind != "pause"
        if after.action.kind == "stop" and before.action.kind != "stop":
            assert after.critical >= 2


@settings(max_examples=60)
@given(readings)
def test_it_is_unavailable_exactly_when_three_readings_are_missing(trace) -> None:
    for index, state in enumerate(play([*trace], Rules())):
        window = trace[max(0, index - 2) : index + 1]
        missing = all(value is None or not is_plausible(value) for value in window)
        assert (state.band is Band.UNAVAILABLE) == missing
        assert (state.temperature is None) == missing


@settings(max_examples=60)
@given(st.floats(30, 94), st.floats(10, 149), st.integers(2, 6))
def test_one_wild_reading_among_equal_ones_changes_nothing(calm, wild, after) -> None:
    steady = play([calm] * (4 + after), Rules(pause=True))
    spiked = play([calm] * 3 + [wild] + [calm] * after, Rules(pause=True))
    assert [s.action for s in steady] == [s.action for s in spiked]
    assert [s.band for s in steady] == [s.band for s in spiked]


@settings(max_examples=60)
@given(st.lists(st.floats(30, 149), min_size=3, max_size=20))
def test_two_critical_readings_in_a_row_always_stop_by_the_next(trace: list[float]) -> None:
    states = play([*trace], Rules())
    for index in range(len(trace) - 2):
        if trace[index] > 95 and trace[index + 1] > 95:
            assert states[index + 2].action.kind == "stop"


@settings(max_examples=60)
@given(mixed, rules)
def test_stop_and_pause_say_why(trace: list[Reading], rules: Rules) -> None:
    for state in play(trace, rules):
        assert bool(state.action.reason) == (state.action != CONTINUE)
        assert "None" not in state.action.reason
        assert "nan" not in state.action.reason


def test_what_is_said_when() -> None:
    trace: list[Reading] = [60, 60, 60, 75, 75, 88, 88, 88, 72, 72, None, None, None, 60]
    states = [ThermalState(), *play(trace, Rules())]
    said = [change(one, two) for one, two in pairwise(states)]
    assert [text for text in said if text] == [
        "warning: 88 °C",
        "cooled down: 72 °C",
        "temperature unavailable",
        "temperature available again: 60 °C",
    ]


def test_a_stop_is_said_once_with_its_reason() -> None:
    states = [ThermalState(), *play([97, 97, 97], Rules())]
    said = [change(one, two) for one, two in pairwise(states)]
    assert said == [
        "critical: 97 °C",
        "stopping: 97 °C, critical in 2 readings in a row",
        "",
    ]


def test_states_are_values() -> None:
    state = ThermalState()
    advance(state, 97, None, Rules())
    assert state == ThermalState() == replace(state)
