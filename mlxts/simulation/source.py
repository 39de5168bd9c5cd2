"""A simulated market as a source of data, like those of vendors."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from mlxts.data import calendar
from mlxts.data.sources.base import Fetched, requested_range, within
from mlxts.simulation import bayes_scores
from mlxts.simulation.markets import MARKETS, default_parameters, make


@dataclass(frozen=True)
class SimulatedSource:
    """A simulated series on the sessions of the New York exchange.

    Any symbol is valid: it names an independent path of the same market. A path is determined by
    kind, dials, seed, symbol and `first`; a later `last` continues it.
    """

    kind: str = "sv"
    seed: int = 0
    first: date = date(1993, 1, 29)
    last: date = date(2025, 12, 31)
    dials: Mapping[str, float] = field(default_factory=dict)

    name = "simulated"

    def fetch(self, symbol: str, start: date | None = None, end: date | None = None) -> Fetched:
        """Bars with a column `oracle_<task>_h<H>` for each binary task and each H of HORIZONS.

        `parameters` holds all that decides the path, the exact figures of the Bayes rule on these
        very rows (`bayes`), and what is known of the law itself.

        Raises:
            ConfigError: no such market or parameter.
            SourceError: no session lies between `start` and `end`.
        """
        chosen = make(self.kind, self.dials)
        days = calendar.sessions(self.first, self.last)
        stream = zlib.crc32(symbol.encode())
        bars = chosen.simulate(days, seed=self.seed, stream=stream)
        rows = within(bars, start, end, subject=f"the simulation of {symbol}")
        described = {
            "kind": self.kind,
            "control": MARKETS[self.kind].control,
            "seed": self.seed,
            "dials": default_parameters(self.kind) | dict(self.dials),
            "first": str(self.first),
            "last": str(self.last),
            **requested_range(start, end),
            "bayes": bayes_scores.of_bars(rows),
            **chosen.exact(),
        }
        return Fetched(rows, described)
