"""predictions.parquet: every model's forecast, row by row, from which all scores are computed.

It holds the network, its baselines (`references.json` names the reference) and, on a simulated
market, the oracle. All are written by the experiment that trained the network; scores, laws and
figures are computed from them, without data.

A logit is stored, never a probability: the sigmoid is applied once, in `evaluation/metrics.py`. For
regression and range the column `logit` holds the predicted number.

Tables of earlier versions hold the network's rows alone, without `model` and `canonical`; `read`
refuses them, and `mlxts.predict` completes them where the run's data are.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from mlxts import files
from mlxts.data.sources import parquet
from mlxts.errors import DataError
from mlxts.files import atomic_path
from mlxts.protocol import BASELINE, LINEAR, SPLIT_NAMES
from mlxts.runs import upgrade

NETWORK = "patchtst"
BASE_RATE = "base_rate"  # the training base rate, of a number the training mean
# Fitted beside every network, see `baselines/registry.py`.
SIMPLE_MODELS = ("base_rate_by_volatility", "volatility", BASELINE, "lhar", LINEAR, "trees")
ORACLE = "bayes"  # the best possible forecast of a simulated market
SCHEMA = pl.Schema(
    {
        "model": pl.String,
        "date": pl.Date,  # of the decision bar
        "symbol": pl.String,
        "split": pl.String,
        "canonical": pl.Boolean,  # whether the bar is of the timescale's canonical phase
        "logit": pl.Float64,
        "target": pl.Float64,
    }
)
_EARLIER = pl.Schema({k: v for k, v in SCHEMA.items() if k not in ("model", "canonical")})


class Samples(Protocol):
    """What is predicted, n rows; see `dataset.Samples`."""

    @property
    def dates(self) -> np.ndarray: ...
    @property
    def symbols(self) -> np.ndarray: ...
    @property
    def targets(self) -> np.ndarray: ...
    @property
    def phases(self) -> np.ndarray: ...


def table(model: str, samples: Samples, split: str, logits: np.ndarray) -> pl.DataFrame:
    """One model's predictions of one split; `logits` is (n,) in the order of `samples`."""
    count = len(samples.dates)
    return pl.DataFrame(
        {
            "model": [model] * count,
            "date": samples.dates,
            "symbol": samples.symbols,
            "split": [split] * count,
            "canonical": samples.phases == 0,
            "logit": np.asarray(logits, dtype=np.float64),
            "target": samples.targets.astype(np.float64),
        },
        schema_overrides=SCHEMA,
    )


def by_model(predictions: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """A table for each model, in the order of the file."""
    parts = predictions.partition_by("model", as_dict=True, maintain_order=True)
    return {str(name): part for (name,), part in parts.items()}


def write(path: Path, predictions: pl.DataFrame) -> None:
    """Replace `path`, atomically: models in the order in which they come, each sorted by (split,
    date, symbol).

    Raises:
        DataError: columns, types or values that are no predictions.
        StorageError: the disk is full or the folder cannot be written.
    """
    _check(predictions, str(path))
    models = pl.Enum(predictions["model"].unique(maintain_order=True))
    order = (pl.col("model").cast(models), pl.col("split").cast(pl.Enum(SPLIT_NAMES)))
    with atomic_path(path) as temporary:
        temporary.write_bytes(parquet.encoded(predictions.sort(*order, "date", "symbol")))


def read(path: Path) -> pl.DataFrame:
    """Read and check a table of predictions.

    Raises:
        DataError: no such file, no Parquet, a table of an earlier version, or columns, types or
            values that are no predictions.
    """
    predictions = _read(path)
    if predictions.schema == _EARLIER:
        raise DataError(
            f"{path} is of an earlier version and holds the network alone; where the run's data "
            f"are, `mlxts evaluate {path.parent.name}` adds its references, once"
        )
    _check(predictions, str(path))
    return predictions


def read_earlier(path: Path) -> pl.DataFrame | None:
    """The network's rows in a table of an earlier version; None where it is none.

    Returns:
        As of `read`, without `canonical`.

    Raises:
        DataError: as `read`.
    """
    if _schema(path) != _EARLIER:
        return None
    return _read(path).select(pl.lit(NETWORK).alias("model"), pl.all())


def is_current(path: Path) -> bool:
    """Whether there is a table, and it is no earlier version's."""
    return path.exists() and _schema(path) != _EARLIER


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


def _schema(path: Path) -> pl.Schema | None:
    """None where the file cannot be read; `read` then raises the error."""
    try:
        return pl.Schema(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None


def _read(path: Path) -> pl.DataFrame:
    try:
        # From memory: Polars would read a folder in the file's place, file by file.
        return upgrade.predictions(parquet.read(files.read_bytes(path)))
    except FileNotFoundError as error:
        raise DataError(f"no predictions at {path}; train the run to its end first") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({files.reason(error)}); delete it, and it is "
            "predicted again"
        ) from error


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
    if predictions.select("model", "date", "symbol").is_duplicated().any():
        raise DataError(f"{where} predicts a date of a symbol twice; write each once")
