"""What all figures share: lines of models, levels that flatten nothing, ticks as powers of ten."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mlxts.baselines import registry
from mlxts.protocol import REFERENCES
from mlxts.report import figure, law_figure, palette
from mlxts.report.law_figure import Law, LawPanel
from mlxts.runs.predictions import BASE_RATE, NETWORK


def panel(levels: dict[str, float], seeds: int = 2) -> LawPanel:
    sizes, losses = np.array([2e4, 2e5, 2e6]), np.array([0.45, 0.44, 0.43])
    grid = np.geomspace(2e4, 8e6, 20)
    law = Law("flat (80%)", np.full(20, 0.44), np.full(20, 0.435), np.full(20, 0.445))
    return LawPanel(
        title="c", subtitle="", unit="parameters", sizes=sizes, losses=losses, low=losses - 0.01,
        high=losses + 0.01, run_sizes=np.repeat(sizes, seeds), run_losses=np.repeat(losses, seeds),
        grid=grid, chosen=law, others=[], levels=levels,
    )  # fmt: skip


def test_every_model_has_a_colour_of_its_own_and_keeps_it_under_its_title():
    names = [*registry.ALL, BASE_RATE, "har or linear"]
    styles = palette.lines(names)
    assert len({style["color"] for style in styles.values()}) == len(names)
    assert palette.NETWORK not in {style["color"] for style in styles.values()}
    for name, title in (("har", "HAR"), ("lhar", "LHAR"), ("base_rate", "base rate")):
        assert palette.line(name) == palette.line(title)
    assert palette.line("HAR or linear") == styles["har or linear"]


def test_networks_have_shades_from_light_to_dark():
    colours = [style["color"] for style in palette.lines(["HAR", "0.02M", "2M"]).values()]
    assert colours[1:] == [palette.SHADES[0], palette.SHADES[-1]]
    assert NETWORK not in registry.ALL


def test_a_reference_looks_alike_in_figures_of_different_kinds():
    axes = Figure().subplots()
    law_figure.draw_laws(axes, panel({"HAR": 0.46, "linear": 0.44}))
    lines = {str(line.get_label()).split()[0]: line for line in axes.lines}
    for name in REFERENCES:
        line = lines["HAR" if name == "har" else name]
        assert to_hex(line.get_color()) == palette.line(name)["color"]


def test_runs_stand_beside_their_mean_and_a_single_one_is_its_mean():
    axes, alone = Figure().subplots(2)
    law_figure.draw_laws(axes, panel({}))
    law_figure.draw_laws(alone, panel({}, seeds=1))
    (runs,) = [line for line in axes.lines if line.get_label() == "runs"]
    assert np.all(np.asarray(runs.get_xdata()) < np.repeat([2e4, 2e5, 2e6], 2))
    assert "runs" not in alone.get_legend_handles_labels()[1]


def test_a_level_far_away_is_named_and_flattens_nothing():
    axes = Figure().subplots()
    law_figure.draw_laws(axes, panel({"HAR": 0.46, "base rate": 0.6}))
    labels = axes.get_legend_handles_labels()[1]
    assert {"HAR 0.4600", "base rate 0.6000, above"} <= {*labels}
    assert axes.get_ylim()[1] < 0.5


@pytest.mark.parametrize(
    ("limits", "first"),
    [((2e4, 8e6), "10⁵"), ((2e4, 9e5), "2·10⁴"), ((20, 500), "20")],
)
def test_sizes_have_ticks_as_powers_of_ten(limits, first):
    drawn = Figure()
    axes = drawn.subplots()
    axes.set_xscale("log")
    axes.plot(limits, [0, 1])
    axes.set_xlim(*limits)
    figure.powers_of_ten(axes)
    drawn.draw_without_rendering()
    places = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    assert next(t.get_text() for x, t in places if limits[0] <= x <= limits[1]) == first
