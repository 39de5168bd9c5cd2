"""Three recalibrations of a forecast's probabilities, fitted on validation and reported on test.

A network that ranks days well may still forecast 30 % where 20 % is true. Each map below keeps the
order of the logits (isotonic regression may tie some), so what changes is log loss, Brier score and
calibration error. A recalibrated loss is not the score of a run; it shows how much of the loss is
due to miscalibration.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit

Logits = Float[np.ndarray, " n"]
Targets = Float[np.ndarray, " n"]  # 0 or 1
Map = Callable[[Logits], Logits]

_TEMPERATURES = (-4.0, 4.0)  # logs of the lowest and highest


def platt(logits: Logits, targets: Targets) -> Map:
    """slope * z + offset by maximum likelihood, the slope not below 0 (Platt 1999).

    The targets are Platt's: half-counts short of 0 and 1, so that separable classes stay finite.
    """
    positives = targets.sum()
    high, low = (positives + 1) / (positives + 2), 1 / (len(targets) - positives + 2)
    soft = np.where(targets > 0.5, high, low)
    spread = float(logits.std()) or 1.0
    standard = (logits - logits.mean()) / spread

    def loss(line: Float[np.ndarray, "2"]) -> tuple[float, Float[np.ndarray, "2"]]:
        z = line[0] * standard + line[1]
        error = expit(z) - soft
        value = np.mean(np.logaddexp(0.0, z) - soft * z)
        return float(value), np.array([np.mean(error * standard), np.mean(error)])

    start = np.array([0.0, logit(soft.mean())])
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    slope = optimum.x[0] / spread
    offset = optimum.x[1] - slope * logits.mean()
    return lambda z: slope * z + offset


def temperature(logits: Logits, targets: Targets) -> Map:
    """z / T by maximum likelihood (Guo et al. 2017); T from e^-4 to e^4."""

    def loss(log_temperature: float) -> float:
        z = logits * np.exp(-log_temperature)
        return float(np.mean(np.logaddexp(0.0, z) - targets * z))

    optimum = minimize_scalar(loss, bounds=_TEMPERATURES, method="bounded")
    scale = float(np.exp(-optimum.x))
    return lambda z: scale * z


def isotonic(logits: Logits, targets: Targets) -> Map:
    """The best non-decreasing step function (Zadrozny, Elkan 2002).

    Steps of 0 and 1 are moved half a sample inwards: one surprise would cost an infinite loss.
    """
    from sklearn.isotonic import IsotonicRegression

    half = 0.5 / len(targets)
    steps = IsotonicRegression(y_min=half, y_max=1.0 - half, out_of_bounds="clip")
    steps.fit(logits, targets)
    return lambda z: logit(steps.predict(z))


METHODS: Mapping[str, Callable[[Logits, Targets], Map]] = MappingProxyType(
    {"isotonic": isotonic, "platt": platt, "temperature": temperature}
)
