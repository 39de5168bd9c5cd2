"""First passage: the probability that a path with daily drifts reaches a barrier within H days.

A day in regime s moves the log-price from y to z with the normal density of mean m_s and deviation
d_s (larger than the volatility v_s of the path within the day where the drift itself is uncertain),
and given both ends the bridge between them stays below b with probability
1 - exp(-2 (b - y)(b - z) / v_s^2), whatever the drift (Karatzas & Shreve 1991, 4.3). So the
probability S_h(y, s) of staying below b for h more days, the first of them in regime s, is

    S_h(y, s) = ∫ φ(z - y; m_s, d_s) (1 - exp(-2 (b - y)(b - z) / v_s^2)) Σ_r P_sr S_{h-1}(z, r) dz

over z < b, and S_0 = 1. Where regimes do not change, this is the reflection principle. The
integrand is smooth, and Gauss-Legendre panels of two volatilities give ten digits.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mlxts.simulation.hidden_markov import Move

_PANEL = 2.0  # width, in the smallest volatility
_NODES = 12  # a panel
_FAR = 9.0  # deviations of the path at which the integral ends


@dataclass(frozen=True)
class Day:
    """The law of a day's log-price: return of mean `mean` and deviation `spread`.

    Attributes:
        mean: of the log return.
        spread: deviation of the log return, as known on the day before.
        volatility: of the path within the day, at most `spread`.
    """

    mean: float
    spread: float
    volatility: float


@dataclass(frozen=True)
class Survival:
    """S_h on the nodes of the integral over log prices below the barrier.

    Attributes:
        barrier: b, log price.
        nodes, weights: (k,) of the quadrature.
        values: (H + 1, regimes, k), S_h(node, regime of the first day).
    """

    barrier: float
    nodes: np.ndarray
    weights: np.ndarray
    values: np.ndarray


@lru_cache(maxsize=64)
def survival(days: tuple[Day, ...], move: Move, barrier: float, horizon: int) -> Survival:
    """S_0 .. S_H of regimes `days` whose chain has the transition probabilities `move`."""
    spread, lowest = max(d.spread for d in days), min(0.0, *(d.mean for d in days))
    nodes, weights = _quadrature(
        horizon * lowest - _FAR * spread * np.sqrt(horizon),
        barrier,
        min(d.volatility for d in days),
    )
    move_ = np.array(move)
    kernels = [_stay(nodes, d.mean, d, barrier, nodes) * weights for d in days]
    values = np.ones((horizon + 1, len(days), len(nodes)))
    for h in range(1, horizon + 1):
        after = move_ @ values[h - 1]
        values[h] = [kernel @ after[s] for s, kernel in enumerate(kernels)]
    return Survival(barrier, nodes, weights, values)


def touch(days: tuple[Day, ...], move: Move, barrier: float, horizon: int) -> np.ndarray:
    """(regimes,) P(log-price reaches `barrier` from 0 within H days | regime of the first day)."""
    survival_values = survival(days, move, barrier, horizon)
    after = np.array(move) @ survival_values.values[horizon - 1]
    stay = [
        _stay(np.zeros(1), d.mean, d, barrier, survival_values.nodes)[0]
        * survival_values.weights
        @ after[s]
        for s, d in enumerate(days)
    ]
    return np.clip(1.0 - np.array(stay), 0.0, 1.0)


def touch_from(means: np.ndarray, day: Day, after: Survival, horizon: int) -> np.ndarray:
    """`touch` where the first day has a mean of its own in every row.

    Args:
        means: (n,) of the first day's log return; its spread and volatility are those of `day`.
        after: of the days behind it, which all are in one regime.

    Returns:
        (n,).
    """
    reach = np.abs(means).max(initial=0.0) + _FAR * day.spread
    near = after.nodes > -reach
    nodes, weights = after.nodes[near], after.weights[near]
    kernel = _stay(np.zeros(1), means[:, None], day, after.barrier, nodes)
    stay = kernel @ (weights * after.values[horizon - 1, 0, near])
    return np.clip(1.0 - stay, 0.0, 1.0)


def _stay(
    start: np.ndarray, mean: np.ndarray | float, day: Day, barrier: float, end: np.ndarray
) -> np.ndarray:
    """Density of ending a day at `end` without having reached the barrier; (starts, ends)."""
    scaled = (end - start[:, None] - mean) / day.spread
    density = np.exp(-0.5 * scaled**2) / (day.spread * np.sqrt(2 * np.pi))
    gap = (barrier - start[:, None]) * (barrier - end) / day.volatility**2
    return -density * np.expm1(-2 * gap)


def _quadrature(low: float, high: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Composite Gauss-Legendre nodes and weights from `low` to `high`."""
    panels = int(np.ceil((high - low) / (_PANEL * scale)))
    edges = np.linspace(low, high, panels + 1)
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * x).ravel(), (half * w).ravel()
