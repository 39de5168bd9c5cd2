"""Cells of the dataset matrix as data sets: what a row adds, what a column adds, what stays."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlxts.config import dataset_matrix
from mlxts.config.loading import build_config
from mlxts.data import calendar, store
from mlxts.data.sources.files import FilesSource
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset
from mlxts.protocol import SPLIT_NAMES
from mlxts.simulation.source import SimulatedSource

FIRST, LAST = date(2019, 1, 2), date(2025, 3, 31)
BEGINS = date(2021, 6, 1)  # of the VIX here


def build(cell: str) -> Dataset:
    values = {"name": "t", "mode": "exploratory", "data": {"cell": cell}}
    return build_dataset(build_config(values), register=False)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(tmp_path_factory.mktemp("home")))
        for symbol, first in (("SPY", FIRST), ("DIA", date(2020, 1, 2))):
            bars = SimulatedSource(first=first, last=LAST).fetch(symbol).frame
            store.register_raw(
                bars.select(pl.exclude("^oracle_.*$")), source="files", symbol=symbol, parameters={}
            )
        for id_, first in (("SFFED_NEWS_SENTIMENT", date(2017, 1, 3)), ("VIX", BEGINS)):
            days = calendar.sessions(first, LAST)
            noise = np.random.default_rng(len(id_)).normal(0, 0.05, len(days))
            values = pl.DataFrame({"date": days, "value": np.exp(np.cumsum(noise))})
            store.register_raw(values, source="files", symbol=id_, parameters={})
        return {cell: build(cell) for cell in ("Aa", "Ab", "Ac", "Bc")}


def test_columns_of_a_row_share_samples_and_tier(cells: dict[str, Dataset]) -> None:
    first = cells["Aa"]
    for column in ("Ab", "Ac"):
        other = cells[column]
        assert other.names[:20] == first.names
        np.testing.assert_array_equal(other.features[:, :20], first.features)
        for split in SPLIT_NAMES:
            np.testing.assert_array_equal(other.samples[split].rows, first.samples[split].rows)
            np.testing.assert_array_equal(
                other.samples[split].targets, first.samples[split].targets
            )
    assert [len(cells[c].names) for c in ("Aa", "Ab", "Ac")] == [20, 26, 32]
    assert cells["Ac"].names[:26] == cells["Ab"].names


def test_rows_pool_assets_with_first_dates_of_their_own(cells: dict[str, Dataset]) -> None:
    one, two = cells["Ac"], cells["Bc"]
    pooled = two.samples["train"]
    assert set(pooled.symbols) == {"SPY", "DIA"}
    of_spy = pooled.symbols == "SPY"
    np.testing.assert_array_equal(pooled.dates[of_spy], one.samples["train"].dates)
    np.testing.assert_array_equal(
        two.features[pooled.rows[of_spy]], one.features[one.samples["train"].rows]
    )
    gap = pooled.dates[~of_spy].min() - pooled.dates[of_spy].min()
    assert gap > np.timedelta64(300, "D")


def test_before_a_series_begins_its_features_are_as_usual(cells: dict[str, Dataset]) -> None:
    built = cells["Ac"]
    vix = built.features[:, 26:]
    dates = built.bars["date"].to_numpy().astype("datetime64[D]")
    before = dates <= np.datetime64(BEGINS)
    assert not vix[before].any()
    assert (vix[dates > np.datetime64(date(2022, 6, 1))] != 0).any(axis=0).all()
    assert np.isfinite(built.features).all()
    assert (built.samples["train"].dates < np.datetime64(BEGINS)).any()


def test_each_cell_has_a_hash_of_its_own(cells: dict[str, Dataset]) -> None:
    assert len({one.data_hash for one in cells.values()}) == len(cells)


@pytest.mark.realdata
def test_the_largest_cell_is_built_of_real_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, realdata: Path
) -> None:
    """Ec: 19 assets, 14 economic series, news sentiment and the VIX."""
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    contents = dataset_matrix.cell("Ec")
    for path in realdata.rglob("*.parquet"):
        if path.stem in (*contents.symbols, *contents.exogenous):
            series = path.stem in contents.exogenous
            fetched = FilesSource(path, values=series).fetch(path.stem)
            store.register_raw(fetched.frame, source="files", symbol=path.stem, parameters={})
    built = build("Ec")
    assert len(built.names) == 20 + 6 * 16
    assert {name: len(one) for name, one in built.samples.items()}["train"] > 150_000
    assert (built.samples["validation"].symbols == "SPY").sum() == 501
    trained = built.features[built.samples["train"].rows]
    assert np.isfinite(trained).all()
    deviations = trained[:, 20:].std(axis=0)
    assert (deviations > 0).all()


@pytest.mark.parametrize("name", ["Aa", "Ba", "Ab", "Cc", "Dd"])
def test_a_list_of_symbols_is_known_as_the_cell_that_it_is(name: str) -> None:
    held = dataset_matrix.cell(name)
    assert dataset_matrix.named(held.symbols[::-1], held.exogenous) == name
    assert dataset_matrix.named((*held.symbols, "ZZZ"), held.exogenous) is None
