"""N3: a deliberate look-ahead leak, which the evaluation has to detect.

The bars are those of the constant-volatility martingale, so the direction is not predictable from
the past. Of the 20 features in the column `planted` the first is ρ e + sqrt(1 - ρ²) times noise,
where e is the next day's return in standard deviations; the others are noise. At ρ = 1 a model that
reads it has an AUC of 1 and a log loss far below the oracle's. On the last bar there is no next day
and the feature is noise alone, as with a careless `shift(-1)`: appended bars change earlier values.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from mlxts.simulation import base, price_path
from mlxts.simulation.base import VOLATILITY
from mlxts.simulation.hidden_markov import FAIR
from mlxts.simulation.martingales import probability

FEATURES = 20


@dataclass(frozen=True)
class LookaheadLeak:
    """N3.

    Attributes:
        leak: ρ, correlation of the first feature with tomorrow's return.
        volatility: deviation of a day's log return.
    """

    leak: float = 1.0
    volatility: float = VOLATILITY

    def simulate(self, days: list[date], *, seed: int, stream: int = 0) -> pl.DataFrame:
        n = len(days)
        noise = price_path.noise(n, seed=seed, stream=stream)
        moved = price_path.moves(0.0, self.volatility, noise)
        features = noise.hidden.standard_normal((n, FEATURES))
        tomorrow = np.r_[moved.close[1:] / self.volatility, 0.0]
        features[:, 0] = self.leak * tomorrow + np.sqrt(1 - self.leak**2) * features[:, 0]
        s = self.volatility
        return price_path.bars(days, moved, noise.trade).hstack(
            [
                *base.oracles(lambda task, h: np.full(n, probability(s, s, FAIR, task, h)[0])),
                base.planted(features),
            ]
        )

    def exact(self) -> dict[str, Any]:
        return {}
