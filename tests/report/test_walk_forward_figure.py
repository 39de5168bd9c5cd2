"""The walk-forward figure: points, seeds, and the band of slopes that count as flat."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mlxts.report import walk_forward_figure
from tests.report.test_answers import row

POINTS = [
    {
        "size": size, "difference": middle, "difference_low": middle - 0.004,
        "difference_high": middle + 0.004, "seeds": [middle - 0.001, middle + 0.001],
    }
    for size, middle in ((2e4, -0.003), (2e5, -0.001), (2e6, 0.001))
]  # fmt: skip
ROW = row(
    points=POINTS, levels={"har": 0.007, "linear": -0.0075}, first="2005-01-03", last="2024-12-30",
    sizes=[2e4, 2e5, 2e6],
)  # fmt: skip


def test_the_band_of_flat_holds_every_slope_within_the_margin_through_the_mean_point():
    sizes, low, high = walk_forward_figure.band(ROW)
    assert sizes[1] == pytest.approx(2e5)
    assert low[1] == pytest.approx(-0.001)
    assert high[1] == pytest.approx(-0.001)
    decades = np.log10(sizes[-1] / 2e5)
    assert high[-1] == pytest.approx(-0.001 + 0.016 * decades)
    assert low[-1] == pytest.approx(-0.001 - 0.016 * decades)


def test_means_seeds_the_reference_and_the_simple_models_are_drawn():
    axes = Figure().subplots()
    walk_forward_figure.draw(axes, [ROW])
    labels = axes.get_legend_handles_labels()[1]
    assert labels == [
        "flat: slope within ±0.0160 per tenfold size", "reference: linear", "HAR alone",
        "linear alone", "SPY, 10 origins: flat",
    ]  # fmt: skip
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.02M", "0.2M", "2M"]
    drawn = [np.asarray(line.get_ydata(), dtype=float).tolist() for line in axes.lines]
    for point in POINTS:
        assert point["seeds"] in drawn
    assert [-0.0075, -0.0075] in drawn


def test_all_that_is_drawn_is_in_its_table():
    (picture,) = walk_forward_figure.pictures([ROW])
    kinds = picture.data["kind"].value_counts(sort=True)
    assert dict(kinds.iter_rows()) == {
        "seed": 6, "mean over seeds": 3, "flat": 3, "har": 1, "linear": 1,
    }  # fmt: skip
    assert picture.name == "walk-forward-parameters"


def test_compute_has_the_points_of_parameters_and_pairs_have_no_size():
    others = [ROW | {"axis": "compute"}, ROW | {"axis": "columns", "paired": True}]
    assert len(walk_forward_figure.pictures([ROW, *others])) == 1
