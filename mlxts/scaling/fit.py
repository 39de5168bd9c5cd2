"""Fitting a law: variable projection from a grid, then Levenberg–Marquardt to full precision.

What is minimised is the sum over points of Huber's loss of the residual in ln L (Hoffmann et al.
2022 fit so; Besiroglu et al. 2024 show what stopping early and rounding do to it, hence sums, not
means, and full precision). B tables over the same sizes are fitted at once, which is what makes a
bootstrap of every family affordable.

1. For every point of a family's grid of nonlinear parameters the coefficients are solved: linear
   least squares, non-negative where they are parts of a loss.
2. The best few start a Levenberg–Marquardt in all parameters, with iterated Huber weights and
   exact derivatives by complex steps (Squire, Trapp 1998).
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlxts.scaling.laws import Family

HUBER = 0.01  # ln L: one to three standard errors of a mean of five seeds, as measured
STARTS = 6  # local searches of one table
DRAW_STARTS = 1  # of each bootstrap draw, besides the optimum of the table itself
_STEP = 1e-30  # imaginary, for derivatives
_MAX_DAMPING = 1e14


@dataclass(frozen=True)
class _Stop:
    """When a local search has arrived."""

    step: float  # in every parameter
    gain: float  # relative, of the objective
    iterations: int


_EXACT = _Stop(1e-12, 1e-15, 300)  # of the table itself
_ROUGH = _Stop(1e-6, 1e-7, 50)  # of draws, whose spread is what is asked for


@dataclass(frozen=True)
class Fit:
    """B fitted laws of one family.

    Attributes:
        searched: (B, k) parameters as searched.
        objective: (B,) sum of Huber losses.
        center: (axes,) ln of the reference sizes.
        bound: L0, the loss of a forecast without information, or infinity.
    """

    family: Family
    searched: np.ndarray
    objective: np.ndarray
    center: np.ndarray
    bound: float

    def predict(self, sizes: np.ndarray) -> np.ndarray:
        """(B, m) losses at (m, axes) sizes."""
        u = np.log(sizes) - self.center
        return np.exp(self.family.log_loss(self.searched, u, self.bound))

    def parameters(self) -> dict[str, np.ndarray]:
        """{name: (B,)} as in the formula, x in units of the reference size."""
        return self.family.values(self.searched, self.bound)


def fit(
    family: Family,
    sizes: np.ndarray,
    losses: np.ndarray,
    *,
    bound: float,
    huber: float = HUBER,
    center: np.ndarray | None = None,
) -> Fit:
    """Fit one family to B tables of losses over the same sizes.

    Args:
        sizes: (n, axes) positive.
        losses: (B, n) positive. The first is the table itself, the others its bootstrap draws:
            each of them starts from the first one's optimum too.
        bound: L0 of the bounded families, in the unit of the losses; the others do not read it.
        huber: residuals of ln L beyond it count linearly.
        center: (axes,) ln of the reference sizes; by default of their geometric mean.
    """
    center = np.log(sizes).mean(axis=0) if center is None else center
    u, logs = np.log(sizes) - center, np.log(losses)
    limits = family.limits(u)

    def search(
        starts: np.ndarray, targets: np.ndarray, stop: _Stop
    ) -> tuple[np.ndarray, np.ndarray]:
        """(B, S, k) starts -> the best (B, k) and its (B,) objective."""
        count, n_starts, k = starts.shape
        problem = _Problem(family, u, bound, huber, limits, stop)
        minima, value = problem.polish(starts.reshape(-1, k), np.repeat(targets, n_starts, axis=0))
        value = value.reshape(count, n_starts)
        best = value.argmin(axis=1)
        rows = np.arange(count)
        return minima.reshape(count, n_starts, k)[rows, best], value[rows, best]

    starts = _project(family, losses[:1], u, bound, limits, STARTS)
    first, value = search(starts, logs[:1], _EXACT)
    if len(losses) > 1:
        projected = _project(family, losses[1:], u, bound, limits, DRAW_STARTS)
        shared = np.broadcast_to(first[:, None], (len(projected), 1, first.shape[-1]))
        starts = np.concatenate([projected, shared], axis=1)
        others, values = search(starts, logs[1:], _ROUGH)
        first, value = np.concatenate([first, others]), np.concatenate([value, values])
    return Fit(family, first, value, center, bound)


def _project(
    family: Family,
    losses: np.ndarray,
    u: np.ndarray,
    bound: float,
    limits: np.ndarray,
    keep: int,
) -> np.ndarray:
    """(B, S, k) best points of the grid, their coefficients solved; S <= keep."""
    candidates, scores = [], []
    for theta in family.grid(u):
        design, response, weights = family.linear(theta, losses, u, bound)
        solved = _least_squares(design, response, weights, positive=family.positive)
        searched = np.clip(family.join(theta, solved), limits[:, 0], limits[:, 1])
        residuals = np.log(losses) - family.log_loss(searched, u, bound)
        candidates.append(searched)
        scores.append((residuals**2).sum(axis=-1))
    order = np.argsort(np.stack(scores, axis=1), axis=1, kind="stable")[:, :keep]
    return np.take_along_axis(np.stack(candidates, axis=1), order[..., None], axis=1)


def _least_squares(
    design: np.ndarray, response: np.ndarray, weights: np.ndarray, *, positive: bool
) -> np.ndarray:
    """(B, p) coefficients; non-negative ones by trying every set that may differ from zero."""
    p = design.shape[1]
    scaled = design * weights[..., None]
    target = response * weights
    gram = np.einsum("bni,bnj->bij", scaled, scaled)
    gram = gram + 1e-13 * np.eye(p) * np.trace(gram, axis1=1, axis2=2)[:, None, None]
    moment = np.einsum("bni,bn->bi", scaled, target)
    if not positive:
        return np.linalg.solve(gram, moment[..., None])[..., 0]
    best, solved = np.full(len(gram), -np.inf), np.zeros_like(moment)
    for size in range(1, p + 1):
        for subset in combinations(range(p), size):
            chosen = list(subset)
            part = np.linalg.solve(gram[:, chosen][:, :, chosen], moment[:, chosen][..., None])[
                ..., 0
            ]
            gain = np.where(
                (part >= 0.0).all(axis=1), (part * moment[:, chosen]).sum(axis=1), -np.inf
            )
            better = gain > best
            best = np.where(better, gain, best)
            full = np.zeros_like(moment)
            full[:, chosen] = part
            solved = np.where(better[:, None], full, solved)
    return solved


def huber_sum(residuals: np.ndarray, delta: float) -> np.ndarray:
    """Sum over the last axis of Huber's loss."""
    size = np.abs(residuals)
    return np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta)).sum(axis=-1)


@dataclass(frozen=True)
class _Problem:
    """What M local searches have in common."""

    family: Family
    u: np.ndarray
    bound: float
    huber: float
    limits: np.ndarray
    stop: _Stop

    def polish(self, starts: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Levenberg–Marquardt from (M, k) starts on (M, n) ln L; limits hold by projection."""
        values = starts.copy()
        objective = self._objective(values, logs)
        damping = np.full(len(values), 1e-3)
        active = np.arange(len(values))
        for _ in range(self.stop.iterations):
            if not len(active):
                break
            current, target = values[active], logs[active]
            proposed = self._step(current, target, damping[active])
            reached = self._objective(proposed, target)
            better = reached < objective[active]
            moved = np.abs(proposed - current).max(axis=1) >= self.stop.step
            gained = reached < objective[active] * (1.0 - self.stop.gain)
            values[active[better]] = proposed[better]
            objective[active[better]] = reached[better]
            damping[active] *= np.where(better, 0.1, 5.0)
            np.maximum(damping, 1e-15, out=damping)
            going = moved & (gained | ~better) & (damping[active] <= _MAX_DAMPING)
            active = active[going]
        return values, objective

    def _objective(self, values: np.ndarray, logs: np.ndarray) -> np.ndarray:
        return huber_sum(logs - self.family.log_loss(values, self.u, self.bound), self.huber)

    def _step(self, current: np.ndarray, target: np.ndarray, damping: np.ndarray) -> np.ndarray:
        predicted, jacobian = self._with_jacobian(current)
        residuals = target - predicted
        size = np.abs(residuals)
        weights = np.where(size <= self.huber, 1.0, self.huber / np.maximum(size, self.huber))
        weighted = (jacobian * weights[..., None]).swapaxes(1, 2)
        gram, slope = weighted @ jacobian, (weighted @ residuals[..., None])[..., 0]
        # A parameter at its limit and is pushed out takes no part in this step.
        low, high = self.limits.T
        pushed = ((current <= low) & (slope < 0)) | ((current >= high) & (slope > 0))
        slope = np.where(pushed, 0.0, slope)
        gram = np.where(pushed[:, :, None] | pushed[:, None, :], 0.0, gram)
        diagonal = np.einsum("mii->mi", gram)
        extra = damping[:, None] * np.maximum(diagonal, 1e-12) + 1e-15 + pushed
        step = np.linalg.solve(gram + extra[..., None] * np.eye(gram.shape[1]), slope[..., None])
        return np.clip(current + step[..., 0], low, high)

    def _with_jacobian(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln L (M, n) and its derivatives (M, n, k)."""
        columns = []
        for index in range(values.shape[1]):
            shifted = values.astype(np.complex128)
            shifted[:, index] += 1j * _STEP
            columns.append(self.family.log_loss(shifted, self.u, self.bound))
        return columns[0].real, np.stack([c.imag / _STEP for c in columns], axis=-1)
