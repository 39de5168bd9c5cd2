"""One sentence an axis: its numbers, or that it was not run and what that would cost."""

import json

import pytest

from mlxts.errors import RunError
from mlxts.report import answers
from mlxts.scaling.over_reference import ALONE, OVER


def row(**changes) -> dict:
    """A row of `walk_forward_study.verdict_rows`."""
    values = {
        "axis": "parameters", "task": "threshold_1pct", "timescale": "daily", "horizon": 1,
        "symbol": "SPY", "budget": "2M", "settings": "model.residual_of: linear",
        "name": "threshold_1pct H1 daily", "word": "flat", "label": "flat", "reason": "within",
        "unit": "nats", "part": "", "panel": False, "paired": False, "cells": [],
        "gain": -0.00071, "gain_low": -0.0017, "gain_high": 0.00002, "margin": 0.016,
        "seen": 0.0013, "sizes": [20_012.0, 199_957.0, 1_999_583.0], "seeds": [3, 3, 3],
        "origins": 10, "dates": 5023, "assets": 1, "n_eff_assets": 1.0, "reference": "linear",
        "points": [], "levels": {},
    }  # fmt: skip
    return values | changes


def of(axis: str, texts: list[str]) -> str:
    (text,) = [one for one in texts if one.startswith(f"**{axis}:**")]
    return text


def test_an_axis_is_answered_with_number_interval_margin_and_what_would_have_been_seen():
    assert of("Parameters", answers.sentences([row()])) == (
        "**Parameters:** flat on SPY at 10 origins (gain −0.0007 nats per tenfold parameters, 95 % "
        "interval [−0.0017, +0.00002]; margin 0.0160; 0.0013 would have been seen; 0.02M, 0.2M and "
        "2M, 3 seeds, 5,023 days, reference linear)."
    )


def test_every_axis_has_a_sentence_and_what_was_not_run_its_price():
    plans = [
        {"sweep": "study_features", "runs": 120, "hours": 12.345},
        {"sweep": "study_history", "runs": 0, "hours": 0.0},
        {"sweep": "study_200M", "runs": 3, "hours": None},
    ]
    texts = answers.sentences([row()], plans)
    assert [text.split(":**")[0][2:] for text in texts] == [
        "Parameters", "Compute", "Features", "Data by history", "Data by assets",
        "Data by columns", "Not finished",
    ]  # fmt: skip
    assert (
        of("Features", texts)
        == "**Features:** not run; `study_features` (120 runs, at most 12.3 h)."
    )
    assert of("Data by history", texts).endswith("not run; `configs/sweeps/study_history.yaml`.")
    assert texts[-1] == "**Not finished:** `study_200M` (3 runs)."


def test_the_main_claim_is_of_labels_of_a_touch_on_most_days_with_more_sizes_beside():
    main = row()
    more = row(origins=4, dates=2009, sizes=[*main["sizes"], 2e7], name="more")
    panel = row(panel=True, assets=19, n_eff_assets=4.5, name="panel", dates=5000)
    others = [
        row(task="direction", dates=5032, name="control"),
        row(task="range", unit="squared log(log range)", dates=5032, name="range"),
        row(origins=4, dates=2009, sizes=main["sizes"][:2], name="fewer"),
        row(settings="other", dates=2009, origins=4, sizes=more["sizes"], name="other"),
        row(part=OVER, name=f"{main['name']}, {OVER}"),
        row(panel=True, assets=3, dates=5023, name="small panel"),
    ]
    found = answers.main_rows([*others, panel, more, main])
    assert [one["name"] for one in found] == [main["name"], "more", "panel", "control", "range"]
    text = of("Parameters", answers.sentences([*others, panel, more, main]))
    assert "flat on SPY at 4 origins" in text
    assert "0.02M, 0.2M, 2M and 20M" in text
    assert "; flat for the task range on SPY at 10 origins" in text
    assert "flat on the panel of 19 assets (n_eff 4.5) at 10 origins" in text


def test_what_the_network_adds_is_told_apart_from_what_its_reference_gains():
    whole = row(axis="features", sizes=[20.0, 2000.0], name="cell")
    parts = [
        row(axis="features", part=OVER, name=f"cell, {OVER}", gain=0.0002),
        row(axis="features", part=ALONE, name=f"cell, {ALONE}", gain=-0.0009),
        row(axis="features", part=ALONE, name=f"other, {ALONE}", gain=0.5),
    ]
    text = of("Features", answers.sentences([whole, *parts]))
    assert "20 and 2,000 at 2M" in text
    assert "; of it over the reference +0.0002 [" in text
    assert "; the reference's own −0.0009 [" in text
    assert "+0.5" not in text


def test_columns_are_told_pair_by_pair():
    pairs = [
        row(axis="columns", paired=True, cells=cells, sizes=[1.0, 10.0], name=str(cells))
        for cells in (["Ab", "Ac"], ["Aa", "Ab"])
    ]
    text = of("Data by columns", answers.sentences(pairs))
    assert text.index("Ab (+ news sentiment (SF Fed daily)) against Aa at 2M") < text.index(
        "Ac (+ VIX) against Ab at 2M"
    )
    assert "per tenfold" not in text


def test_a_network_is_compared_with_linear_where_the_reference_is_not_it_at_every_origin():
    points = [{"difference": -0.0072}, {"difference": -0.0044}]
    own = row(points=points, levels={"har": 0.007, "linear": -0.0075}, reference="har or linear")
    text = of("Parameters", answers.sentences([own]))
    assert "reference HAR or linear; the network's loss minus linear's +0.0003 and +0.0031" in text
    assert (
        "minus linear's" not in answers.sentences([row(points=points, levels={"linear": 0.0})])[0]
    )


def test_a_claim_within_the_margin_says_so_and_what_decides_nothing_why():
    small = row(word="inverse", label="inverse, not replicated yet")
    assert answers.sentences([small])[0].endswith("; smaller than the margin).")
    open_ = row(word="inconclusive", label="inconclusive", reason="one seed")
    assert answers.sentences([open_])[0].endswith("; one seed).")
    rare = row(word="not estimable", label="not estimable", reason="too few")
    assert "not estimable on SPY at 10 origins (too few)." in answers.sentences([rare])[0]


def test_a_plan_is_priced_in_hours_of_the_runs_that_are_missing(tmp_path):
    path = tmp_path / "plan.json"
    runs = [{"state": "done", "seconds": 9e9}, *[{"state": "missing", "seconds": 1800.0}] * 3]
    path.write_text(json.dumps({"sweep": "study_features", "runs": runs}))
    assert answers.plan_row(path) == {"sweep": "study_features", "runs": 3, "hours": 1.5}
    path.write_text(json.dumps({"sweep": "x", "runs": [{"state": "missing", "seconds": None}]}))
    assert answers.plan_row(path)["hours"] is None
    path.write_text("{}")
    with pytest.raises(RunError, match=r"plan\.json is damaged.*sweep plan SWEEP --json"):
        answers.plan_row(path)
