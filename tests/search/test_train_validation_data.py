"""What a search may look at ends with validation, and is otherwise what a single run sees."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from mlxts import protocol
from mlxts.config.loading import build_config
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.search import train_validation_data
from tests import homes
from tests.search import studies

LAST = protocol.SPLITS["protocol"].validation[1]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return homes.simulated(tmp_path_factory.mktemp("home"), patch)


@pytest.fixture(autouse=True)
def _inside(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(workspace))


@pytest.fixture(params=["daily", "weekly"])
def whole(request: pytest.FixtureRequest) -> Dataset:
    values = {**homes.SETTINGS, "timescale": request.param}
    return build_dataset(build_config(values))


def test_nothing_of_the_test_split_is_left(whole: Dataset) -> None:
    seen = train_validation_data.without_test_split(whole).dataset
    assert len(whole.samples["test"]) > 0
    assert set(seen.samples) == {"train", "validation"}
    assert (whole.bars["date"] > date(2025, 1, 1)).any()
    for frame in (seen.bars, seen.daily):
        assert (frame["date"] <= LAST).all()
    assert len(seen.features) == len(seen.bars) == len(seen.eligible)
    for samples in seen.samples.values():
        assert samples.label_end.max() <= np.datetime64(LAST)


def test_what_is_left_is_what_a_single_run_sees(whole: Dataset) -> None:
    seen = train_validation_data.without_test_split(whole).dataset
    assert seen.data_hash == whole.data_hash
    for name, samples in seen.samples.items():
        before = whole.samples[name]
        np.testing.assert_array_equal(samples.targets, before.targets)
        for lag in range(seen.context):
            np.testing.assert_array_equal(
                seen.features[samples.rows - lag], whole.features[before.rows - lag]
            )
        for column in ("date", "symbol", "close"):
            assert seen.daily[samples.daily_rows][column].equals(
                whole.daily[before.daily_rows][column]
            )


def test_data_are_read_once_for_trials_that_read_the_same() -> None:
    base = studies.experiment()
    first = train_validation_data.load(base)
    training = base.training.model_copy(update={"weight_decay": 0.5})
    assert train_validation_data.load(base.model_copy(update={"training": training})) is first
    model = base.model.model_copy(update={"context": 64})
    other = train_validation_data.load(base.model_copy(update={"model": model}))
    assert other.dataset.context == 64
