"""Colours of the report: each has a light and a dark form, distinguishable without colour vision.

Figures are drawn once, in the light colours of the style file. Inside the page each of them becomes
a CSS variable, so that one drawing serves both schemes; the figure files stay plain SVG,
which any program reads. A colour that is not listed here stays as it is: fills of a heat map, whose
figures are written on them in a colour that suits the fill.
"""

import re
from types import MappingProxyType

from mlxts.report.law_figure import SHADES

# name: (light, as in style.mplstyle, dark)
COLOURS = MappingProxyType(
    {
        "blue": ("#1f5fa6", "#74aef0"),
        "orange": ("#d1642a", "#f09a63"),
        "grey": ("#5c6b73", "#9db0ba"),
        "green": ("#3b8a5a", "#6cc793"),
        "purple": ("#8a5aa0", "#c89bdc"),
        "ink": ("#000000", "#e8ecef"),
        "paper": ("#ffffff", "#14181c"),
        "grid": ("#e3e3e3", "#333b42"),
        "faint": ("#999999", "#7d8890"),
        **{
            f"shade{index}": pair
            for index, pair in enumerate(
                zip(
                    SHADES,
                    ("#3f6f9f", "#4f87bd", "#679fd2", "#85b7e2", "#a9cfee", "#d3e7f8"),
                    strict=True,
                )
            )
        },
    }
)
# Diverging fills, from worse than the baseline to better: orange to blue, light in the middle. None
# of them is a colour of the list above, so that they and the text on them stay together.
WORSE = ("#fbeee6", "#f5c9ae", "#eb9f74", "#cd5f26", "#9c4114")
BETTER = ("#e8f0f9", "#b7d3ee", "#7fb0df", "#3a7fc1", "#164a83")
DARK_FILLS = (WORSE[3], WORSE[4], BETTER[3], BETTER[4])  # on which text is light
ON_LIGHT, ON_DARK = "#101010", "#fefefe"

_BY_LIGHT = {light: name for name, (light, _) in COLOURS.items()}
_HEX = re.compile(r"#[0-9a-f]{6}\b")
_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(xlink:href="#|url\(#)([^")]+)')


def variables(index: int) -> str:
    """CSS declarations of all colours: index 0 the light ones, 1 the dark ones."""
    return " ".join(f"--{name}: {pair[index]};" for name, pair in COLOURS.items())


def inline(svg: str, name: str, label: str) -> str:
    """An SVG file as an element of a page.

    Args:
        svg: as matplotlib writes it.
        name: of the figure; ids are prefixed with it, so that figures do not share them.
        label: alternative text of the figure.
    """
    from markupsafe import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = _ID.sub(lambda match: f'id="{name}-{match[1]}"', body)
    body = _REFERENCE.sub(lambda match: f"{match[1]}{name}-{match[2]}", body)
    box = re.search(r'viewBox="[^"]+"', body)
    assert box is not None
    opening = f'<svg class="figure" role="img" aria-label="{escape(label)}" {box[0]}>'
    body = re.sub(r"<svg[^>]*>", lambda _: opening, body, count=1)
    return _HEX.sub(_variable, body.replace("xlink:href", "href")).strip()


def _variable(match: re.Match[str]) -> str:
    name = _BY_LIGHT.get(match[0])
    return f"var(--{name})" if name else match[0]
