"""LHAR: what it adds to HAR, the VIX where it is read, and that it reads no later day."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from mlxts.baselines import lhar
from mlxts.baselines.har import ScaleRegression
from mlxts.baselines.lhar import VIX, LeverageHAR
from mlxts.config.loading import build_config
from mlxts.data import store
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.losses import sample_losses
from mlxts.simulation.source import SimulatedSource
from tests.evaluation import worlds

DAYS = 1500


def loss(model: LeverageHAR | ScaleRegression, data: Dataset) -> float:
    samples = data.samples["validation"]
    return float(sample_losses(model.fit(data)(samples), samples.targets, data.task).mean())


def leveraged() -> Dataset:
    """A market that touches its barrier after a fall, whatever its volatility."""
    bars = worlds.market(DAYS, seed=1)
    fell = np.r_[0.0, np.diff(np.log(bars["close"].to_numpy()))] < -0.002
    data = worlds.world(bars)
    after = {
        name: replace(samples, targets=fell[samples.daily_rows].astype(np.float32))
        for name, samples in data.samples.items()
    }
    return replace(data, samples=after)


def with_vix(data: Dataset, vix: np.ndarray) -> Dataset:
    return replace(data, daily=data.daily.with_columns(pl.Series(VIX, vix, strict=False)))


def told(data: Dataset) -> np.ndarray:
    """A VIX that knows each day's target."""
    vix = np.full(data.daily.height, 3.0)
    for samples in data.samples.values():
        vix[samples.daily_rows] += samples.targets
    return vix


def test_a_fall_says_what_ranges_do_not():
    data = leveraged()
    assert loss(LeverageHAR(), data) < 0.7 * loss(ScaleRegression("har"), data)


def test_leverage_is_two_returns_of_usual_ranges_and_the_place_of_the_close():
    bars = pl.DataFrame(
        {
            "symbol": ["A"] * 7 + ["B"],
            "high": [2.0] * 5 + [4.0, 1.0, 1.0],
            "low": [1.0] * 5 + [1.0, 1.0, 1.0],
            "close": [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0],
        }
    )
    found = lhar.leverage(bars)
    one, five, place = found.T
    two, usual = np.log(2), np.log(2) * np.array([1, 1, 1, 1, 1, 7 / 6, 1, 1])
    np.testing.assert_allclose(one, np.array([0, two, 0, 0, 0, 0, -two, 0]) / usual)
    np.testing.assert_allclose(five, np.array([0, 0, 0, 0, 0, two, -two, 0]) / usual / 5**0.5)
    # At the low, at the high, in the middle of the logs; without a range in the middle too.
    np.testing.assert_allclose(place, [-1, 1, 1, 1, 1, 0, 0, 0])


def test_the_vix_is_read_where_the_data_hold_it():
    data = worlds.world(worlds.market(DAYS, seed=2))
    assert loss(LeverageHAR(), with_vix(data, told(data))) < 0.2 * loss(LeverageHAR(), data)


def test_days_from_before_the_vix_have_a_regression_without_it():
    data = worlds.world(worlds.market(DAYS, seed=2))
    samples, begins = data.samples["train"], DAYS // 4
    vix = np.where(np.arange(DAYS) < begins, np.nan, told(data))
    plain = LeverageHAR().fit(data)(samples)
    later = LeverageHAR().fit(with_vix(data, vix))(samples)
    before = samples.daily_rows < begins
    np.testing.assert_array_equal(later[before], plain[before])
    assert np.abs(later[~before] - plain[~before]).min() > 0.1
    # Too few days with it teach nothing.
    vix[: int(0.58 * DAYS)] = np.nan
    np.testing.assert_array_equal(LeverageHAR().fit(with_vix(data, vix))(samples), plain)


def test_a_vix_of_a_later_day_changes_no_forecast():
    data = worlds.world(worlds.market(DAYS, seed=2))
    samples = data.samples["validation"]
    vix, last = np.random.default_rng(0).normal(3.0, 0.3, DAYS), samples.daily_rows.max()
    later = np.where(np.arange(DAYS) > last, vix + 1.0, vix)
    ours, theirs = (LeverageHAR().fit(with_vix(data, one))(samples) for one in (vix, later))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("exogenous", [(), ("VIX",)])
def test_a_data_set_holds_the_vix_where_it_is_among_its_series(tmp_path, monkeypatch, exogenous):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    days = pl.date_range(date(2015, 1, 1), date(2025, 12, 31), eager=True)
    vix = pl.DataFrame({"date": days, "value": 20.0 + pl.int_range(days.len(), eager=True)})
    store.register_raw(vix, source="files", symbol="VIX", parameters={})
    fetched = SimulatedSource("sv", first=date(2019, 1, 2), last=date(2025, 6, 30)).fetch("A")
    store.register_raw(fetched.frame, source="simulated", symbol="A", parameters=fetched.parameters)
    data = {"source": "simulated", "symbols": ["A"], "score_on": "A", "exogenous": [*exogenous]}
    built = build_dataset(build_config({"name": "t", "mode": "exploratory", "data": data}))
    assert (VIX in built.daily.columns) is bool(exogenous)
    if exogenous:
        # What was known on the day is the close of the day before.
        yesterday = vix.select(pl.col("date") + pl.duration(days=1), pl.col("value").log())
        both = built.daily.join(yesterday, on="date")
        assert both.height == built.daily.height
        np.testing.assert_allclose(both[VIX], both["value"])
