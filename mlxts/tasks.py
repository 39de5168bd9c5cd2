"""Tasks by their names: those of the protocol, and thresholds of one's own.

A name is all that a configuration, a run, a table and a file hold of a task. `threshold_1.5pct` is
a high at least 1.5 % above the close, `threshold_2range` one at least twice the asset's own range
above it: the mean log range of a day over the last 22 days (see `dataset/labels.py`).
"""

import re
from typing import Literal

from mlxts.errors import ConfigError
from mlxts.protocol import TASKS, Task

ThresholdUnit = Literal["close", "range"]
OWN = "threshold"  # `task: threshold` with a `threshold` beside it
_NAME = re.compile(r"threshold_([0-9.]+)(pct|range)")
_SUFFIX = {"close": "pct", "range": "range"}
_PERCENT = 100
_LARGEST = 100.0  # times the close, or the range


def named(name: str) -> Task:
    """A task by its name. Raises ConfigError: there is none."""
    if name in TASKS:
        return TASKS[name]
    written = _NAME.fullmatch(name)
    try:
        number, unit = float(written[1]) if written else 0.0, written and written[2]
    except ValueError:
        number, unit = 0.0, None
    if unit == "range" and name == name_of(number, "range"):
        return Task(name, "threshold", number, of_range=True)
    if unit == "pct" and name == name_of(number / _PERCENT, "close"):
        return Task(name, "threshold", number / _PERCENT)
    raise ConfigError(
        f"{name[:60]} is none of {', '.join(TASKS)}; a threshold of one's own is threshold_1.5pct "
        "or threshold_2range"
    )


def name_of(threshold: float, unit: ThresholdUnit) -> str:
    """The name of a threshold: a fraction of the close, or a multiple of the range.

    Raises:
        ConfigError: it is not above 0, or absurdly large.
    """
    if not 0 < threshold <= _LARGEST:
        raise ConfigError(f"threshold: {threshold:g} must be above 0 and at most {_LARGEST:g}")
    number = threshold * _PERCENT if unit == "close" else threshold
    return f"threshold_{number:.6f}".rstrip("0").rstrip(".") + _SUFFIX[unit]


def event(task: Task) -> str:
    """What a binary task is the probability of, in words."""
    if task.threshold is None:
        return "a higher close"
    if task.of_range:
        return f"a high at least {task.threshold:g} times the mean range of 22 days above the close"
    return f"a high at least {task.threshold * _PERCENT:g} % above the close"


def position(name: str) -> tuple[int, bool, float]:
    """By which tasks are sorted: those of the protocol in its order, then one's own by size."""
    if name in TASKS:
        return list(TASKS).index(name), False, 0.0
    task = named(name)
    return len(TASKS), task.of_range, task.threshold or 0.0
