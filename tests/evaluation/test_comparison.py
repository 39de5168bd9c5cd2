"""The sentence says what the interval says."""

import pytest

from mlxts.evaluation import comparison
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
        (-0.02, 0.01, "not significantly different"),
        (0.01, 0.03, "loses"),
        (-0.01, 0.0, "not significantly different"),
        (0.0, 0.01, "not significantly different"),
    ],
)
def test_the_word_follows_the_interval(low, high, word):
    assert comparison.of_figures(figures(low, high), TASK) == word
    said = comparison.sentence("patchtst", figures(low, high), TASK, 1, "validation")
    phrase = {"beats": "beats", "loses": "loses to"}.get(word, f"is {word} from")
    assert said.startswith(
        f"patchtst {phrase} HAR (threshold_1pct at H = 1, validation, n = 501): "
        "log-loss difference (model − HAR)"
    )
    assert ("the interval includes zero" in said) is (low <= 0.0 <= high)
    assert f"{(low + high) / 2:+.4f}" in said
    assert f"[{low:+.4f}, {high:+.4f}]" in said


def test_what_is_not_estimable_is_not_claimed():
    cell = figures(-0.03, -0.01, not_estimable="3 positives and 498 negatives")
    said = comparison.sentence("patchtst", cell, TASK, 1, "validation")
    assert said.startswith("Not estimable")
    assert "3 positives and 498 negatives" in said
    assert "beats" not in said
    assert comparison.of_figures(cell, TASK) == "not estimable"


def test_a_collapsed_model_is_named():
    said = comparison.sentence("m", figures(-0.01, 0.02, collapsed=True), TASK, 1, "validation")
    assert said.endswith("Its predictions have collapsed to a constant.")


def test_returns_are_judged_by_rmse():
    cell = {
        "n": 497,
        "collapsed": False,
        "rmse_difference": -0.00012,
        "interval": {"rmse_difference": [-0.0002, -0.0001]},
    }
    said = comparison.sentence("m", cell, TASKS["regression"], 5, "test")
    assert said.startswith(
        "m beats HAR (regression at H = 5, test, n = 497): RMSE difference (model − HAR) -0.000120"
    )


def test_the_better_reference_decides_and_the_other_stands_beside_it():
    cell = figures(
        -0.02,
        0.01,
        reference="linear",
        log_loss_difference_har=-0.03,
        log_loss_difference_linear=-0.005,
    )
    cell["interval"] |= {
        "log_loss_difference_har": [-0.04, -0.02],
        "log_loss_difference_linear": [-0.02, 0.01],
    }
    said = comparison.sentence("patchtst", cell, TASK, 1, "validation")
    assert said.startswith("patchtst is not significantly different from linear (")
    assert "Against HAR, the weaker of the two in training: -0.0300, 95 % interval [-0.04" in said
    assert "beats" not in said


@pytest.mark.parametrize(
    ("earlier", "today"),
    [("matches", "not significantly different from HAR"), ("loses to", "loses to HAR")],
)
def test_words_of_older_summaries_are_said_as_today_and_against_har(earlier, today):
    assert comparison.against(earlier, comparison.reference({"verdict": earlier})) == today


def test_what_claims_nothing_names_no_reference():
    assert comparison.against("not estimable", "linear") == "not estimable"
    assert comparison.against(None, "linear") is None


def test_names_of_references_are_written_as_people_write_them():
    found = {name: comparison.title(name) for name in ("har", "linear", "har or linear")}
    assert list(found.values()) == ["HAR", "linear", "HAR or linear"]


@pytest.mark.parametrize(("low", "high", "zero"), [(-0.03, -0.01, False), (-0.02, 0.01, True)])
def test_only_an_interval_around_zero_is_said_to_hold_it(low, high, zero):
    said = comparison.sentence("m", figures(low, high), TASK, 1, "validation")
    assert ("includes zero." in said) == zero
    assert f"[{low:+.4f}, {high:+.4f}]{': the interval includes zero' if zero else ''}." in said
    assert "collapsed" not in said
