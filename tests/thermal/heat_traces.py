"""Heat traces and what must follow: one letter a reading, worked out by hand.

Bands: n normal, a acceptable, w warning, c critical, u unavailable.
Actions: . continue, p pause, S stop. A reading is °C, None, or (°C, pressure).
"""

import math
from dataclasses import dataclass

from mlxts.thermal.policy import Rules
from mlxts.thermal.sensors.base import Pressure

HEAVY, TRAPPING = Pressure.HEAVY, Pressure.TRAPPING
MODERATE, NOMINAL = Pressure.MODERATE, Pressure.NOMINAL
WARN, PAUSE = Rules(), Rules(pause=True)
STRICT = Rules(stop_when_unavailable=True)
NAN = math.nan

Reading = float | tuple[float | None, Pressure] | None


@dataclass(frozen=True)
class Trace:
    name: str
    readings: list[Reading]
    bands: str
    actions: str
    rules: Rules = WARN


TRACES = [
    Trace("cool throughout", [60, 61, 60, 62], "nnnn", "...."),
    Trace("an acceptable plateau", [75] * 4, "aaaa", "...."),
    Trace("a warning plateau only warns", [88] * 4, "wwww", "...."),
    Trace("exactly 70 is acceptable, below is not", [69.9, 69.9, 70, 70], "nnna", "...."),
    Trace("exactly 85 warns", [84.9, 84.9, 85, 85], "aaaw", "...."),
    Trace("exactly 95 is not critical", [95] * 5, "wwwww", "....."),
    Trace("a lone spike changes nothing", [60, 60, 140, 60, 60], "nnnnn", "....."),
    Trace("spikes with a pause between", [60, 99, 60, 60, 99, 60, 60], "nannnnn", "......."),
    Trace("a spike as the first reading", [120, 60, 60, 60], "cwnn", "...."),
    Trace("two critical readings stop", [60, 60, 96, 96, 60, 60], "nnnccn", "....SS"),
    Trace("critical from the start", [97, 97], "cc", ".S"),
    Trace("a climb", [60, 68, 76, 84, 92, 100, 108, 116], "nnnaawcc", ".......S"),
    Trace("swinging around 70", [69, 71] * 3, "nanana", "......"),
    Trace("swinging around 85 warns once", [84, 86] * 3, "awwwww", "......"),
    Trace("swinging around 95 never stops", [94, 97] * 4, "wcwcwcwc", "........"),
    Trace(
        "a warning ends below 80, not below 85",
        [86, 86, 86, 82, 82, 82, 79, 79, 79],
        "wwwwwwwaa",
        ".........",
    ),
    Trace(
        "a pause ends below 75",
        [86, 86, 86, 78, 78, 78, 74, 74, 74],
        "wwwwaaaaa",
        "ppppppp..",
        PAUSE,
    ),
    Trace(
        "76 neither ends a pause nor starts one",
        [86, 86, 86, 76, 74, 76, 74, 74, 76, 76, 76],
        "wwwwaaaaaaa",
        "pppppp.....",
        PAUSE,
    ),
    Trace("worse during a pause stops", [88, 88, 88, 97, 97, 97], "wwwwcc", "pppppS", PAUSE),
    Trace(
        "the sensor is lost during a pause",
        [88, 88, 88, None, None, None, None],
        "wwwwwuu",
        "ppppp..",
        PAUSE,
    ),
    Trace("short losses are bridged", [72, None, 72, None, None, 72], "aaaaaa", "......"),
    Trace("a lost sensor is said, and warned of", [72, None, None, None, None], "aaauu", "....."),
    Trace("a lost sensor stops if asked", [72, None, None, None, None], "aaauu", "...SS", STRICT),
    Trace("a sensor that never speaks stops if asked", [None] * 4, "uuuu", "..SS", STRICT),
    Trace("lost and found again", [72, None, None, None, 72, 72], "aaauaa", "......"),
    Trace("a loss forgets a warning", [86, None, None, None, 82, 82], "wwwuaa", "......"),
    Trace("loss between two critical readings", [97, None, None, 97], "cccc", "...S"),
    Trace("nothing but bogus values", [0, -9201, 9.8, 255, 150, NAN, 62], "uuuuuun", "......."),
    Trace("bogus values among good ones", [62, -22, 62, 0, 62, 999, 62], "nnnnnnn", "......."),
    Trace("power-gated clusters only", [6.7, 4.6, 6.7, 6.7], "uuuu", "..SS", STRICT),
    Trace(
        "heavy pressure is a warning on a cool chip",
        [(60, HEAVY), (60, HEAVY), (60, MODERATE), (60, NOMINAL)],
        "wwnn",
        "pp..",
        PAUSE,
    ),
    Trace("trapping twice stops a cool chip", [(60, TRAPPING)] * 2, "cc", ".S"),
    Trace("trapping once does not", [(60, TRAPPING), (60, NOMINAL)] * 2, "cncn", "...."),
    Trace(
        "pressure speaks where no temperature does",
        [(None, NOMINAL), (None, HEAVY), (None, NOMINAL), (None, TRAPPING), (None, TRAPPING)],
        "uwucc",
        ".p.pS",
        PAUSE,
    ),
]
