"""What a temperature means and what follows from it. Pure: a state and a reading give a state.

Bands come from `protocol.THERMAL`. The figure judged is the median of the last three readings,
so one wild value changes nothing; two readings above critical still stop the run, one later.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Literal

from mlxts import protocol
from mlxts.thermal.sensors.base import Pressure, is_plausible

WINDOW = 3  # readings under the median
STOP_AFTER = 2  # consecutive readings above critical


class Band(StrEnum):
    NORMAL = "normal"
    ACCEPTABLE = "acceptable"
    WARNING = "warning"
    CRITICAL = "critical"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Rules:
    """What the configuration decides."""

    pause: bool = False  # wait at a warning until it is cool
    stop_when_unavailable: bool = False
    bands: protocol.ThermalBands = protocol.THERMAL


@dataclass(frozen=True)
class Action:
    """What the training loop does at its next step boundary, and why."""

    kind: Literal["continue", "pause", "stop"]
    reason: str = ""


CONTINUE = Action("continue")


@dataclass(frozen=True)
class ThermalState:
    """Everything the policy remembers."""

    readings: tuple[float | None, ...] = ()  # the last WINDOW, newest last
    temperature: float | None = None  # their median, °C
    pressure: Pressure | None = None
    band: Band = Band.UNAVAILABLE
    warned: bool = False  # by temperature: holds until it is below leave_warning
    critical: int = 0  # consecutive readings that were
    action: Action = CONTINUE  # a stop is final


def advance(
    state: ThermalState, reading: float | None, pressure: Pressure | None, rules: Rules
) -> ThermalState:
    """The state after one more reading.

    Args:
        reading: °C; None, NaN and anything no die can have count as absent.
        pressure: Heavy counts as a warning, Trapping and above as critical.
    """
    if reading is not None and not is_plausible(reading):
        reading = None
    readings = (*state.readings, reading)[-WINDOW:]
    present = [value for value in readings if value is not None]
    temperature = median(present) if present else None
    warned = _warned(state.warned, temperature, rules)
    band = _band(temperature, pressure, warned, rules)
    after = ThermalState(
        readings=readings,
        temperature=temperature,
        pressure=pressure,
        band=band,
        warned=warned,
        critical=_critical(state.critical, reading, temperature, pressure, rules),
    )
    return replace(after, action=_action(state.action, after, rules))


def _warned(before: bool, temperature: float | None, rules: Rules) -> bool:
    if temperature is None:
        return False
    return temperature >= (rules.bands.leave_warning if before else rules.bands.warning)


def _band(temperature: float | None, pressure: Pressure | None, warned: bool, rules: Rules) -> Band:
    level = Pressure.NOMINAL if pressure is None else pressure
    if level >= Pressure.TRAPPING:
        return Band.CRITICAL
    if temperature is not None and temperature > rules.bands.critical:
        return Band.CRITICAL
    if warned or level >= Pressure.HEAVY:
        return Band.WARNING
    if temperature is None:
        return Band.UNAVAILABLE
    return Band.NORMAL if temperature < rules.bands.acceptable else Band.ACCEPTABLE


def _critical(
    before: int,
    reading: float | None,
    temperature: float | None,
    pressure: Pressure | None,
    rules: Rules,
) -> int:
    if pressure is not None and pressure >= Pressure.TRAPPING:
        return before + 1
    if temperature is None:
        return 0
    if reading is None:  # an absent reading is no evidence, neither of overheating nor of its end
        return before
    return before + 1 if temperature > rules.bands.critical else 0


def _action(before: Action, state: ThermalState, rules: Rules) -> Action:
    if before.kind == "stop":
        return before
    if state.critical >= STOP_AFTER:
        return Action("stop", f"{_cause(state)}, critical in {STOP_AFTER} readings in a row")
    lost = len(state.readings) == WINDOW and state.temperature is None
    if lost and rules.stop_when_unavailable:
        return Action("stop", f"no temperature in {WINDOW} readings in a row")
    if rules.pause:
        if state.band in (Band.WARNING, Band.CRITICAL):
            return Action("pause", f"{_cause(state)}; waiting for {rules.bands.resume:g} °C")
        # Waiting on a sensor that is gone would never end.
        if (
            before.kind == "pause"
            and state.temperature is not None
            and state.temperature >= rules.bands.resume
        ):
            return before
    return CONTINUE


def _cause(state: ThermalState) -> str:
    heat = "temperature unavailable" if state.temperature is None else f"{state.temperature:.0f} °C"
    if state.pressure is not None and state.pressure >= Pressure.HEAVY:
        return f"{heat}, thermal pressure {state.pressure.name.capitalize()}"
    return heat


def change(before: ThermalState, after: ThermalState) -> str:
    """What is worth saying about a step from one state to the next; empty for routine.

    Normal and acceptable are both routine, so a temperature that swings around 70 °C is silent.
    """
    quiet = (Band.NORMAL, Band.ACCEPTABLE)
    if after.action.kind == "stop":
        return "" if before.action.kind == "stop" else f"stopping: {after.action.reason}"
    if after.band == before.band or (after.band in quiet and before.band in quiet):
        return ""
    if after.band is Band.UNAVAILABLE:
        return "temperature unavailable"
    if after.band in quiet:
        if not before.readings:  # the first reading is no news
            return ""
        came_back = before.band is Band.UNAVAILABLE
        return f"{'temperature available again' if came_back else 'cooled down'}: {_cause(after)}"
    return f"{after.band}: {_cause(after)}"
