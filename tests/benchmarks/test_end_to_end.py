"""What is planted, how often, and what the verdicts on it come to."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from benchmarks import claims, end_to_end
from benchmarks.end_to_end import BUDGETS, CLAIMED, COMMON, CONTROLS, NOTHING, SEEN
from mlxts import split_borders
from mlxts.config.loading import build_config
from mlxts.data import store
from mlxts.scaling import ledger
from mlxts.simulation.source import SimulatedSource
from tests import homes
from tests.scaling import worlds


def _judged(control: str, words: list[str], **case) -> list[dict]:
    return [
        {
            "control": control, "scored": 1, **case, "word": word, "gain": 0.01 * number,
            "low": -0.02, "high": 0.04, "samples": 7000 + number,
        }
        for number, word in enumerate(words)
    ]  # fmt: skip


def _claimed(*words: str) -> dict:
    times, scored = CLAIMED
    return end_to_end.row(_judged("P2", list(words), times=times, scored=scored))


@pytest.mark.parametrize("control", CONTROLS)
def test_every_case_is_a_configuration_and_none_stands_twice(control: str) -> None:
    own = CONTROLS[control]
    keys = [tuple(sorted(case.items())) for case in own.cases]
    assert len(set(keys)) == len(keys)
    assert len({case["seed"] for case in own.cases}) >= (3 if own.aim == SEEN else 20)
    for case in own.cases:
        for budget in BUDGETS:
            built = build_config({**COMMON, **own.settings(case), "budget": budget, "seed": 0})
            assert built.mode == "exploratory"


def test_the_market_that_dials_were_chosen_on_is_not_among_those_that_prove_them() -> None:
    assert 0 not in {case["seed"] for case in CONTROLS["P2"].cases}


def test_windows_of_foreign_labels_end_with_the_sample() -> None:
    for case in CONTROLS["N2"].cases:
        borders = split_borders.borders("protocol", case["origin"])
        assert borders.validation[1].year <= 2018
        assert case["shift"] > 0


def test_a_planted_pattern_has_to_be_seen_in_every_market() -> None:
    assert _claimed("scaling", "scaling", "scaling")["holds"] is True
    missed = _claimed("scaling", "inconclusive", "scaling")
    assert (missed["holds"], missed["scaling"], missed["inconclusive"]) == (False, 2, 1)
    assert (missed["gain"], missed["low"], missed["high"]) == pytest.approx((0.01, 0.0, 0.02))
    assert missed["half"] == pytest.approx(0.03)


@pytest.mark.parametrize("sizes", [(1, 1), (100, 1), (10, 10)])
def test_less_history_and_fewer_days_are_a_limit_to_know_and_no_promise(sizes: tuple) -> None:
    times, scored = sizes
    short = end_to_end.row(_judged("P2", ["inconclusive"], times=times, scored=scored))
    assert (short["aim"], short["holds"]) == (None, None)


def test_a_case_that_is_scored_on_more_and_more_counts_in_a_row_for_each() -> None:
    asked = [{"control": "P2", "times": 10, "seed": seed} for seed in (1, 2)]
    asked.append({"control": "N0", "seed": 0})
    told = {"gain": 0.0, "low": 0.0, "high": 0.0, "samples": 9}
    planted = [{"scored": 1, "word": "flat", **told}, {"scored": 10, "word": "scaling", **told}]
    rows = end_to_end.rows(asked, [planted, planted, planted[:1]])
    assert [(r["control"], r["scored"], r["replicates"], r["scaling"]) for r in rows] == [
        ("P2", 1, 2, 0),
        ("P2", 10, 2, 2),
        ("N0", 1, 1, 0),
    ]


def test_more_paths_tell_more_and_their_gain_is_told_in_nats(tmp_path, monkeypatch) -> None:
    """Runs with planted losses instead of training: a gain in the losses comes out as it is."""
    homes.simulated(tmp_path, monkeypatch)
    symbols = ["SPY", *(f"P{number}" for number in range(1, 10))]
    market = SimulatedSource("sv", first=date(2018, 1, 2), last=date(2025, 3, 31))
    for symbol in symbols[1:]:
        path = market.fetch(symbol)
        store.register_raw(
            path.frame, source="simulated", symbol=symbol, parameters=path.parameters
        )
    folders = worlds.ladder(
        {"0.02M": 0.9, "0.06M": 0.6, "0.2M": 0.3},
        overrides={"data": homes.SETTINGS["data"] | {"symbols": symbols}},
    )
    one, ten = end_to_end.judged(folders, 10, seed=0)
    assert (one["scored"], ten["scored"]) == (1, 10)
    assert ten["word"] == "scaling"
    assert ten["high"] - ten["low"] < one["high"] - one["low"]
    built = ledger.build(folders, every_asset=True)
    means = built.group_by("budget").agg(pl.col("loss").mean()).sort("budget")["loss"]
    sizes = np.log10(
        built.group_by("budget").agg(pl.col("n_total").mean()).sort("budget")["n_total"]
    )
    slope = -np.polyfit(sizes, means, 1)[0]
    assert ten["gain"] == pytest.approx(slope, rel=0.05)


@pytest.mark.parametrize(("calls", "holds"), [(0, True), (1, True), (2, False)])
def test_where_nothing_is_one_of_twenty_may_be_called(calls: int, holds: bool) -> None:
    words = ["scaling"] * calls + ["flat"] * (20 - calls)
    found = end_to_end.row(_judged("N1", words))
    assert (found["aim"], found["holds"], found["scaling"]) == (NOTHING, holds, calls)


def test_claims_read_these_rows() -> None:
    rows = [
        _claimed("scaling", "scaling", "inconclusive"),
        end_to_end.row(_judged("P2", ["flat"] * 3, times=1, scored=1)),
        end_to_end.row(_judged("N0", ["flat"] * 20)),
    ]
    own = [claim for claim in claims.CLAIMS if claim.benchmark == "end_to_end"]
    seen, reach, nothing = (claim.check(rows) for claim in own)
    assert (seen[0].startswith("2 of 3 markets with 100 x"), seen[1]) == (True, False)
    assert (reach[0].startswith("0 of 3 markets with 1 x"), reach[1]) == (True, None)
    assert nothing == ("N0 0 of 20", True)
