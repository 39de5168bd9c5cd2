"""Numbers as text, the same everywhere."""

import math

import pytest

from mlxts import formats


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (float("inf"), "–"),
        (0, "0:00"),
        (59.6, "1:00"),
        (187, "3:07"),
        (3727, "1:02:07"),
        (183845, "2d 3:04:05"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (312 << 20, "312 MiB"),
        (1288490188, "1.2 GiB"),
        (3 << 40, "3.0 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert formats.size(count) == text


def test_rates_and_spans() -> None:
    assert formats.rate(1234.4) == "1,234 samples/s"
    assert formats.rate(8.44) == "8.4 samples/s"
    assert formats.short_time(0.0523) == "52.3 ms"
    assert formats.short_time(4.213) == "4.21 s"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (1234, "", "1,234"),
        (True, "", "yes"),
        (-0.00004, "", "-0.0000"),
        (0.5, "+.1%", "+50.0%"),
        ("a-b", "", "a-b"),
        (None, ".4f", "–"),
        (math.nan, "", "–"),
        (3, lambda count: "*" * count, "***"),
    ],
)
def test_a_value_is_shown_by_its_type_or_its_form(value, form, text) -> None:
    assert formats.number(value, form) == text


def test_losses_show_digits_however_small_they_are() -> None:
    assert [formats.loss(v) for v in (0.55514, 0.000123456, 0.0)] == [
        "0.5551",
        "0.000123",
        "0.0000",
    ]
    assert [formats.difference(v) for v in (-0.0123456, 0.000123456)] == ["-0.0123", "+0.00012"]
    assert [formats.three_digits(v) for v in (12345.6, 0.0012345, 32)] == [
        "12,346",
        "0.00123",
        "32",
    ]


def test_no_p_value_is_zero() -> None:
    shown = [formats.p_value(value) for value in (0.5, 0.0231, 0.0001, 0.00009, 0.0, None)]
    assert shown == ["0.5000", "0.0231", "0.0001", "< 0.0001", "< 0.0001", "–"]


def test_an_interval_without_an_end_is_left_out() -> None:
    assert formats.interval(-0.1, 0.2, "+.1f") == "[-0.1, +0.2]"
    assert formats.interval(None, 0.2) == formats.interval(0.1, math.nan) == ""


def test_parameters_are_named_as_budgets_are() -> None:
    assert [formats.million(v) for v in (19_989, 2_000_431)] == ["0.02M", "2M"]


def test_counts_and_lists_read_as_prose() -> None:
    assert [formats.count(n, "run") for n in (0, 1, 1200)] == ["no run", "1 run", "1,200 runs"]
    assert formats.count(2, "search", "searches") == "2 searches"
    assert formats.listing([1]) == "1"
    assert formats.listing("abc", "or") == "a, b or c"
