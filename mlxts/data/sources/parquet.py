"""Parquet as bytes: what is damaged, and a disk that is full, then shows as an error of its own."""

import io

import polars as pl


def read(data: bytes) -> pl.DataFrame:
    """The table in the bytes of a file. Raises pl.exceptions.PolarsError: they hold none."""
    try:
        return pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PanicException as error:  # what Polars does with some damaged files
        raise pl.exceptions.ComputeError("the file is damaged") from error


def encoded(frame: pl.DataFrame, metadata: dict[str, str] | None = None) -> bytes:
    """A frame as the bytes of a file, with metadata for whoever reads its footer."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=True, metadata=metadata)
    return buffer.getvalue()
