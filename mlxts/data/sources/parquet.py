"""Parquet as bytes: what is damaged, and a disk that is full, then shows as an error of its own."""

import io
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

# Of 2,000 columns Polars holds 8 MiB of notes for each group until the file is whole, and the
# values of one group and a half: with as many rows, hundreds of symbols fit in a gigabyte.
_ROWS_IN_A_GROUP = 2**14


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


def write(tables: Iterable[pl.DataFrame], path: Path) -> None:
    """Write tables of the same columns one below the other, each when it is its turn.

    Only a few of them are in memory at once. There is at least one.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
        Exception: what making a table raises.
    """
    waiting = iter(tables)
    first = next(waiting)
    raised: list[BaseException] = []

    def source(*_: object) -> Iterator[pl.DataFrame]:
        try:
            yield from chain([first], waiting)
        except BaseException as error:
            raised.append(error)
            raise

    try:
        register_io_source(source, schema=first.schema).sink_parquet(
            path, compression="zstd", statistics=True, row_group_size=_ROWS_IN_A_GROUP
        )
    except Exception as error:
        raise (raised or [error])[0] from None
