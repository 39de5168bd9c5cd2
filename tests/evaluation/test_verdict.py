"""The sentence says what the interval says."""

import pytest

from mlxts.evaluation import verdict
from mlxts.protocol import TASKS

TASK = TASKS["threshold_1pct"]


def figures(low: float, high: float, **changes):
    return {
        "n": 501,
        "not_estimable": None,
        "collapsed": False,
        "log_loss_difference": (low + high) / 2,
        "interval": {"log_loss_difference": [low, high]},
    } | changes


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.03, -0.01, "beats"),
        (-0.02, 0.01, "matches"),
        (0.01, 0.03, "loses to"),
        (-0.01, 0.0, "matches"),
        (0.0, 0.01, "matches"),
    ],
)
def test_the_word_follows_the_interval(low, high, word):
    assert verdict.word(figures(low, high), TASK) == word
    said = verdict.sentence("patchtst", figures(low, high), TASK, 1, "validation")
    assert said.startswith(
        f"patchtst {word} HAR (threshold_1pct at H = 1, validation, n = 501): log loss"
    )
    assert f"{(low + high) / 2:+.4f}" in said
    assert f"[{low:+.4f}, {high:+.4f}]" in said


def test_what_is_not_estimable_is_not_claimed():
    cell = figures(-0.03, -0.01, not_estimable="3 positives and 498 negatives")
    said = verdict.sentence("patchtst", cell, TASK, 1, "validation")
    assert said.startswith("Not estimable")
    assert "3 positives and 498 negatives" in said
    assert "beats" not in said
    assert verdict.word(cell, TASK) == "not estimable"


def test_a_collapsed_model_is_named():
    said = verdict.sentence("m", figures(-0.01, 0.02, collapsed=True), TASK, 1, "validation")
    assert said.endswith("Its predictions have collapsed to a constant.")


def test_returns_are_judged_by_rmse():
    cell = {
        "n": 497,
        "collapsed": False,
        "rmse_difference": -0.00012,
        "interval": {"rmse_difference": [-0.0002, -0.0001]},
    }
    said = verdict.sentence("m", cell, TASKS["regression"], 5, "test")
    assert said.startswith("m beats HAR (regression at H = 5, test, n = 497): RMSE -0.000120")
