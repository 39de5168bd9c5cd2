"""predictions.parquet: what a model said, row by row; every figure comes from such a table.

A logit is stored, never a probability: the sigmoid is applied once, in `metrics.py`. For the
regression task the column `logit` holds the predicted log return.
"""

from pathlib import Path

import numpy as np
import polars as pl

from mlxts import files
from mlxts.data.sources import parquet
from mlxts.dataset.samples import Samples
from mlxts.errors import DataError
from mlxts.files import atomic_path
from mlxts.protocol import SPLIT_NAMES

FILE_NAME = "predictions.parquet"
SCHEMA = pl.Schema(
    {
        "date": pl.Date,  # of the decision bar
        "symbol": pl.String,
        "split": pl.String,
        "logit": pl.Float64,
        "target": pl.Float64,
    }
)


def table(samples: Samples, split: str, logits: np.ndarray) -> pl.DataFrame:
    """The predictions of one split; `logits` is (n,) in the order of `samples`."""
    return pl.DataFrame(
        {
            "date": samples.dates,
            "symbol": samples.symbols,
            "split": [split] * len(samples),
            "logit": np.asarray(logits, dtype=np.float64),
            "target": samples.targets.astype(np.float64),
        },
        schema_overrides=SCHEMA,
    )


def write(path: Path, predictions: pl.DataFrame) -> None:
    """Replace `path`, atomically, rows sorted by (split, date, symbol).

    Raises:
        DataError: columns, types or values that are no predictions.
        StorageError: the disk is full or the folder cannot be written.
    """
    _check(predictions, str(path))
    order = pl.col("split").cast(pl.Enum(SPLIT_NAMES))
    with atomic_path(path) as temporary:
        temporary.write_bytes(parquet.encoded(predictions.sort(order, "date", "symbol")))


def read(path: Path) -> pl.DataFrame:
    """Read and check a table of predictions.

    Raises:
        DataError: no such file, no Parquet, or columns, types or values that are no predictions.
    """
    try:
        # From memory: Polars would read a folder in the file's place, file by file.
        predictions = parquet.read(files.read_bytes(path))
    except FileNotFoundError as error:
        raise DataError(f"no predictions at {path}; train the run to its end first") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({files.reason(error)}); delete it, and it is "
            "predicted again"
        ) from error
    _check(predictions, str(path))
    return predictions


def replace_split(path: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Put `rows`, all of one split, in the place of that split's; returns the whole table.

    Raises:
        DataError: as `read` and `write`.
        StorageError: as `write`.
    """
    others = read(path).filter(~pl.col("split").is_in(rows["split"].unique().to_list()))
    joined = pl.concat([others, rows.select(SCHEMA.names())])
    write(path, joined)
    return joined


def _check(predictions: pl.DataFrame, where: str) -> None:
    if predictions.schema != SCHEMA:
        wanted = ", ".join(f"{name} {kind}" for name, kind in SCHEMA.items())
        raise DataError(f"{where} holds no predictions; its columns must be {wanted}")
    unknown = set(predictions["split"].unique()) - set(SPLIT_NAMES)
    if unknown:
        raise DataError(f"{where} names the split {min(unknown)}; use {', '.join(SPLIT_NAMES)}")
    wrong = predictions.filter(
        ~pl.all_horizontal(pl.col("logit", "target").is_finite()).fill_null(False)
    )
    if wrong.height:
        raise DataError(
            f"{where}: logit or target is not a finite number on {wrong['date'][0]}; "
            "the model diverged, train it again with a lower learning rate"
        )
    if predictions.select("date", "symbol").is_duplicated().any():
        raise DataError(f"{where} predicts a date of a symbol twice; write each once")
