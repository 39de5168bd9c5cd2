"""What every baseline promises (`mlxts.baselines.base.Baseline`), on a small data set."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from mlxts import protocol, tasks
from mlxts.baselines.base import Baseline
from mlxts.dataset.samples import Dataset, Samples, with_train

FEATURES = 4
CONTEXT = 12
ROWS = 400


def small_dataset(task: str = "threshold_1pct", seed: int = 0) -> Dataset:
    """400 days of one symbol and 4 features; whether the first feature rose over the window
    decides most of the target."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    signal = np.convolve(features[:, 0], np.ones(3) / 3)[:ROWS]
    noisy = signal + 0.3 * rng.normal(size=ROWS)
    regression = not tasks.named(task).binary
    targets = (0.01 * noisy if regression else noisy > 0.3).astype(np.float32)
    days = np.array([date(2015, 1, 1) + timedelta(n) for n in range(ROWS)], dtype="datetime64[D]")

    def split(first: int, last: int) -> Samples:
        rows = np.arange(first, last, dtype=np.int32)
        names = np.full(len(rows), "TEST")
        phases = np.zeros(len(rows), dtype=np.int16)
        return Samples(rows, days[rows], names, targets[rows], days[rows] + 1, phases, rows)

    price = 100 * np.exp(np.cumsum(0.01 * rng.normal(size=ROWS)))
    bars = pl.DataFrame(
        {
            "date": days,
            "symbol": ["TEST"] * ROWS,
            "open": price,
            "high": price * 1.01,
            "low": price * 0.99,
            "close": price,
            "volume": np.full(ROWS, 1e6),
        }
    )
    return Dataset(
        features=features,
        names=tuple(f"f{i}" for i in range(FEATURES)),
        bars=bars,
        daily=bars,
        eligible=np.arange(ROWS) >= CONTEXT - 1,
        samples={
            "train": split(CONTEXT, 250),
            "validation": split(250, 350),
            "test": split(350, 399),
        },
        timescale=protocol.TIMESCALES["daily"],
        task=tasks.named(task),
        horizon=1,
        context=CONTEXT,
        splits_name="sample",
        score_on="TEST",
        artifacts=(),
        data_hash=f"{task}{seed}",
    )


class BaselineSuite:
    """Subclass it as `TestNAME` and override `baseline`; `dataset` where it needs another one."""

    @pytest.fixture
    def baseline(self) -> Baseline:
        raise NotImplementedError

    @pytest.fixture
    def dataset(self) -> Dataset:
        return small_dataset()

    def test_it_forecasts_a_finite_number_for_every_sample(
        self, baseline: Baseline, dataset: Dataset
    ) -> None:
        assert baseline.name.strip()
        forecast = baseline.fit(dataset)
        none = with_train(dataset, np.arange(0)).samples["train"]
        for samples in (*dataset.samples.values(), none):
            logits = forecast(samples)
            assert logits.shape == (len(samples),)
            assert np.isfinite(logits).all()

    def test_fitted_again_it_forecasts_the_same(self, baseline: Baseline, dataset: Dataset) -> None:
        samples = dataset.samples["validation"]
        first, second = (baseline.fit(dataset)(samples) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_no_target_outside_of_training_changes_a_forecast(
        self, baseline: Baseline, dataset: Dataset
    ) -> None:
        samples = dataset.samples["validation"]
        hidden = {
            name: part if name == "train" else replace(part, targets=1.0 - part.targets)
            for name, part in dataset.samples.items()
        }
        np.testing.assert_array_equal(
            baseline.fit(dataset)(samples),
            baseline.fit(replace(dataset, samples=hidden))(hidden["validation"]),
        )

    def test_nothing_after_a_decision_changes_its_forecast(
        self, baseline: Baseline, dataset: Dataset
    ) -> None:
        samples = dataset.samples["validation"]
        last = int(samples.rows.max())
        features = dataset.features.copy()
        features[last + 1 :] += 1.0
        dearer = [
            (pl.when(pl.int_range(pl.len()) > last).then(pl.col(name) * 1.5).otherwise(name))
            .cast(pl.Float64)
            .alias(name)
            for name in ("open", "high", "low", "close")
        ]
        bars = dataset.bars.with_columns(dearer)
        later = replace(dataset, features=features, bars=bars, daily=bars)
        np.testing.assert_array_equal(baseline.fit(dataset)(samples), baseline.fit(later)(samples))
