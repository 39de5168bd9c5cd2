"""Registering Parquet files that something other than a source has written.

The store gets a copy. A file that was written under data/raw or data/processed by hand is moved
instead: there the name holds a version or a hash, and nothing unregistered may lie there.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from mlxts import files
from mlxts.data import store
from mlxts.data.artifacts import Artifact, ProcessedArtifact
from mlxts.data.sources import parquet
from mlxts.data.sources.base import BAR_SCHEMA, ORACLE_PREFIX, PLANTED, VALUE_SCHEMA
from mlxts.errors import DataError


def raw(path: Path, *, source: str, symbol: str) -> Artifact:
    """Copy a file with the schema of a raw artifact into the store.

    Raises:
        DataError: no such file, another schema, or bars that break a rule.
    """
    frame = _read(path)
    schema = {n: t for n, t in frame.schema.items() if not _is_simulated(n, t)}
    if schema not in (dict(BAR_SCHEMA), dict(VALUE_SCHEMA)):
        raise DataError(
            f"{path} has columns {', '.join(frame.columns)}, not exactly those of a raw artifact "
            f"({', '.join(BAR_SCHEMA)}; or date, value); use `mlxts data import` for it"
        )
    parameters = {"file": path.name}
    artifact = store.register_raw(frame, source=source, symbol=symbol, parameters=parameters)
    _tidy(path)
    return artifact


def processed(
    path: Path, *, dataset: str, tier: int | None, source_md5s: Sequence[str]
) -> ProcessedArtifact:
    """Copy a computed file into the store as the next version of its dataset.

    Raises:
        DataError: no such file, no date column, or a source that is not registered.
    """
    frame = _read(path)
    if frame.schema.get("date") != pl.Date:
        raise DataError(f"{path} has no column `date` of dates; add one")
    artifacts_by_md5 = {artifact.md5: artifact for artifact in store.raw_artifacts()}
    unknown = [md5 for md5 in source_md5s if md5 not in artifacts_by_md5]
    if unknown:
        raise DataError(f"no raw artifact has md5 {unknown[0]}; see `mlxts data list --json`")
    artifact = store.register_processed(
        [frame],
        dataset=dataset,
        tier=tier,
        sources=[artifacts_by_md5[md5] for md5 in source_md5s],
        parameters={"file": path.name},
    )
    _tidy(path)
    return artifact


def _is_simulated(name: str, dtype: pl.DataType) -> bool:
    """Whether a column is one of a simulated market's extra columns."""
    if name == PLANTED:
        return isinstance(dtype, pl.Array) and dtype.inner == pl.Float32
    return name.startswith(ORACLE_PREFIX) and dtype == pl.Float64


def _tidy(path: Path) -> None:
    listed = {a.file.resolve() for a in [*store.raw_artifacts(), *store.processed_artifacts()]}
    folders = {files.raw_folder().resolve(), files.processed_folder().resolve()}
    if path.resolve() not in listed and folders & set(path.resolve().parents):
        path.unlink()


def _read(path: Path) -> pl.DataFrame:
    try:
        return parquet.read(files.read_bytes(path))
    except FileNotFoundError as error:
        raise DataError(f"no file at {path}; check the path") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {files.reason(error)}") from error
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path} is no Parquet file; use `mlxts data import` for others") from error
