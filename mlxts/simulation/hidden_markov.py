"""A Markov chain of two states, 0 and 1: its paths, its counts, and the filter that infers it."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

Move = tuple[tuple[float, ...], ...]  # transition probabilities, a row for each state today


@dataclass(frozen=True)
class Chain:
    """Probabilities that the next day is in the same state."""

    stay_0: float
    stay_1: float

    @property
    def share(self) -> float:
        """Stationary probability of state 1."""
        return (1 - self.stay_0) / (2 - self.stay_0 - self.stay_1)

    @property
    def move(self) -> Move:
        """Transition probabilities."""
        return (self.stay_0, 1 - self.stay_0), (1 - self.stay_1, self.stay_1)

    def path(self, uniform: np.ndarray) -> np.ndarray:
        """(n,) int8: states from the stationary law on, one uniform number a day."""
        states = np.empty(len(uniform), dtype=np.int8)
        to_1, state = self.share, 0
        for index, u in enumerate(uniform.tolist()):
            state = int(u < to_1)
            to_1 = self.stay_1 if state else 1 - self.stay_0
            states[index] = state
        return states

    def counts(self, horizon: int) -> np.ndarray:
        """Law of how many of the next `horizon` days are in state 1; shape (2, horizon + 1).

        Row i is given that today is in state i.
        """
        # joint[i, j, k] = P(state j after the days so far, k of them in 1 | state i today)
        joint = np.zeros((2, 2, horizon + 1))
        joint[[0, 1], [0, 1], 0] = 1.0
        move = np.array(self.move)
        for _ in range(horizon):
            joint = np.einsum("ijk,jm->imk", joint, move)
            joint[:, 1] = np.roll(joint[:, 1], 1, axis=-1)  # k reaches the end only at the last
        return joint.sum(axis=1)

    def counts_from(self, horizon: int) -> np.ndarray:
        """`counts` given the state of tomorrow, the first of the `horizon` days."""
        rest = np.pad(self.counts(horizon - 1), ((0, 0), (0, 1)))
        return np.stack([rest[0], np.roll(rest[1], 1)])

    def posterior(self, log_ratio: np.ndarray) -> np.ndarray:
        """P(state 1 on day t | what was seen until t), by the forward algorithm, exactly.

        Args:
            log_ratio: (n,) log of the density of what is seen on a day in state 1 over the one in
                state 0; given the states, days are independent.

        Returns:
            (n,).
        """
        probabilities = np.empty(len(log_ratio))
        # Both densities over the larger one, so that neither overflows.
        likelihood = np.exp(np.minimum(log_ratio, 0.0)).tolist()
        zero = np.exp(np.minimum(-log_ratio, 0.0)).tolist()
        p = self.share
        for index, (a, b) in enumerate(zip(likelihood, zero, strict=True)):
            p = p * a / (p * a + (1 - p) * b)
            probabilities[index] = p
            p = p * self.stay_1 + (1 - p) * (1 - self.stay_0)
        return probabilities


FAIR = Chain(0.5, 0.5)  # a coin a day


def mixed(weight: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Probabilities given each state, mixed: (n,) from P(state 1) (n,) and `given` (2,).

    Written so that equal probabilities stay one number, whose ties no rounding can break.
    """
    return given[0] + weight * (given[1] - given[0])


def up(mean: tuple[float, float], spread: tuple[float, float], counts: np.ndarray) -> np.ndarray:
    """P(the log-price is higher after H days), for a law of the days in state 1 (rows, H + 1)."""
    horizon = counts.shape[1] - 1
    of_1 = np.arange(horizon + 1)
    total = of_1 * mean[1] + (horizon - of_1) * mean[0]
    deviation = np.sqrt(of_1 * spread[1] ** 2 + (horizon - of_1) * spread[0] ** 2)
    return counts @ ndtr(total / deviation)
