"""Recipes are told by what differs."""

from hypothesis import given
from hypothesis import strategies as st

from mlxts.scaling import config_diff

KEYS = st.sampled_from(["a.x", "a.y", "b", "c.d.e"])
CHANGES = st.dictionaries(KEYS, st.integers(0, 2)).map(
    lambda own: [f"{key}: {own[key]}" for key in sorted(own)]
)


def test_what_differs_is_said_and_what_is_shared_is_not():
    texts = ["model.residual_of: har; training.patience: 4", "training.patience: 4"]
    shared = config_diff.shared(texts)
    assert [config_diff.describe(text, "0", shared) for text in texts] == [
        "model.residual_of: har",
        "",
    ]


def test_many_changes_are_counted():
    text = "; ".join(f"key{number}: {number}" for number in range(9))
    assert config_diff.describe(text, "ab12") == "9 settings changed, configuration ab12"


@given(st.lists(CHANGES, min_size=1, max_size=4))
def test_two_recipes_are_told_alike_only_if_they_are_alike(several):
    texts = ["; ".join(own) for own in several]
    shared = config_diff.shared(texts)
    told = {config_diff.describe(text, text, shared) for text in texts}
    assert len(told) == len(set(texts))


def test_a_nested_mapping_is_flattened_and_compared():
    before = config_diff.flat(
        {"model": {"revin": {"enabled": True}, "residual_of": None}, "seed": 1}
    )
    after = config_diff.flat(
        {"model": {"revin": {"enabled": False}, "residual_of": "har"}, "seed": 1}
    )
    assert config_diff.changes(before, after) == [
        "model.revin.enabled: false",
        "model.residual_of: har",
    ]
