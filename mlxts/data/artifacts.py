"""Manifest entries: what a stored file is, where it came from, what its bytes must be."""

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mlxts import files
from mlxts.data import calendar


@dataclass(frozen=True)
class Artifact:
    """One manifest entry: a raw file, where it came from, and what its bytes must be.

    Attributes:
        dataset: `<source>/<SYMBOL>`.
        path: relative to the workspace, with forward slashes.
        timestamp: when it was registered, UTC, ISO 8601.
        first, last: dates of the first and the last row.
        schema: column name -> Polars type.
        parameters: of the request to the source.
    """

    dataset: str
    path: str
    md5: str
    sha256: str
    timestamp: str
    rows: int
    first: date
    last: date
    schema: dict[str, str]
    source: str
    symbol: str
    parameters: dict[str, Any]

    @property
    def days_of(self) -> calendar.Days:
        """The calendar that the series keeps."""
        return self.parameters.get("calendar", "NYSE")

    @property
    def file(self) -> Path:
        return files.home() / self.path

    def to_dict(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        return asdict(self) | {"first": str(self.first), "last": str(self.last)}


@dataclass(frozen=True)
class ProcessedArtifact(Artifact):
    """A file that was computed from raw ones.

    Attributes:
        version: 1, 2, ... within its dataset; it grows with logic, tier or source data.
        tier: feature tier; None where it has none.
        source_raw_md5s: of the raw artifacts that it was computed from, sorted.
    """

    version: int
    tier: int | None
    source_raw_md5s: list[str]

    def came_from(self, origin: dict[str, Any]) -> bool:
        return {"symbol": self.symbol, "source_raw_md5s": self.source_raw_md5s} == origin
