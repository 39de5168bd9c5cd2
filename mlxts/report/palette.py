"""Colours of the report, and which model has which: the same in every figure.

Each has a light and a dark form. Where hues are hard to tell apart, models differ by their line and
ordered sizes by lightness and marker. Figures are drawn once, in the light colours. Inside the page
each of them becomes a CSS variable, so that one drawing serves both schemes; the figure files stay
plain SVG, which any program reads. A colour that is not listed here stays as it is: fills of a heat
map, whose figures are written on them in a colour that suits the fill.
"""

import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, NamedTuple

# Ordered sizes: one hue from light to dark.
SHADES = ("#6aaed6", "#4a90c4", "#2f73ad", "#1f5a93", "#123f70", "#0a2547")
MARKERS = ("s", "o", "^", "D", "v", "P")

# name: (light, as in style.mplstyle, dark)
COLOURS = MappingProxyType(
    {
        "blue": ("#1f5fa6", "#74aef0"),
        "orange": ("#d1642a", "#f09a63"),
        "grey": ("#5c6b73", "#9db0ba"),
        "green": ("#3b8a5a", "#6cc793"),
        "purple": ("#8a5aa0", "#c89bdc"),
        "pink": ("#b8437c", "#ee8ab8"),
        "brown": ("#7a5230", "#c9a27c"),
        "teal": ("#0f868a", "#55c5c7"),
        "gold": ("#a37900", "#e0bd4a"),
        "red": ("#9e2a2b", "#ef8a8a"),
        "olive": ("#66751c", "#b5c463"),
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


class _Line(NamedTuple):
    colour: str  # of COLOURS
    style: Any  # of a line, as matplotlib names it


NETWORK = COLOURS["blue"][0]
FAINT = COLOURS["faint"][0]
# Of every model that a network is compared with; `either`: HAR at some origins, linear at others.
_MODELS = MappingProxyType(
    {
        "either": _Line("gold", "-"),
        "har": _Line("orange", "--"),
        "linear": _Line("green", "-."),
        "lhar": _Line("pink", (0, (5, 1))),
        "trees": _Line("brown", (0, (3, 1, 1, 1))),
        "base_rate": _Line("grey", ":"),
        "base_rate_by_volatility": _Line("teal", (0, (1, 1))),
        "volatility": _Line("purple", (0, (5, 1, 1, 1, 1, 1))),
        "ewma_random_walk": _Line("red", (0, (3, 3))),
        "garch_random_walk": _Line("olive", (0, (6, 3))),
        "bayes": _Line("ink", "-"),
    }
)


def line(model: str) -> dict[str, Any]:
    """Colour and style of a model's line, by its name or its title (`har`, `HAR or linear`)."""
    return lines([model])[model]


def lines(models: Iterable[str]) -> dict[str, dict[str, Any]]:
    """By model, colour and style of its line; those that have none of their own are networks, in
    the shades of ordered sizes."""
    own_lines = {model: _MODELS.get(_name(model)) for model in models}
    networks = [model for model, own in own_lines.items() if own is None]
    shades = {model: shade_of(index, len(networks)) for index, model in enumerate(networks)}
    return {
        model: {
            "color": shades[model] if own is None else COLOURS[own.colour][0],
            "linestyle": "-" if own is None else own.style,
        }
        for model, own in own_lines.items()
    }


def _name(model: str) -> str:
    return "either" if " or " in model else model.lower().replace(" ", "_")


def shade_of(index: int, count: int) -> str:
    """The colour of the `index`-th of `count` ordered things."""
    last = len(SHADES) - 1
    return SHADES[last if count < 2 else round(index * last / (count - 1))]


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
