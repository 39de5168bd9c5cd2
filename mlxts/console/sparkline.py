"""A curve in braille: two columns and four rows of dots a character."""

import math
from collections.abc import Sequence

# Bit of each dot (row from the top, column) in the Unicode braille block at U+2800.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800
BLANK = chr(_BLANK)  # a character without a dot


def sparkline(
    values: Sequence[float],
    width: int,
    height: int = 1,
    ends: tuple[float, float] | None = None,
) -> list[str]:
    """Draw a curve.

    Args:
        values: oldest first; `binned` to two points a character. NaN leaves a gap.
        width, height: in characters, at least 1.
        ends: the values at the lowest and the highest dot; None: those of the curve.

    Returns:
        `height` strings of `width` characters, top row first.
    """
    points = binned(values, 2 * width)
    levels = 4 * height
    finite = [point for point in points if math.isfinite(point)]
    low, high = ends or ((min(finite), max(finite)) if finite else (0.0, 0.0))
    rows = [[_BLANK] * width for _ in range(height)]
    before: int | None = None
    for column, point in enumerate(points):
        if not math.isfinite(point):
            before = None
            continue
        share = (point - low) / (high - low) if high > low else 0.5
        level = min(max(int(share * levels), 0), levels - 1)
        # A steep step is drawn as a vertical stroke, so that the curve hangs together.
        start = level if before is None else before + (level > before) - (level < before)
        for dot in range(min(start, level), max(start, level) + 1):
            row, inner = divmod(levels - 1 - dot, 4)
            rows[row][column // 2] |= _BITS[inner][column % 2]
        before = level
    return ["".join(map(chr, row)) for row in rows]


def binned(values: Sequence[float], columns: int) -> list[float]:
    """`columns` points: each the mean of its bin's finite values, NaN where it has none."""
    points = []
    for column in range(columns):
        start = column * len(values) // columns
        end = max(start + 1, (column + 1) * len(values) // columns)
        finite = [value for value in values[start:end] if math.isfinite(value)]
        points.append(math.fsum(finite) / len(finite) if finite else math.nan)
    return points
