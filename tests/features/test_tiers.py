"""The catalog keeps its promises, and the tiers are nested lists of it."""

import re
from collections import Counter

import polars as pl
import pytest

from mlxts import protocol
from mlxts.errors import ConfigError
from mlxts.features import catalog, engine, tier_selection, tiers
from tests.features.bars import path


@pytest.mark.parametrize("size", protocol.TIERS)
def test_a_tier_has_exactly_its_count_of_features_of_the_catalog(size: int) -> None:
    names = tiers.tier(size)
    assert len(names) == len(set(names)) == size
    assert set(names) <= set(catalog.by_name())


def test_each_tier_begins_with_the_one_before() -> None:
    for smaller, larger in zip(protocol.TIERS, protocol.TIERS[1:], strict=False):
        assert tiers.tier(larger)[:smaller] == tiers.tier(smaller)


def test_the_first_tier_is_the_hand_chosen_one() -> None:
    assert tiers.tier(20) == tiers.HEAD


def test_an_unknown_tier_is_refused() -> None:
    with pytest.raises(ConfigError, match="no tier of 30 features; choose from 20, 50"):
        tiers.tier(30)


def test_families_take_turns() -> None:
    """Among 1,000 features no family that has more to give has more than its turn over another."""
    counts = Counter(catalog.get(name).family for name in tiers.tier(1000))
    large = {f.name for f in catalog.FAMILIES if len(f.features) > 150}
    assert set(counts) == {family.name for family in catalog.FAMILIES}
    shares = [counts[name] for name in large]
    assert max(shares) - min(shares) <= len(tiers.HEAD)


def test_the_frozen_order_was_chosen_from_this_catalog() -> None:
    """If this fails the catalog changed: run `mlxts features freeze` and bring docs up to date."""
    assert tiers.header()["candidates"] == tier_selection.candidates_hash()


def test_the_smallest_tier_of_a_feature() -> None:
    assert tiers.smallest(tiers.HEAD[0]) == 20
    assert tiers.smallest(tiers.tier(50)[20]) == 50
    assert tiers.smallest(tiers.tier(2000)[-1]) == 2000
    assert tiers.smallest("nothing") is None


def test_what_needs_the_volume_changes_with_it_and_nothing_else_does() -> None:
    names = tiers.tier(200)
    bars = path(300, seed=0)
    other = bars.with_columns(volume=pl.col("volume").reverse())
    before, after = (engine.build(frame.lazy(), names) for frame in (bars, other))
    changed = {name for name in names if not before[name].equals(after[name])}
    assert changed == {name for name in names if catalog.needs_volume(name)}
    assert set(tiers.tier(200, volume=False)) == set(names) - changed


def test_the_catalog_offers_more_than_it_needs() -> None:
    assert len(catalog.by_name()) >= 2600


def test_names_are_unique_and_plain() -> None:
    features = [feature for family in catalog.FAMILIES for feature in family.features]
    assert len({feature.name for feature in features}) == len(features)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", feature.name) for feature in features)


def test_every_relation_is_one_of_the_protocol() -> None:
    relations = {feature.relation for feature in catalog.by_name().values()}
    assert relations == {
        "position", "distance", "duration", "slope", "acceleration", "proximity", "recency"
    }  # fmt: skip


def test_counts_of_bars_are_in_bars() -> None:
    for feature in catalog.by_name().values():
        if feature.relation in ("duration", "recency"):
            assert feature.unit == "bars", feature.name


def test_warm_ups_leave_room_for_monthly_bars() -> None:
    """SPY has 359 months to the end of 2022, of which a context of 80 must fit behind it."""
    assert max(catalog.get(name).warmup for name in tiers.tier(20)) <= 90
    assert max(catalog.get(name).warmup for name in tiers.tier(2000)) <= 200
