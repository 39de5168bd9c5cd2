"""How the order of the tiers is chosen, and what counts as the same."""

import numpy as np
import pytest
from scipy import stats

from mlxts.features import tier_selection
from mlxts.features.correlation_filter import correlation
from mlxts.features.feature import Family, Feature
from mlxts.features.quantity import raw


def _family(name: str, *features: str) -> Family:
    return Family(name, tuple(Feature(f, name, "position", "ratio", raw(f)) for f in features))


def _same(names: str, *pairs: str) -> dict[str, np.ndarray]:
    table = np.array([[a == b or a + b in pairs or b + a in pairs for b in names] for a in names])
    return dict(zip(names, table, strict=True))


FAMILIES = (_family("one", "a", "b", "c"), _family("two", "p", "q"), _family("three", "x"))


def test_the_head_comes_first_and_then_families_take_turns() -> None:
    order = tier_selection.pick(FAMILIES, ("q",), _same("abcpqx"), set(), 6)
    assert order == ["q", "a", "p", "x", "b", "c"]


def test_a_near_duplicate_is_passed_over_and_the_family_gives_its_next() -> None:
    assert tier_selection.pick(FAMILIES, (), _same("abcpqx", "ap", "bq"), set(), 9) == [
        "a",
        "q",
        "x",
        "c",
    ]


def test_what_stands_still_is_never_taken() -> None:
    assert tier_selection.pick(FAMILIES, (), _same("abcpqx"), {"a", "x"}, 9) == ["b", "p", "c", "q"]


def test_it_stops_at_the_wanted_size() -> None:
    assert tier_selection.pick(FAMILIES, (), _same("abcpqx"), set(), 4) == ["a", "p", "x", "b"]


def test_correlation_is_the_larger_of_pearson_and_spearman() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=500)
    columns = [base, np.exp(3 * base), -base + 0.1 * rng.normal(size=500), rng.normal(size=500)]
    matrix = np.column_stack([*columns, np.ones(500)])
    result = correlation(matrix)
    for a in range(4):
        for b in range(4):
            linear = abs(stats.pearsonr(columns[a], columns[b]).statistic)
            ranked = abs(stats.spearmanr(columns[a], columns[b]).statistic)
            assert result[a, b] == pytest.approx(max(linear, ranked), abs=1e-5)
    assert result[4].tolist() == [0.0] * 5
