"""Colours: every one has two forms, can be seen in both, and figures stay apart on one page."""

import re

import matplotlib as mpl
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mlxts.report import palette
from mlxts.report.figure import STYLE


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_colours_of_the_style_are_all_known():
    with mpl.rc_context(fname=STYLE):
        cycle = [to_hex(color) for color in mpl.rcParams["axes.prop_cycle"].by_key()["color"]]
        grid = to_hex(mpl.rcParams["grid.color"])
    light = {pair[0] for pair in palette.COLOURS.values()}
    assert {*cycle, grid} <= light
    assert len(light) == len(palette.COLOURS)


@pytest.mark.parametrize("scheme", [0, 1])
def test_lines_stand_out_from_the_paper(scheme):
    paper = palette.COLOURS["paper"][scheme]
    for name, pair in palette.COLOURS.items():
        if name not in ("paper", "grid"):
            assert contrast(pair[scheme], paper) > (2.3 if name.startswith("shade") else 2.8), name


def test_ordered_shades_grow_darker_on_paper_and_lighter_at_night():
    shades = [pair for name, pair in palette.COLOURS.items() if name.startswith("shade")]
    light, dark = ([luminance(pair[index]) for pair in shades] for index in (0, 1))
    assert light == sorted(light, reverse=True)
    assert dark == sorted(dark)


def test_text_on_a_fill_can_be_read_and_no_fill_changes_with_the_scheme():
    light = {pair[0] for pair in palette.COLOURS.values()}
    for fill in (*palette.WORSE, *palette.BETTER):
        on = palette.ON_DARK if fill in palette.DARK_FILLS else palette.ON_LIGHT
        assert contrast(fill, on) > 3.8, fill
        assert fill not in light


def drawn() -> str:
    from io import StringIO

    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(3, 2))
        figure.subplots().plot([1, 2], label="a")
        kept = StringIO()
        figure.savefig(kept, format="svg", metadata={"Date": None})
    return kept.getvalue()


def test_a_figure_inside_the_page_has_variables_for_colours_and_ids_of_its_own():
    one, other = (palette.inline(drawn(), name, 'said "so" & more') for name in ("one", "other"))
    assert one.startswith(
        '<svg class="figure" role="img" aria-label="said &#34;so&#34; &amp; more"'
    )
    assert "var(--blue)" in one
    assert not re.search("#[0-9a-f]{6}", one)
    assert "metadata" not in one
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other)]
    assert not ids[0] & ids[1]
    references = set(re.findall(r'(?:href="#|url\(#)([^")]+)', one))
    assert references
    assert references <= ids[0]
