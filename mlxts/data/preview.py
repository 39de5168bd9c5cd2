"""Small CSV extracts of registered artifacts, for inspection by eye."""

from pathlib import Path

import polars as pl

from mlxts import files
from mlxts.data import store
from mlxts.data.sources.base import PLANTED


def write(rows: int) -> list[Path]:
    """Write the first and last `rows` rows of the newest artifact of each dataset.

    Raises:
        IntegrityError: an artifact is missing or was changed.
        StorageError: a sample cannot be written.
    """
    newest = {a.dataset: a for a in [*store.raw_artifacts(), *store.processed_artifacts()]}
    written = []
    for dataset, artifact in sorted(newest.items()):
        # CSV has no place for an array; planted features stay in the Parquet file.
        frame = store.load(artifact).drop(PLANTED, strict=False)
        if frame.height > 2 * rows:
            frame = pl.concat([frame.head(rows), frame.tail(rows)])
        path = files.samples_folder() / f"{dataset.replace('/', '_')}.csv"
        files.write_text(path, frame.write_csv())
        written.append(path)
    return written
