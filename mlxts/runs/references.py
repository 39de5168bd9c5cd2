"""references.json: which of the references a run is compared with, asset by asset."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlxts import json_files
from mlxts.errors import DataError
from mlxts.files import SCHEMA, write_json
from mlxts.runs.layout import PREDICTIONS


@dataclass(frozen=True)
class Reference:
    """What a model is compared with.

    Attributes:
        name: har or linear, whichever has the lower loss in cross-validation; None where neither
            could be fitted.
        losses: of each in cross-validation within training: nats, for regression squared error.
        not_estimable: why neither could be fitted, or None.
        pooled: why both were fitted on the training samples of all assets instead of the asset's
            own, or None.
    """

    name: str | None
    losses: Mapping[str, float]
    not_estimable: str | None = None
    pooled: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def write(path: Path, references: Mapping[str, Reference]) -> None:
    """Replace `path` by those of each symbol. Raises StorageError."""
    by_symbol = {symbol: reference.to_dict() for symbol, reference in references.items()}
    write_json(path, {"schema": SCHEMA} | by_symbol)


def read(path: Path) -> dict[str, Reference]:
    """By symbol. Raises DataError: there is no such file, or it is damaged."""
    remedy = (
        f"delete {path.with_name(PREDICTIONS)}, and `mlxts evaluate {path.parent.name}` predicts "
        "again"
    )
    values = json_files.read(path, json_files.Shape, error=DataError, remedy=remedy)
    return {
        symbol: json_files.build(
            value, Reference, where=f"{path}: {symbol}", error=DataError, remedy=remedy
        )
        for symbol, value in values.items()
        if symbol != "schema"  # missing in files of earlier versions
    }
