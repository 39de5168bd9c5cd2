"""Does a feature see the future? It does if adding bars changes what it said before them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from mlxts.features import engine
from mlxts.features.feature import Feature


@dataclass(frozen=True)
class LookAhead:
    """A feature whose value on `day` depends on whether bars after `cut` are known."""

    feature: str
    cut: int  # bars that the shorter history held
    day: date  # the first on which the two histories disagree


def look_ahead(
    bars: pl.DataFrame, features: Sequence[Feature], cuts: Iterable[int]
) -> list[LookAhead]:
    """Compare the features of all bars with those of their first `cut`, bit for bit.

    Args:
        bars: of one symbol, sorted by date.
        cuts: numbers of bars, each at least 1.

    Returns:
        What was found, nulls counting as values; empty for causal features.
    """
    chosen = tuple(features)
    whole = engine.build_symbol(bars, chosen)
    found = []
    for cut in cuts:
        prefix = engine.build_symbol(bars.head(cut), chosen)
        for feature in chosen:
            differs = ~_same_bits(whole[feature.name].head(cut), prefix[feature.name])
            if differs.any():
                day = prefix["date"][int(differs.argmax())]
                found.append(LookAhead(feature.name, cut, day))
    return found


def _same_bits(first: pl.Series, second: pl.Series) -> np.ndarray:
    """Where two Float32 series are the same, -0.0 and 0.0 being two things, null only null."""
    nulls = first.is_null().to_numpy(), second.is_null().to_numpy()
    bits = (one.fill_null(0.0).to_numpy().view(np.int32) for one in (first, second))
    return np.equal(*nulls) & np.equal(*bits)
