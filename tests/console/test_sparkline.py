import math

from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.console.sparkline import binned, sparkline

DOTS = {  # Unicode standard, Braille Patterns: dot number -> (row, column)
    1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (0, 1), 5: (1, 1), 6: (2, 1), 7: (3, 0), 8: (3, 1),
}  # fmt: skip


def dots(lines: list[str]) -> set[tuple[int, int]]:
    """(column, level from the bottom) of every raised dot."""
    height = 4 * len(lines)
    return {
        (2 * x + DOTS[dot][1], height - 1 - (4 * y + DOTS[dot][0]))
        for y, line in enumerate(lines)
        for x, character in enumerate(line)
        for dot in DOTS
        if (ord(character) - 0x2800) >> (dot - 1) & 1
    }


values = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=60)
sizes = st.tuples(st.integers(1, 30), st.integers(1, 5))


@settings(max_examples=60)
@given(values, sizes)
def test_it_fills_its_box_with_braille(points: list[float], size: tuple[int, int]) -> None:
    width, height = size
    lines = sparkline(points, width, height)
    assert len(lines) == height
    assert all(len(line) == width for line in lines)
    assert all(0x2800 <= ord(character) <= 0x28FF for line in lines for character in line)


@settings(max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), sizes)
def test_every_column_is_drawn_and_the_extremes_reach_the_edges(points, size) -> None:
    width, height = size
    raised = dots(sparkline(points, width, height))
    assert {column for column, _ in raised} == set(range(2 * width))
    drawn = binned(points, 2 * width)
    if max(drawn) > min(drawn):
        levels = {level for _, level in raised}
        assert (min(levels), max(levels)) == (0, 4 * height - 1)
        assert (drawn.index(max(drawn)), 4 * height - 1) in raised
        assert (drawn.index(min(drawn)), 0) in raised


@settings(max_examples=60)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), sizes)
def test_the_curve_hangs_together(points, size) -> None:
    width, height = size
    raised = dots(sparkline(points, width, height))
    for column in range(1, 2 * width):
        left = {level for x, level in raised if x == column - 1}
        right = {level for x, level in raised if x == column}
        assert min(abs(a - b) for a in left for b in right) <= 1


@given(st.integers(-20, 20), st.integers(-1000, 1000))
def test_scale_and_shift_do_not_show(exponent: int, shift: int) -> None:
    # Powers of two and small integers, so that the arithmetic is exact.
    points = [0.0, 3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]
    moved = [2.0**exponent * (point + shift) for point in points]
    assert sparkline(moved, 6, 3) == sparkline(points, 6, 3)


def test_a_gap_stays_open() -> None:
    raised = dots(sparkline([1.0, math.nan, 2.0, 3.0], 2))
    assert {column for column, _ in raised} == {0, 2, 3}


def test_nothing_finite_is_blank() -> None:
    assert sparkline([], 3, 2) == sparkline([math.nan], 3, 2) == ["\u2800" * 3] * 2


@settings(max_examples=40)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=80), st.integers(1, 20))
def test_bins_are_means_of_equal_shares(points: list[float], columns: int) -> None:
    bins = binned(points, columns)
    assert len(bins) == columns
    assert all(min(points) - 1e-9 <= value <= max(points) + 1e-9 for value in bins)
    if len(points) % columns == 0:
        assert math.isclose(
            math.fsum(bins) / columns, math.fsum(points) / len(points), abs_tol=1e-9
        )
