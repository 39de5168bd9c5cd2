"""Budgets are true: the built model's own count, at every width of the input, in both modes."""

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts import protocol
from mlxts.config.model import ModelConfig, RevINConfig
from mlxts.errors import BudgetError
from mlxts.model import parameter_budget
from mlxts.model.patchtst import PatchTST, Shape

Channels = Literal["mixing", "independent"]
MODES = ("mixing", "independent")
STRICT = [name for name, entry in protocol.BUDGETS.items() if entry.strict]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", protocol.BUDGETS)
@pytest.mark.parametrize("features", protocol.TIERS)
def test_every_budget_is_met_at_every_tier(name: str, mode: Channels, features: int) -> None:
    shape = parameter_budget.solve(name, features, ModelConfig(channels=mode))
    assert parameter_budget.within(shape, protocol.BUDGETS[name].parameters)
    assert shape.d_model % shape.heads == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("features", [20, 2000])
def test_the_built_2m_model_has_2m_parameters(mode: Channels, features: int) -> None:
    shape = parameter_budget.solve("2M", features, ModelConfig(channels=mode))
    counts = PatchTST(shape).counts()
    assert counts == parameter_budget.count(shape)
    assert counts.total == pytest.approx(2_000_000, rel=protocol.BUDGET_TOLERANCE)


def test_the_built_20m_model_has_20m_parameters() -> None:
    shape = parameter_budget.solve("20M", 200, ModelConfig())
    assert PatchTST(shape).counts().total == pytest.approx(20_000_000, rel=0.01)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", STRICT)
@given(few=st.integers(20, 2000), many=st.integers(20, 2000))
@settings(max_examples=20, deadline=None)
def test_the_encoder_does_not_change_along_the_feature_axis(
    name: str, mode: Channels, few: int, many: int
) -> None:
    model = ModelConfig(channels=mode)
    bodies = [
        parameter_budget.count(parameter_budget.solve(name, f, model)).body for f in (few, many)
    ]
    assert max(bodies) / min(bodies) - 1 <= protocol.BODY_TOLERANCE


@given(
    mode=st.sampled_from(MODES),
    features=st.integers(1, 40),
    depth=st.integers(1, 3),
    heads=st.sampled_from([1, 2, 4]),
    hidden=st.integers(1, 40),
    factor=st.integers(1, 9),
    patch=st.sampled_from([(16, 8), (10, 5), (7, 7)]),
    affine=st.booleans(),
    statistics=st.booleans(),
    assets=st.sampled_from([0, 1, 19]),
    last_bar=st.sampled_from([0, 3, 4]),
)
@settings(max_examples=40, deadline=None)
def test_the_closed_form_counts_what_is_built(
    mode, features, depth, heads, hidden, factor, patch, affine, statistics, assets, last_bar
) -> None:
    shape = Shape(
        mode, features, 40, *patch, 8, depth, heads, hidden, factor,
        revin_affine=affine, statistics_to_head=statistics, assets=assets, last_bar=last_bar,
    )  # fmt: skip
    assert PatchTST(shape).counts() == parameter_budget.count(shape)


@given(
    depth=st.integers(1, 12),
    heads=st.sampled_from([2, 4, 8]),
    ratio=st.sampled_from([2.0, 4.0]),
    name=st.sampled_from(["2M", "20M"]),
)
@settings(max_examples=20, deadline=None)
def test_a_fixed_depth_and_heads_are_kept_and_the_budget_is_still_met(
    depth: int, heads: int, ratio: float, name: str
) -> None:
    model = ModelConfig(depth=depth, heads=heads, ffn_ratio=ratio)
    shape = parameter_budget.solve(name, 20, model)
    assert (shape.depth, shape.heads) == (depth, heads)
    assert parameter_budget.within(shape, protocol.BUDGETS[name].parameters)
    assert shape.ffn_dim / shape.d_model == pytest.approx(ratio, rel=0.35)


def test_statistics_and_affine_normalisation_count_towards_the_budget() -> None:
    revin = RevINConfig(affine=True, statistics_to_head=True)
    shape = parameter_budget.solve("2M", 2000, ModelConfig(revin=revin))
    assert PatchTST(shape).counts().total == pytest.approx(2_000_000, rel=0.01)


def test_a_budget_that_no_shape_can_meet_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(BudgetError, match="choose a larger budget"):
        parameter_budget.solve("0.02M", 2000, ModelConfig(depth=400))
