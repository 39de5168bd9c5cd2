"""Signs that forecasts from elsewhere knew what they could not have known, or are dated wrongly.

Two things show in a file by itself. From one day to the next HAR's forecast changes with that day's
range. A forecast whose changes go along with those that HAR makes days *later*, more than with
those of its own day, has seen days that had not been; one that follows HAR's of days before is
dated too late, as by the day on which its label ends. And a loss so far below the references' that
nothing known comes near it is that of something which contains the answer.

What does not show: a model that was fitted or chosen on the scored days, inputs that were revised
later, a leak of a few days, or a small one.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from mlxts import formats
from mlxts.evaluation import comparison
from mlxts.evaluation.score import Figures
from mlxts.protocol import Task

# Skill over the reference that nothing known comes near: over HAR the best here have 5 % on touches
# of a threshold; of returns and their sign 1 % would be remarkable (Campbell, Thompson 2008).
PLAUSIBLE = 0.25
PLAUSIBLE_RETURN = 0.05
UNDETECTED = (
    "What cannot be seen in a file: a model that was fitted or chosen on the scored days, inputs "
    "that were revised later, a small leak."
)
# Rank correlation of changes that is evidence: so large, so many standard errors above zero, and
# so many above that of the same day. On SPY the linear model's with HAR's is 0.2 to 0.5.
_CLEAR, _ABOVE_ZERO, _ABOVE_OTHERS = 0.2, 4.0, 3.0


@dataclass(frozen=True)
class Suspicion:
    """What looks wrong; `voids` says whether no claim may rest on the forecasts."""

    reason: str
    voids: bool

    def to_dict(self) -> dict[str, object]:
        return {"reason": self.reason, "voids": self.voids}


def suspicions(
    forecast: Float[np.ndarray, " n"],
    har: Float[np.ndarray, " n"] | None,
    figures: Figures,
    task: Task,
    overlap: int,
) -> list[Suspicion]:
    """What looks wrong with a forecast.

    Args:
        forecast, har: logits (or values) of the scored rows by date; None: there is no HAR.
        figures: of the forecast, see `score.score`.
        overlap: how many successive labels share days.
    """
    misdated = [] if har is None else [_misdated(forecast, har, overlap)]
    return [suspicion for suspicion in (*misdated, _implausible(figures, task)) if suspicion]


def _misdated(
    forecast: Float[np.ndarray, " n"], har: Float[np.ndarray, " n"], overlap: int
) -> Suspicion | None:
    ours, theirs = np.diff(forecast), np.diff(har)
    changes = max(int(np.count_nonzero(ours)), 1)  # of a forecast that is renewed weekly few
    shifts = [shift for shift in range(-overlap, overlap + 1) if shift]
    together = {shift: _correlation(ours, theirs, shift) for shift in (0, *shifts)}
    best = max(shifts, key=lambda shift: together[shift])
    above_others = max(together[0], 0.0) + _ABOVE_OTHERS * math.sqrt(2.0 / changes)
    if together[best] < max(_CLEAR, _ABOVE_ZERO / math.sqrt(changes), above_others):
        return None
    days = formats.count(abs(best), "row")
    seen = (
        f"its changes go along with those that HAR makes {days} {'later' if best > 0 else 'before'}"
        f" (correlation {together[best]:.2f}), not with those of the same day "
        f"({together[0]:.2f})"
    )
    if best > 0:
        return Suspicion(f"{seen}: it knows days after the date that it bears", voids=True)
    return Suspicion(
        f"{seen}: it seems dated by the day its label ends; date it by the decision day",
        voids=False,
    )


def _correlation(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"], shift: int) -> float:
    """Of the ranks of a with those of b, `shift` rows later."""
    if shift > 0:
        a, b = a[:-shift], b[shift:]
    elif shift < 0:
        a, b = a[-shift:], b[:shift]
    if len(a) < 3 or a.min() == a.max() or b.min() == b.max():
        return 0.0
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])


def _implausible(figures: Figures, task: Task) -> Suspicion | None:
    key = "mse_skill" if comparison.primary(task) == "rmse" else "log_loss_skill"
    limit = PLAUSIBLE_RETURN if task.kind in ("direction", "regression") else PLAUSIBLE
    low = figures["interval"].get(key, (None, None))[0]
    optimum = figures.get("better_than_oracle")
    if optimum or (optimum is None and low is not None and low > limit):
        than = "the best possible forecast of this market"
        if not optimum:
            than = f"{comparison.title(comparison.reference(figures))} by {low:.0%} at least, where"
            than += f" nothing known comes near {limit:.0%}"
        return Suspicion(f"it is better than {than}: it contains the answer", voids=True)
    return None
