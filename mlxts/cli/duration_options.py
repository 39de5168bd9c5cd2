"""How long, as options of commands take it."""

import math
from collections.abc import Callable

LONGEST = 1e8  # three years; what is longer was not meant


def seconds(least: float = 0.0, most: float = LONGEST) -> Callable[[str | float], float]:
    """A parser of an option in seconds, for `typer.Option(parser=...)`.

    Returns:
        A function that reads a finite number from `least` to `most`, both included; it raises
        ValueError for anything else: no number, NaN, infinite, outside.
    """

    def parse(text: str | float) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ValueError(f"{text} is no number of seconds from {least:,g} to {most:,.0f}")
        return value

    return parse
