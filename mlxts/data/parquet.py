"""Reading Parquet that somebody else wrote."""

import io

import polars as pl


def read(data: bytes) -> pl.DataFrame:
    """The table in the bytes of a file. Raises pl.exceptions.PolarsError: they hold none."""
    try:
        return pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PanicException as error:  # what Polars does with some damaged files
        raise pl.exceptions.ComputeError("the file is damaged") from error
