"""Look-ahead check: a feature looks ahead if appended bars change its earlier values.

`CANARY` looks ahead on purpose, so that a check that misses it fails.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from mlxts.features import engine
from mlxts.features.feature import Feature
from mlxts.features.quantity import Quantity

CANARY = Feature(
    "canary_tomorrow", "canary", "distance", "percent",
    Quantity((pl.col("close").shift(-1) / pl.col("close") - 1.0) * 100.0, "tomorrow's return"),
)  # fmt: skip


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
    findings = []
    for cut in cuts:
        prefix = engine.build_symbol(bars.head(cut), chosen)
        findings += rewritten(whole, prefix, [feature.name for feature in chosen])
    return findings


def rewritten(whole: pl.DataFrame, prefix: pl.DataFrame, names: Iterable[str]) -> list[LookAhead]:
    """Which columns change on a day once later days are known.

    Args:
        whole: date and the Float32 columns `names`, made from all bars.
        prefix: the same, made from its first bars alone.
    """
    cut, findings = prefix.height, []
    for name in names:
        differs = ~_same_bits(whole[name].head(cut), prefix[name])
        if differs.any():
            findings.append(LookAhead(name, cut, prefix["date"][int(differs.argmax())]))
    return findings


def _same_bits(first: pl.Series, second: pl.Series) -> np.ndarray:
    """Where two Float32 series are the same, -0.0 and 0.0 being two things, null only null."""
    nulls = first.is_null().to_numpy(), second.is_null().to_numpy()
    bits = (column.fill_null(0.0).to_numpy().view(np.int32) for column in (first, second))
    return np.equal(*nulls) & np.equal(*bits)
