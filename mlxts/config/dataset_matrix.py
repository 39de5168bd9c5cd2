"""What a cell of the dataset matrix holds: the protocol's groups, spelled out in universe.yaml."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from mlxts import files, protocol
from mlxts.config.yamltext import YamlError, parse_yaml
from mlxts.errors import ConfigError

FILE = files.RESOURCES / "universe.yaml"


@dataclass(frozen=True)
class Cell:
    """One cell of the dataset matrix.

    Attributes:
        name: row and column, e.g. `Cb`.
        symbols: whose bars are pooled, in the order in which rows add them.
        exogenous: series that are joined to every symbol as of their release.
    """

    name: str
    symbols: tuple[str, ...]
    exogenous: tuple[str, ...]


def cell(name: str) -> Cell:
    """The cell of a row and a column, with everything that the ones before it hold.

    Raises:
        ConfigError: no such cell, or universe.yaml lacks one of its groups.
    """
    rows, columns = tuple(protocol.DATASET_ROWS), tuple(protocol.DATASET_COLUMNS)
    if len(name) != 2 or name[0] not in rows or name[1] not in columns:
        raise ConfigError(
            f"{name[:20]!r} is no cell of the dataset matrix; write a row ({', '.join(rows)}) "
            f"and a column ({', '.join(columns)}), e.g. Cb"
        )
    axes = (
        *(protocol.DATASET_ROWS[row] for row in rows[: rows.index(name[0]) + 1]),
        *(protocol.DATASET_COLUMNS[column] for column in columns[: columns.index(name[1]) + 1]),
    )
    symbols: list[str] = []
    exogenous: list[str] = []
    for group in (group for axis in axes for group in axis.adds):
        chosen = exogenous if group in protocol.SERIES_GROUPS else symbols
        chosen += members(group)
    return Cell(name, tuple(symbols), tuple(exogenous))


def named(symbols: Collection[str], exogenous: Collection[str] = ()) -> str | None:
    """The cell that holds just these, in whatever order they were written; None where none does.

    Raises:
        ConfigError: universe.yaml lacks a group.
    """
    for row, column in product(protocol.DATASET_ROWS, protocol.DATASET_COLUMNS):
        held = cell(row + column)
        if (set(held.symbols), set(held.exogenous)) == (set(symbols), set(exogenous)):
            return held.name
    return None


def members(group: str) -> tuple[str, ...]:
    """The symbols of a name in the protocol's `adds`: a group's list, or a symbol itself.

    Raises:
        ConfigError: universe.yaml lacks that list.
    """
    if group not in (*protocol.ASSET_GROUPS, *protocol.SERIES_GROUPS):
        return (group,)
    listed = _groups(FILE).get(group)
    if not listed:
        raise ConfigError(f"{FILE} lists nothing under {group}; restore that list")
    return listed


@cache
def _groups(file: Path) -> dict[str, tuple[str, ...]]:
    try:
        groups = parse_yaml(files.read_text(file))
        return {group: tuple(map(str, members)) for group, members in groups.items()}
    except (OSError, UnicodeDecodeError, YamlError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{file} holds no lists of the universe: {files.reason(error)}"
        ) from error
