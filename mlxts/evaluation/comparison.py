"""One comparison of a model with a reference, and one sentence: did the model beat it?

The reference is the better of HAR and linear (`runs/references.py`); records of before the linear
reference name none, and are against HAR.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from mlxts.protocol import BASELINE, REFERENCES, Task

BEATS, SAME, LOSES = "beats", "not significantly different", "loses"
NOT_ESTIMABLE = "not estimable"
_EARLIER = {"matches": SAME, "loses to": LOSES}  # words of older summaries


@dataclass(frozen=True)
class Comparison:
    """A model against a reference on the same rows, draw by draw.

    Attributes:
        loss, reference: mean losses of both, see `BlockBootstrap`.
        power: 2 where losses are roots of mean squares, whose skill is that of the squares.
    """

    loss: Float[np.ndarray, " draws"]
    reference: Float[np.ndarray, " draws"]
    power: int = 1

    @cached_property
    def difference(self) -> Float[np.ndarray, " draws"]:
        """Model minus reference: below 0 the model is better."""
        return self.loss - self.reference

    @cached_property
    def skill(self) -> Float[np.ndarray, " draws"]:
        """1 - loss / the reference's loss."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 - (self.loss / self.reference) ** self.power


def primary(task: Task) -> str:
    """The metric that decides: log loss, of a number RMSE."""
    return "log_loss" if task.binary else "rmse"


def title(name: str) -> str:
    """A reference's name as people write it: HAR, linear, HAR or linear."""
    return " or ".join(part.upper() if part == BASELINE else part for part in name.split(" or "))


def reference(figures: dict[str, Any]) -> str:
    """Which one a model's figures are compared with."""
    return figures.get("reference") or BASELINE


def word(low: float, high: float) -> str:
    """By where the 95 % interval of the difference, model minus reference, lies."""
    if high < 0.0:
        return BEATS
    return LOSES if low > 0.0 else SAME


def of_figures(figures: dict[str, Any], task: Task) -> str:
    """The word on one model of `score.score`."""
    if figures.get("not_estimable"):
        return NOT_ESTIMABLE
    return word(*figures["interval"][f"{primary(task)}_difference"])


def today(verdict: str | None) -> str | None:
    """A word of a summary, in the words of this version."""
    return _EARLIER.get(verdict, verdict) if verdict else verdict


def against(verdict: str | None, name: str) -> str | None:
    """`beats linear`, `not significantly different from HAR`, `loses to HAR`; else the word."""
    joined = {BEATS: BEATS, SAME: f"{SAME} from", LOSES: f"{LOSES} to"}
    verdict = today(verdict)
    return f"{joined[verdict]} {title(name)}" if verdict in joined else verdict


def sentence(model: str, figures: dict[str, Any], task: Task, horizon: int, split: str) -> str:
    """The verdict on one model of `score.score`'s figures, in words."""
    where = f"{task.name} at H = {horizon}, {split}, n = {figures['n']}"
    obstacle = figures.get("not_estimable")
    if obstacle:
        return f"Not estimable ({where}): {obstacle}; no claim about {model} is made."
    reference_name, verdict = reference(figures), of_figures(figures, task)
    verb = "is " if verdict == SAME else ""
    within = ": the interval includes zero" if verdict == SAME else ""
    unit = "RMSE" if primary(task) == "rmse" else "log-loss"
    text = f"{model} {verb}{against(verdict, reference_name)} ({where}): {unit} difference "
    text += f"(model − {title(reference_name)}) {_difference(figures, task, '')}{within}."
    for other in REFERENCES:
        if other != reference_name and f"{primary(task)}_difference_{other}" in figures:
            weaker = (
                "" if reference_name not in REFERENCES else ", the weaker of the two in training"
            )
            text += f" Against {title(other)}{weaker}: {_difference(figures, task, f'_{other}')}."
    if "qlike_difference" in figures:
        low, high = figures["interval"]["qlike_difference"]
        interval = f"95 % interval [{low:+.4f}, {high:+.4f}]"
        text += f" QLIKE difference {figures['qlike_difference']:+.4f}, {interval}."
    collapse = " Its predictions have collapsed to a constant." if figures["collapsed"] else ""
    return text + collapse


def _difference(figures: dict[str, Any], task: Task, suffix: str) -> str:
    key = f"{primary(task)}_difference{suffix}"
    low, high = figures["interval"][key]
    digits = 6 if primary(task) == "rmse" else 4
    interval = f"95 % interval [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"{figures[key]:+.{digits}f}, {interval}"
