"""How the frozen order of the tiers was made, so that anyone can make it again.

Candidates join in turn, one family after the other in the catalog's order, each family giving its
next candidate that is no near-duplicate of what has joined and does not stand still; the
hand-chosen head comes first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from mlxts import protocol
from mlxts.config.data import DataConfig
from mlxts.data import panel
from mlxts.errors import DataError
from mlxts.features import catalog, engine, tiers
from mlxts.features.correlation_filter import THRESHOLD, complete_rows, correlation, most_common
from mlxts.features.feature import Family
from mlxts.files import canonical_hash

# Index funds, sectors and large companies of different kinds; others are left to check it on.
SYMBOLS = ("AAPL", "DIA", "JNJ", "JPM", "QQQ", "SPY", "WMT", "XLE", "XLF", "XOM")
SIZE = max(protocol.TIERS)
STEADY = 0.95  # a candidate with one value on more of the bars than this is nearly constant


@dataclass(frozen=True)
class Order:
    """The features of the largest tier, in the order in which they join, and their origin.

    Attributes:
        symbols: symbol -> sha256 of the raw artifact that correlations were computed on.
        until: last date of the bars used.
        candidates: hash of the catalog that was chosen from.
    """

    names: tuple[str, ...]
    symbols: dict[str, str]
    until: date
    candidates: str
    threshold: float

    @property
    def origin(self) -> str:
        """Hash of the order and of everything that decided it."""
        return canonical_hash(
            [self.symbols, str(self.until), self.candidates, self.threshold, STEADY, self.names]
        )

    def text(self) -> str:
        """As the packaged file holds it: comments on where it comes from, then names."""
        header = [
            "# The order in which features join the tiers; written by `mlxts features freeze`.",
            f"# origin: {self.origin}",
            f"# candidates: {self.candidates}",
            f"# threshold: {self.threshold}",
            f"# until: {self.until}",
            *(f"# {symbol}: {sha256}" for symbol, sha256 in sorted(self.symbols.items())),
        ]
        return "\n".join([*header, *self.names]) + "\n"


def freeze(data: DataConfig, progress: Callable[[str], None] = lambda symbol: None) -> Order:
    """Compute the order on the training years of registered artifacts.

    Args:
        progress: called with each symbol before it is processed.

    Raises:
        DataError: an artifact is not registered, or too many candidates are near-duplicates.
    """
    until = protocol.SPLITS["protocol"].train[1]
    loaded = panel.load(data)
    bars = loaded.frame.filter(pl.col("date") <= until).collect(engine="in-memory")
    names = list(catalog.by_name())
    same = np.zeros((len(names), len(names)), dtype=bool)
    steady: set[str] = set()
    for symbol_bars in bars.partition_by("symbol"):
        progress(symbol_bars["symbol"][0])
        table = engine.build(symbol_bars.lazy(), names)
        steady |= {name for name in names if most_common(table[name]) > STEADY}
        same |= correlation(complete_rows(table)) > THRESHOLD
    chosen = pick(catalog.FAMILIES, tiers.HEAD, dict(zip(names, same, strict=True)), steady, SIZE)
    if len(chosen) < SIZE:
        raise DataError(
            f"only {len(chosen)} of {len(names)} candidates differ enough on these symbols, and "
            f"{SIZE} are wanted; register longer histories of {', '.join(data.symbols)}"
        )
    return Order(
        names=tuple(chosen),
        symbols={artifact.symbol: artifact.sha256 for artifact in loaded.artifacts},
        until=until,
        candidates=candidates_hash(),
        threshold=THRESHOLD,
    )


def pick(
    families: tuple[Family, ...],
    head: tuple[str, ...],
    same: dict[str, np.ndarray],
    steady: set[str],
    size: int,
) -> list[str]:
    """Take from the families in turn what is no near-duplicate of anything taken before.

    Args:
        head: joins first, unconditionally.
        same: name -> (F,) bool, whether the feature and the one in that place are
            near-duplicates; places are in the order of the keys.
        steady: never taken from a family.
    """
    place = {name: index for index, name in enumerate(same)}
    taken = np.zeros(len(same), dtype=bool)
    chosen: list[str] = []

    def take(name: str) -> bool:
        if (same[name] & taken).any():
            return False
        taken[place[name]] = True
        chosen.append(name)
        return True

    for name in head:
        taken[place[name]] = True
        chosen.append(name)
    queues = [_names(family, skip=steady.union(head)) for family in families]
    while queues and len(chosen) < size:
        for queue in list(queues):
            if len(chosen) == size:
                break
            if not any(take(name) for name in queue):
                queues.remove(queue)
    return chosen


def _names(family: Family, skip: set[str]) -> Iterator[str]:
    return (feature.name for feature in family.features if feature.name not in skip)


def candidates_hash() -> str:
    """SHA-256 of the names and formulas that the order is chosen from, in the catalog's order."""
    return canonical_hash(
        [
            (family.name, [(feature.name, feature.quantity.formula) for feature in family.features])
            for family in catalog.FAMILIES
        ]
    )
