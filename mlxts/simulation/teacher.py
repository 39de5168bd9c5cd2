"""P3: a linear teacher with features in a known order of importance, for the feature axis.

Each day has 2,000 independent normal features (the column `planted`) with the spectrum
λ_i ∝ i^{-(1+a)}, the most important first, and tomorrow's drift is δ σ u with

    u = Σ_i w_i z_i,   w_i = ±1,   Var u = Σ_i λ_i = 1,

where the sum continues beyond the observable features: the contribution of the others, with
variance r = Σ_{i>2000} λ_i, is not observable. Given the first n features, u is the sum u_n plus a
remainder of variance r_n ~ n^{-a}, and P(up | u_n) = Φ(δ u_n / sqrt(1 + δ² r_n)) (Maloney, Roberts
and Sully 2022, 2210.16859; Bahri et al. 2021, 2102.06701). The excess log loss over knowing u is ~
n^{-a}.

Later days have an independent, standard normal u, so the sum of H log returns is normal given
today, and a touch of a barrier has the recursion of `first_passage` with an uncertain drift.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtr, owens_t, zeta

from mlxts import protocol
from mlxts.protocol import Task
from mlxts.simulation import base, bayes_scores, first_passage, price_path
from mlxts.simulation.base import HORIZONS, VOLATILITY
from mlxts.simulation.first_passage import Day

FEATURES = 2000
_ALWAYS = ((1.0,),)  # all later days are alike


@dataclass(frozen=True)
class LinearTeacher:
    """P3.

    Attributes:
        exponent: a; what the first n features leave unexplained falls like n^-a.
        drift: δ, deviation of tomorrow's drift, in daily volatilities.
        volatility: σ, deviation of a day's log return given its drift.
    """

    exponent: float = 1.0
    drift: float = 0.5
    volatility: float = VOLATILITY

    @cached_property
    def spectrum(self) -> np.ndarray:
        """(FEATURES,) λ_i, the variance of each feature."""
        order = np.arange(1, FEATURES + 1, dtype=np.float64)
        return order ** -(1 + self.exponent) / zeta(1 + self.exponent)

    @cached_property
    def hidden(self) -> float:
        """r, the variance of the part of u that no feature shows."""
        return float(zeta(1 + self.exponent, FEATURES + 1) / zeta(1 + self.exponent))

    def simulate(self, days: list[date], *, seed: int, stream: int = 0) -> pl.DataFrame:
        n = len(days)
        noise = price_path.noise(n, seed=seed, stream=stream)
        rest, visible = noise.hidden.spawn(2)
        scale = np.sqrt(self.spectrum).astype(np.float32)
        # The first row belongs to the day before the first bar.
        features = visible.standard_normal((n + 1, FEATURES), dtype=np.float32) * scale
        visible_part = features.astype(np.float64) @ self.weights(seed)
        pull = visible_part + np.sqrt(self.hidden) * rest.standard_normal(n + 1)
        moved = price_path.moves(self.drift * self.volatility * pull[:-1], self.volatility, noise)
        return price_path.bars(days, moved, noise.trade).hstack(
            [
                *base.oracles(
                    lambda task, h: self.probability(visible_part[1:], self.hidden, task, h)
                ),
                base.planted(features[1:]),
            ]
        )

    def weights(self, seed: int) -> np.ndarray:
        """(FEATURES,) w_i, -1 or 1: of the market, so of all its symbols."""
        return 2.0 * np.random.default_rng((seed, FEATURES)).integers(0, 2, FEATURES) - 1.0

    def probability(
        self, visible_part: np.ndarray, rest: float, task: Task, horizon: int
    ) -> np.ndarray:
        """P(target | the sum of the features known), for (n,) sums and the variance of the rest."""
        pull = self.drift * self.volatility
        if task.threshold is None:
            return ndtr(visible_part * self._slope(rest, horizon))
        later = Day(0.0, self.volatility * np.hypot(1.0, self.drift), self.volatility)
        spread = self.volatility * np.sqrt(1.0 + self.drift**2 * rest)
        after = first_passage.survival((later,), _ALWAYS, base.barrier(task), max(HORIZONS))
        return first_passage.touch_from(
            pull * visible_part, Day(0.0, spread, self.volatility), after, horizon
        )

    def direction(self, features: int, horizon: int) -> dict[str, float]:
        """Exact log loss (nats) and AUC of the Bayes rule that sees the first `features`.

        The sum known, V, is normal and P(up) = Φ(c V), so V given the outcome is skew-normal.
        """
        variance = float(self.spectrum[:features].sum())
        slope = self._slope(1.0 - variance, horizon) * np.sqrt(variance)
        x, w = np.polynomial.hermite_e.hermegauss(200)
        w = w / w.sum()
        given_down = ndtr(x) + 2 * owens_t(x, slope)
        return {
            "log_loss": float(w @ bayes_scores.entropy(ndtr(slope * x))),
            "auc": float(w @ (2 * ndtr(slope * x) * given_down)),
        }

    def exact(self) -> dict[str, Any]:
        return {
            "exponents": {"features": self.exponent},
            "bayes_by_features": {
                str(count): {f"direction_h{h}": self.direction(count, h) for h in HORIZONS}
                for count in protocol.TIERS
            },
        }

    def _slope(self, rest: float, horizon: int) -> float:
        """c of P(up) = Φ(c V), for the part V of u that is known and the variance of the rest."""
        uncertain = rest + (horizon - 1)
        return self.drift / np.sqrt(horizon + self.drift**2 * uncertain)
