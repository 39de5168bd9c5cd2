"""Predictions and forecasts as tables of a DuckDB file, which grows with every run."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mlxts.errors import InteropError, StorageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FORECASTS = """
CREATE TABLE IF NOT EXISTS forecasts (
    run_id VARCHAR, symbol VARCHAR, date DATE, task VARCHAR, horizon INTEGER, close DOUBLE,
    probability DOUBLE, log_return DOUBLE, price DOUBLE, price_low DOUBLE, price_high DOUBLE,
    "range" DOUBLE, range_low DOUBLE, range_high DOUBLE, sentence VARCHAR,
    PRIMARY KEY (run_id, symbol, date)
)"""


def replace_predictions(path: Path, run_id: str, table: pl.DataFrame) -> Path:
    """Put a run's predictions into the table `predictions`, in place of those that it holds.

    Raises:
        InteropError, StorageError: see `opened`.
    """
    with opened(path) as connection, tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.parquet"
        table.select(pl.lit(run_id).alias("run_id"), pl.all()).write_parquet(rows)
        source = connection.read_parquet(str(rows))
        connection.execute("BEGIN")
        source.limit(0).query("source", "CREATE TABLE IF NOT EXISTS predictions AS FROM source")
        connection.execute("DELETE FROM predictions WHERE run_id = ?", [run_id])
        source.query("source", "INSERT INTO predictions BY NAME FROM source")
        connection.execute("COMMIT")
    return path


def add_forecast(path: Path, forecast: Mapping[str, Any]) -> Path:
    """Put a forecast into the table `forecasts`; one of the same run, symbol and date is replaced.

    Args:
        forecast: see `experiment.forecast`.

    Raises:
        InteropError, StorageError: see `opened`.
    """
    row = {**forecast}
    for name in ("price", "range"):
        row[f"{name}_low"], row[f"{name}_high"] = row.pop(f"{name}_interval", (None, None))
    with opened(path) as connection:
        connection.execute(_FORECASTS)
        columns = [name for (name, *_) in connection.execute("DESCRIBE forecasts").fetchall()]
        marks = ", ".join("?" for _ in columns)
        connection.execute(
            f"INSERT OR REPLACE INTO forecasts VALUES ({marks})", [row.get(c) for c in columns]
        )
    return path


@contextmanager
def opened(path: Path) -> "Generator[DuckDBPyConnection]":
    """A connection to the file, which is made where it is not there.

    Raises:
        InteropError: the duckdb package is not installed; or the file is no DuckDB file, or holds
            other columns under that name.
        StorageError: it cannot be written, or another process has it open.
    """
    try:
        import duckdb
    except ImportError as error:
        raise InteropError(
            "a DuckDB file needs the duckdb package: pip install 'mlxts[export]'"
        ) from error
    if path.suffix != ".duckdb":
        raise InteropError(f"{path}: this format needs a name that ends in .duckdb")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(path)) as connection:
            yield connection
    except (OSError, duckdb.IOException) as error:
        reason = str(error).splitlines()[0]
        raise StorageError(f"{path} cannot be written: {reason}") from error
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InteropError(f"{path}: {reason}; name another file") from error
