"""Features of exogenous series: causal to the bit, in nobody's unit, never inside a tier."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mlxts import protocol
from mlxts.config.data import DataConfig
from mlxts.data import calendar, panel, store
from mlxts.data import exogenous_releases as joining
from mlxts.data.exogenous_catalog import COLUMN_PREFIX, SERIES, Series
from mlxts.data.exogenous_releases import Releases
from mlxts.features import cache, exogenous, tiers
from mlxts.simulation.source import SimulatedSource

SESSIONS = calendar.sessions(date(2018, 1, 2), date(2020, 6, 30))
FEATURES = len(exogenous.RELATIONS)


def days_of(symbol: str, sessions: list[date]) -> pl.DataFrame:
    return pl.DataFrame({"date": sessions}).with_columns(symbol=pl.lit(symbol))


def walk(
    one: Series, seed: int, *, first: date = date(2017, 1, 1), scale: float = 1.0
) -> pl.DataFrame:
    """Observations at the series' own pace: a positive random walk."""
    step = {"daily": 1, "weekly": 7, "monthly": 31}[one.frequency]
    last = SESSIONS[-1]
    days = [first + timedelta(n) for n in range(0, (last - first).days, step)]
    if one.frequency == "monthly":
        days = sorted({day.replace(day=1) for day in days})
    noise = np.random.default_rng(seed).normal(0, 0.05, len(days))
    return pl.DataFrame({"date": days, "value": scale * np.exp(np.cumsum(noise))})


def released(id_: str, seed: int = 0, **how: object) -> Releases:
    return joining.releases(SERIES[id_], walk(SERIES[id_], seed, **how))  # ty: ignore[invalid-argument-type]


def bits(frame: pl.DataFrame) -> pl.DataFrame:
    """Float32 features as their bits: 0.0 and -0.0 are two things, and null is only null."""
    names = [name for name, dtype in frame.schema.items() if dtype == pl.Float32]
    return frame.with_columns(pl.col(names).reinterpret(signed=True))


@given(
    st.sampled_from(["VIX", "ICSA", "CPIAUCSL", "SFFED_NEWS_SENTIMENT", "T10Y2Y"]),
    st.integers(1, len(SESSIONS) - 1),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_features_do_not_change_when_time_goes_on(id_: str, cut: int, seed: int) -> None:
    """Bars and releases end together at the cut; what was said before it stays, bit for bit."""
    one, border = SERIES[id_], SESSIONS[cut - 1]
    values = walk(one, seed)
    whole = exogenous.build(days_of("SPY", SESSIONS), [joining.releases(one, values)])
    known = joining.releases(one, values).frame.filter(pl.col("release") <= border)
    prefix = exogenous.build(days_of("SPY", SESSIONS[:cut]), [Releases(one, known)])
    assert_frame_equal(bits(whole.head(cut)), bits(prefix))


@given(st.sampled_from(["VIX", "NFCI", "UNRATE", "CPIAUCSL"]), st.integers(300, 500))
@settings(max_examples=30, deadline=None)
def test_a_value_is_invisible_between_its_date_and_its_release(id_: str, at: int) -> None:
    """A shock planted at an observation shows on no bar before its release, then at once."""
    one = SERIES[id_]
    values = walk(one, 1)
    row = values["date"].search_sorted(SESSIONS[at])
    shocked = values.with_columns(
        pl.when(pl.int_range(pl.len()) >= row)
        .then(pl.col("value") * 1.5)
        .otherwise("value")
        .alias("value")
    )
    observed = values["date"][row]
    release = observed + timedelta(one.lag_days)
    days = days_of("SPY", SESSIONS)
    calm, moved = (exogenous.build(days, [joining.releases(one, v)]) for v in (values, shocked))
    before = pl.col("date") < release
    assert_frame_equal(bits(calm.filter(before)), bits(moved.filter(before)))
    assert calm.filter(pl.col("date") >= observed, before).height or one.lag_days == 1
    first_seen = calm.filter(~before)["date"][0]
    now = pl.col("date") == first_seen
    assert not calm.filter(now).equals(moved.filter(now))


def test_neither_the_unit_of_a_series_nor_its_zero_matters() -> None:
    days = days_of("SPY", SESSIONS)
    plain = exogenous.build(days, [released("ICSA")])
    scaled = exogenous.build(days, [released("ICSA", scale=1e6)])
    assert_frame_equal(plain, scaled, abs_tol=2e-3)


def test_a_series_at_rest_is_as_usual_everywhere() -> None:
    one = SERIES["FEDFUNDS"]
    still = walk(one, 0).with_columns(value=pl.lit(0.25))
    table = exogenous.build(days_of("SPY", SESSIONS), [joining.releases(one, still)])
    for name in table.columns[2:]:
        assert set(table[name].drop_nulls()) == {0.0}, name


def test_every_relation_moves_on_every_frequency_and_starts_with_its_series() -> None:
    known = [released(id_, first=date(2018, 3, 1)) for id_ in ("VIX", "NFCI", "UNRATE")]
    table = exogenous.build(days_of("SPY", SESSIONS), known)
    assert table.width == 2 + 3 * FEATURES
    for name in table.columns[2:]:
        column = table[name]
        assert column.is_finite().fill_null(True).all()
        assert column.n_unique() > 10, name
        began = column.is_not_null().arg_true()[0]
        assert column.null_count() == began, f"{name} has nulls after its first value"
        assert SESSIONS[began] > date(2018, 3, 1)


def test_ranks_and_durations_are_what_a_loop_says() -> None:
    """The two whose values anybody can count."""
    known = released("VIX")
    days = days_of("SPY", SESSIONS)
    values = joining.as_of(days["date"], [known])["exog_vix"].to_numpy()
    table = exogenous.build(days, [known])
    for at in (59, 200, 249, 400, len(SESSIONS) - 1):
        earlier = values[max(at - 249, 0) : at]
        twice = (earlier < values[at]).sum() + (earlier <= values[at]).sum()
        assert table["exog_vix_rank_250"][at] == pytest.approx(
            50 * twice / len(earlier) - 50, abs=1e-4
        )
    above = [values[t] > values[max(t - 59, 0) : t + 1].mean() for t in range(59, len(values))]
    run = 0
    for at, side in enumerate(above, 59):
        run = run + 1 if at > 59 and side == above[at - 60] else 1
        assert table["exog_vix_duration_60"][at] == (run if side else -run)


def test_symbols_and_phases_are_series_of_their_own() -> None:
    known = [released("VIX")]
    dia = days_of("DIA", SESSIONS[200:])
    even, odd = days_of("SPY", SESSIONS[::2]), days_of("SPY", SESSIONS[1::2])
    together = exogenous.build(pl.concat([dia, even, odd]), known)
    assert_frame_equal(
        together, pl.concat([exogenous.build(one, known) for one in (dia, even, odd)])
    )


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> panel.Panel:
    """A panel of two symbols with two series, in a workspace of its own."""
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    for symbol, first in (("SPY", date(2016, 1, 4)), ("DIA", date(2017, 1, 3))):
        bars = SimulatedSource(first=first, last=SESSIONS[-1]).fetch(symbol).frame
        bars = bars.select(pl.exclude("^oracle_.*$"))
        store.register_raw(bars, source="files", symbol=symbol, parameters={})
    for id_ in ("VIX", "NFCI"):
        store.register_raw(walk(SERIES[id_], 2), source="files", symbol=id_, parameters={})
    return panel.load(DataConfig(symbols=("SPY", "DIA"), exogenous=("VIX", "NFCI")))


@pytest.mark.parametrize("timescale", protocol.TIMESCALES)
def test_they_stand_behind_the_tier_at_every_timescale(loaded: panel.Panel, timescale: str) -> None:
    lazy, built = cache.load(loaded, 20, timescale)
    table = lazy.collect()
    plain = cache.load(panel.load(DataConfig(symbols=("SPY", "DIA"))), 20, timescale)[0].collect()
    assert_frame_equal(table.select(plain.columns), plain)
    added = table.columns[plain.width :]
    assert [name.split("_")[1] for name in added] == ["vix"] * FEATURES + ["nfci"] * FEATURES
    assert all(name.startswith(COLUMN_PREFIX) for name in added)
    assert built is not None
    assert len(built.source_raw_md5s) == 4
    assert_frame_equal(cache.load(loaded, 20, timescale)[0].collect(), table)


def test_a_lag_or_a_formula_makes_another_artifact(
    loaded: panel.Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = cache.recipe(loaded, 20, "daily")
    assert "exogenous" not in cache.recipe(panel.load(DataConfig(symbols=("SPY",))), 20, "daily")
    monkeypatch.setattr(exogenous, "RELATIONS", exogenous.RELATIONS[:-1])
    exogenous.features.cache_clear()
    fewer = cache.recipe(loaded, 20, "daily")
    monkeypatch.undo()
    exogenous.features.cache_clear()
    slower = Releases(replace(SERIES["VIX"], lag_days=2), loaded.releases[0].frame)
    later = exogenous.recipe((slower, loaded.releases[1]))
    assert len({recipe["exogenous"], fewer["exogenous"], later["exogenous"]}) == 3


def test_no_tier_holds_one() -> None:
    assert not any(name.startswith(COLUMN_PREFIX) for name in tiers.order())
