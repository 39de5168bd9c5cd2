"""Splits: disjoint, ordered, purged at every border, and complete otherwise."""

import itertools
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts import split_borders
from mlxts.dataset import splits
from mlxts.errors import ConfigError
from mlxts.protocol import SPLIT_NAMES, SPLITS, Splits

modest = settings(max_examples=60, deadline=None)


@st.composite
def calendars(draw: st.DrawFn) -> tuple[Splits, np.ndarray, int]:
    """Borders of random splits, irregular trading days around them, and a horizon."""
    start = date(2020, 1, 1)
    days = draw(st.lists(st.integers(1, 4), min_size=5, max_size=120).map(np.cumsum))
    cuts = sorted(draw(st.sets(st.integers(0, int(days[-1]) + 5), min_size=3, max_size=3)))
    first, second, third = (start + timedelta(days=int(cut)) for cut in cuts)
    ends = draw(st.booleans())
    borders = Splits(
        "drawn",
        (None, first),
        (first + timedelta(days=1), second),
        (second + timedelta(days=1), third if ends else None),
    )
    dates = np.datetime64(start, "D") + days
    return borders, dates, draw(st.integers(1, 10))


def label_ends(dates: np.ndarray, horizon: int) -> np.ndarray:
    ends = np.full(len(dates), np.datetime64("NaT"), dtype="datetime64[D]")
    ends[:-horizon] = dates[horizon:]
    return ends


def inside(day: np.datetime64, bounds: tuple[date | None, date | None]) -> bool:
    first, last = bounds
    when = day.astype(object)
    return (first is None or when >= first) and (last is None or when <= last)


@modest
@given(calendars())
def test_every_decision_is_in_the_one_split_that_holds_it_and_its_label_or_in_none(calendar):
    borders, dates, horizon = calendar
    ends = label_ends(dates, horizon)
    assigned = splits.assign(dates, ends, borders)
    assert assigned.dtype == np.int8
    for day, end, index in zip(dates, ends, assigned, strict=True):
        holders = [
            i
            for i, name in enumerate(SPLIT_NAMES)
            if not np.isnat(end)
            and inside(day, getattr(borders, name))
            and inside(end, getattr(borders, name))
        ]
        assert holders == ([] if index == splits.NONE else [index])


@modest
@given(calendars())
def test_splits_are_ordered_and_no_label_reaches_the_next_one(calendar):
    borders, dates, horizon = calendar
    ends = label_ends(dates, horizon)
    assigned = splits.assign(dates, ends, borders)
    for earlier, later in ((0, 1), (1, 2), (0, 2)):
        before, after = assigned == earlier, assigned == later
        if before.any() and after.any():
            assert ends[before].max() < dates[after].min()


@modest
@given(calendars())
def test_the_purge_takes_exactly_the_last_decisions_before_a_border(calendar):
    borders, dates, horizon = calendar
    assigned = splits.assign(dates, label_ends(dates, horizon), borders)
    for index, name in enumerate(SPLIT_NAMES):
        within = np.array([inside(day, getattr(borders, name)) for day in dates])
        assert (assigned == index).sum() == max(within.sum() - horizon, 0)


def test_the_protocol_borders_belong_to_the_splits_they_close():
    day = np.array(["2022-12-30", "2022-12-30", "2024-12-31"], dtype="datetime64[D]")
    end = np.array(["2022-12-31", "2023-01-03", "2025-01-02"], dtype="datetime64[D]")
    assert splits.assign(day, end, SPLITS["protocol"]).tolist() == [0, splits.NONE, splits.NONE]


@pytest.mark.parametrize("name", SPLITS)
def test_windows_join_and_the_latest_is_the_validation_split(name):
    fixed = SPLITS[name]
    assert split_borders.borders(name) is fixed
    found = [split_borders.borders(name, origin) for origin in (1, 2, 3)]
    assert found[0].test == fixed.validation
    for later, earlier in itertools.pairwise(found):
        assert later.validation == earlier.test
    for one in found:
        assert one.name == f"{name}, origin {one.test[0].year}"
        assert one.train[0] is None
        assert one.test[1] is not None
        assert one.test[1] < fixed.test[0]
        assert (one.validation[0] - one.train[1]).days == 1
        assert (one.test[0] - one.validation[1]).days == 1


def test_windows_of_the_protocol_step_back_by_two_calendar_years():
    assert split_borders.borders("protocol", 3) == Splits(
        "protocol, origin 2019",
        (None, date(2016, 12, 31)),
        (date(2017, 1, 1), date(2018, 12, 31)),
        (date(2019, 1, 1), date(2020, 12, 31)),
    )


days = st.dates(date(1970, 1, 1), date(2030, 1, 1))


@modest
@given(st.lists(days, min_size=3, max_size=3, unique=True).map(sorted), st.booleans())
def test_dates_of_ones_own_are_splits_that_touch_and_go_by_one_name(ends, is_open):
    train, validation, test = ends
    keys = {"train_end": str(train), "validation_end": validation, "test_end": test}
    if is_open:
        del keys["test_end"]
    name = split_borders.name_of(keys)
    assert split_borders.name_of(name) == name
    assert split_borders.borders(name) == Splits(
        name,
        (None, train),
        (train + timedelta(days=1), validation),
        (validation + timedelta(days=1), None if is_open else test),
    )
    for number in (1, 2, 3):
        at, before = (split_borders.borders(name, number + n) for n in (0, 1))
        assert at.validation == before.test
        assert at.test == split_borders.borders(name).validation or number > 1
        assert (at.test[0] - at.validation[1]).days == 1
        assert (at.validation[0] - at.train[1]).days == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("mine", "mine is no kind of splits; give protocol, sample"),
        ({"train_end": "2015-12-31"}, "is no kind of splits"),
        ({"train_end": "2015", "validation_end": "2016-12-31"}, "is no kind of splits"),
        ({"train_end": "2015-12-31", "validation_end": "2015-12-31"}, "must come after"),
        ({"train_end": "2015-12-31", "validation_end": "2018-12-31", "test_end": "2018-01-01"},
         "must come after"),
        ({"train": 0.7, "validation": 0.3}, "their sum below 1"),
        ({"train": 0, "validation": 0.3}, "above 0"),
        ({"train": "most", "validation": 0.3}, "is no kind of splits"),
        ({"train": 0.7, "validation": 0.2, "purge": 3}, "is no kind of splits"),
    ],
)  # fmt: skip
def test_splits_that_are_none_are_refused(given, says):
    with pytest.raises(ConfigError, match=says):
        split_borders.name_of(given)


def test_a_window_before_all_dates_is_refused():
    with pytest.raises(ConfigError, match="window 99 lies before all dates"):
        split_borders.borders("1950-12-31/1999-12-31/open", 99)


def test_fractions_have_no_dates_before_the_data_are_read():
    name = split_borders.name_of({"train": 0.7, "validation": 0.15})
    assert split_borders.fractions(name) == (0.7, 0.15)
    with pytest.raises(ConfigError):
        split_borders.borders(name)
