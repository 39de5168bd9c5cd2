"""The compute frontier: ticks that can be told apart, and losses of the same days."""

from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from mlxts.report import compute_frontier
from mlxts.scaling import ledger
from mlxts.scaling.configuration_scores import scored
from tests import homes
from tests.scaling import worlds


@pytest.mark.parametrize("flops", [[2.12e12], [2.0e12, 2.3e12], [1e9, 5e9], [1e9, 1e13]])
def test_no_two_ticks_have_one_label(flops):
    levels = {"loss_har": 0.5, "loss_linear": 0.4}
    rows = [
        {
            "budget": "2M", "n_total": 2e6, "samples": 1, "flops": one, "loss": 0.45, "low": 0.44,
            "high": 0.46, "frontier": 0.45,
        } | levels
        for one in flops
    ]  # fmt: skip
    figure = Figure()
    axes = figure.subplots()
    compute_frontier.draw_frontier(axes, rows, "nats")
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    ticks = [t.get_text() for t, x in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
             if low <= x <= high]  # fmt: skip
    assert len(set(ticks)) == len(ticks) > 1


def test_losses_on_fewer_days_are_left_out_and_a_single_one_is_not_drawn(tmp_path, monkeypatch):
    homes.simulated(tmp_path, monkeypatch)
    folders = worlds.ladder({"0.02M": 0.9, "0.06M": 0.6, "0.2M": 0.3}, seeds=1)
    smallest, middle, largest = scored(ledger.build(folders), draws=50)
    short = replace(largest.table, dates=largest.table.dates[:-1])
    (picture,) = compute_frontier.frontiers([smallest, middle, replace(largest, table=short)])
    assert picture.data["budget"].to_list() == ["0.02M", "0.06M"]
    assert compute_frontier.frontiers([smallest, replace(largest, table=short)]) == []
