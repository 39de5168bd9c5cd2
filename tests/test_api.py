"""What `import mlxts` offers to a notebook."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files as resources

import polars as pl
import pytest

import mlxts
from mlxts.errors import BudgetError, ConfigError, DataError
from mlxts.features import timescales
from mlxts.platform import blas
from tests.features.bars import path


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy_and_its_names_come_when_used() -> None:
    code = (
        "import sys, mlxts, json\n"
        "heavy = ('mlx.core', 'polars', 'pydantic', 'sklearn', 'scipy', 'mlxts.interop')\n"
        "before = [name for name in heavy if name in sys.modules]\n"
        "mlxts.PatchTST, mlxts.features.build\n"
        "print(json.dumps([before, 'mlx.core' in sys.modules, sorted(mlxts.__all__)]))"
    )
    before, after, names = json.loads(_python(code))
    assert before == []
    assert after
    assert names == dir(mlxts)


def test_the_fast_blas_is_there_before_mlx_whatever_is_used_first() -> None:
    code = "import mlxts; mlxts.load_model; print(mlxts.platform.blas.load().name)"
    assert _python(code) == blas.load().name
    assert _python(code) != "late"


@pytest.mark.parametrize("name", mlxts.__all__)
def test_every_name_is_there_and_explains_itself(name: str) -> None:
    value = getattr(mlxts, name)
    assert len((value.__doc__ or "").strip()) > 20
    assert getattr(mlxts, name) is value


def test_the_version_is_that_of_the_installed_package() -> None:
    assert mlxts.__version__ == version("mlxts")


def test_a_model_of_a_budget_takes_one_line() -> None:
    model = mlxts.PatchTST(mlxts.parameter_budget.solve("2M", features=20))
    assert abs(model.counts().total / 2_000_000 - 1) <= 0.01
    with pytest.raises(BudgetError, match="3M is none of"):
        mlxts.parameter_budget.solve("3M", features=20)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mlxts.nothing


def test_the_package_is_typed() -> None:
    assert resources("mlxts").joinpath("py.typed").is_file()


def test_features_of_own_bars_are_those_of_the_catalog() -> None:
    bars = pl.concat([path(400, 1), path(300, 2, symbol="BBB")])
    shuffled = bars.sample(fraction=1.0, shuffle=True, seed=3).with_columns(note=pl.lit("x"))
    built = mlxts.features.build(shuffled, tier=20)
    assert built.equals(timescales.build(bars.lazy(), 20, "daily"))
    assert built.width == 22
    weekly = mlxts.features.build(bars, tier=50, timescale="weekly")
    assert weekly.width == 52


_BARS = path(120, 1)


@pytest.mark.parametrize(
    "frame",
    [
        _BARS.lazy(),
        _BARS.to_arrow(),
        _BARS.to_pandas(),
        _BARS.with_columns(pl.col("date").dt.to_string()).to_pandas(),
        _BARS.rename(str.title).to_pandas().set_index("Date"),
        _BARS.drop("symbol").to_pandas().set_index("date").rename_axis(index=None),
        _BARS.rename({"symbol": "unique_id", "date": "ds", "close": "y"}).to_pandas(),
        _BARS.rename(str.title).to_pandas().pivot(index="Date", columns="Symbol"),
    ],
    ids=["lazy", "arrow", "pandas", "strings", "capitals", "unnamed", "nixtla", "two-levels"],
)
def test_features_are_the_same_of_a_frame_of_any_library_and_spelling(frame) -> None:
    built = mlxts.features.build(frame, tier=20)
    assert built.drop("symbol").equals(mlxts.features.build(_BARS, tier=20).drop("symbol"))


def test_prices_of_a_frame_are_adjusted_by_its_adjusted_close() -> None:
    halved = _BARS.with_columns(pl.col("open", "high", "low", "close") * 2)
    adjusted = halved.with_columns(adj_close=_BARS["close"])
    assert mlxts.features.build(adjusted).equals(mlxts.features.build(_BARS))


def test_features_never_look_ahead() -> None:
    bars = path(400, 5)
    whole, prefix = (mlxts.features.build(some, tier=50) for some in (bars, bars.head(300)))
    assert whole.head(300).equals(prefix)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda bars: bars.drop("volume"), DataError, "no column volume"),
        (lambda bars: bars.rename(str.title).drop("Volume"), DataError, "no column Volume"),
        (
            lambda bars: bars.select(unique_id="symbol", ds="date", y="close"),
            DataError,
            r"no columns open, high, low, volume \(it has unique_id, ds, y\)",
        ),
        (lambda bars: bars.with_columns(close=-pl.col("close")), DataError, "not positive"),
        (lambda bars: bars.with_columns(high=pl.col("low") / 2), DataError, "below the open"),
        (lambda bars: pl.concat([bars, bars.head(1)]), DataError, "already in row"),
        (
            lambda bars: bars.with_columns(open=pl.lit("dear")),
            DataError,
            "open 'dear' is no number",
        ),
        (lambda bars: bars.with_columns(open=pl.lit(None)), DataError, "open is"),
        (lambda bars: bars.with_columns(open=pl.lit(True)), DataError, "open holds Boolean"),
        (lambda bars: bars.with_columns(date=pl.lit(0.5)), DataError, "date holds Float"),
        (lambda bars: bars.to_dict(), DataError, "data is a dict"),
        (lambda bars: bars.with_columns(low=pl.duration(days=1)), DataError, "low holds Duration"),
    ],
)
def test_bars_that_cannot_be_are_named(change, error, says) -> None:
    with pytest.raises(error, match=says):
        mlxts.features.build(change(path(120, 1)))


def test_a_tier_or_timescale_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="21"):
        mlxts.features.build(path(120, 1), tier=21)
    with pytest.raises(ConfigError, match="hourly is none of daily"):
        mlxts.features.build(path(120, 1), timescale="hourly")
