"""What runs of one process share is computed once, for equal values and no others."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlxts import memo


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    memo.clear()
    yield
    memo.clear()


@dataclass(frozen=True)
class Days:
    dates: np.ndarray
    bars: pl.DataFrame
    name: str = "A"


def days(count: int = 5) -> Days:
    dates = np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]")[:count]
    return Days(dates, pl.DataFrame({"date": dates, "symbol": ["A"] * count, "close": 1.5}))


def test_equal_arguments_are_computed_once_and_every_call_gets_a_copy() -> None:
    calls = []

    @memo.memoised
    def closes(of: Days, factor: float) -> np.ndarray:
        calls.append(factor)
        return of.bars["close"].to_numpy() * factor

    first = closes(days(), 2.0)
    first[0] = 99.0  # the caller's own business
    assert closes(days(), 2.0).tolist() == [3.0] * 5
    assert calls == [2.0]
    closes(days(), 2.5)
    assert calls == [2.0, 2.5]


@pytest.mark.parametrize(
    "changed",
    [
        replace(days(), name="B"),
        replace(days(), dates=days().dates + 1),
        replace(days(), dates=days().dates.astype("datetime64[s]")),
        replace(days(), bars=days().bars.with_columns(close=pl.lit(1.5000001))),
        replace(days(), bars=days().bars.rename({"close": "open"})),
        days(4),
    ],
)
def test_whatever_differs_makes_another_fingerprint(changed: Days) -> None:
    assert memo.fingerprint(changed) != memo.fingerprint(days())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        ((1,), (1.0,)),
        ((True,), (1,)),
        (((1, 2), 3), (1, (2, 3))),
        ((np.zeros((2, 3)),), (np.zeros((3, 2)),)),
        ((np.zeros(1, np.float32),), (np.zeros(1, np.int32),)),
        (({"a": 1},), ({"a": 2},)),
        ((date(2020, 1, 1),), ("2020-01-01",)),
    ],
)
def test_values_that_look_alike_are_told_apart(one: tuple, other: tuple) -> None:
    assert memo.fingerprint(*one) != memo.fingerprint(*other)


def test_a_frame_is_known_by_its_rows_however_they_lie_in_memory() -> None:
    bars = days().bars
    parts = pl.concat([bars[:2], bars[2:]], rechunk=False)
    assert memo.fingerprint(parts) == memo.fingerprint(bars)


def test_the_least_recently_used_go_when_the_room_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "LIMIT", 2_500)
    calls: list[int] = []

    @memo.memoised
    def zeros(number: int) -> np.ndarray:
        calls.append(number)
        return np.zeros(100)

    for number in (1, 2, 1, 3, 1, 2):
        zeros(number)
    assert calls == [1, 2, 3, 2]


def test_what_cannot_be_told_apart_is_no_argument() -> None:
    @memo.memoised
    def anything(value: Any) -> int:
        return 1

    with pytest.raises(TypeError, match="object"):
        anything(object())
