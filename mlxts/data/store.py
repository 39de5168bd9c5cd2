"""The store: immutable Parquet files and the manifests that list their hashes.

    data/raw/<source>/<SYMBOL>/<first>_<last>_<hash8>.parquet         data/raw/manifest.json
    data/processed/<dataset>/v<version>_<hash8>.parquet               data/processed/manifest.json

A file is written once, read-only, and never again; new data is a new file and a new entry. Any
number of processes may register at the same time: a file lock guards each manifest.
"""

import hashlib
import json
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

import polars as pl
from filelock import FileLock

from mlxts import files, json_files
from mlxts.data import calendar, checks
from mlxts.data.artifacts import Artifact, ProcessedArtifact
from mlxts.data.sources.parquet import encoded, write
from mlxts.data.sources.parquet import read as decoded
from mlxts.errors import DataError, IntegrityError, StorageError

READ_ONLY = 0o444
_NAME = "manifest.json"
_SYMBOL = re.compile(r"[A-Z0-9^=][A-Z0-9^=._-]*")
_DATASET = re.compile(r"[A-Za-z0-9^=][A-Za-z0-9^=._-]*")


@dataclass(frozen=True)
class Verification:
    """What re-hashing everything found: relative paths, sorted.

    Attributes:
        checked: how many entries were compared.
        changed: bytes differ from the manifest.
        missing: listed, but not there.
        unregistered: Parquet files under data/ that no manifest lists (pending, or left behind).
    """

    checked: int
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    unregistered: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.changed and not self.missing

    def require(self) -> None:
        """Raises IntegrityError, naming each file whose hash differs from the manifest's."""
        if not self.ok:
            wrong = [f"{path} was changed" for path in self.changed]
            wrong += [f"{path} is missing" for path in self.missing]
            raise IntegrityError(f"{'; '.join(wrong)}; restore from a backup or fetch it again")


def raw_artifacts() -> list[Artifact]:
    """The raw manifest, oldest registration first. Raises IntegrityError when it is unreadable."""
    return _artifacts(files.raw_folder(), _read(files.raw_folder()), Artifact)


def processed_artifacts() -> list[ProcessedArtifact]:
    """The processed manifest, oldest registration first. Raises IntegrityError."""
    folder = files.processed_folder()
    return _artifacts(folder, _read(folder), ProcessedArtifact)


def register_raw(
    frame: pl.DataFrame,
    *,
    source: str,
    symbol: str,
    parameters: dict[str, Any],
    days_of: calendar.Days = "NYSE",
) -> Artifact:
    """Store a series and list it. The same content twice is one entry, the first.

    Args:
        days_of: the calendar that it keeps and is checked by; another one is another entry.

    Raises:
        DataError: the series has errors (`checks.require`), or a name cannot be a folder's.
        StorageError: it could not be written; nothing is left behind.
    """
    name = _valid(symbol, _SYMBOL, "symbol", "capital letters, digits and ^ = . _ -")
    _valid(source, _DATASET, "source", "letters, digits and ^ = . _ -")
    checks.require(frame, subject=f"{source}/{name}", days_of=days_of)
    data = encoded(frame)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    sha256 = hashlib.sha256(data).hexdigest()
    span = f"{frame['date'].min()}_{frame['date'].max()}"
    own_calendar = {} if days_of == "NYSE" else {"calendar": days_of}
    path = files.raw_folder() / source / name / f"{span}_{sha256[:8]}.parquet"
    with _manifest(files.raw_folder()) as entries:
        listed = _artifacts(files.raw_folder(), entries, Artifact)
        same = [a for a in listed if (a.sha256, a.dataset) == (sha256, f"{source}/{name}")]
        if same and same[-1].days_of == days_of:
            _put(same[-1].file, data)
            return same[-1]
        artifact = Artifact(
            **_described(frame.lazy(), path, md5, sha256), dataset=f"{source}/{name}",
            source=source, symbol=name, parameters=_as_json(parameters | own_calendar),
        )  # fmt: skip
        _append(files.raw_folder(), entries, artifact, data)
    return artifact


def register_processed(
    tables: Iterable[pl.DataFrame],
    *,
    dataset: str,
    tier: int | None,
    sources: Sequence[Artifact],
    parameters: dict[str, Any],
) -> ProcessedArtifact:
    """Store a computed frame (with a `date` column) as the next version of its dataset.

    The same content from the same sources and parameters twice is one entry.

    Args:
        tables: the frame, in parts of successive rows; each is written before the next is made.

    Raises:
        DataError: the name of the dataset is no file name.
        StorageError: it could not be written; nothing is left behind.
    """
    name = _valid(dataset, _DATASET, "dataset", "letters, digits and ^ = . _ -")
    folder = files.processed_folder() / name
    origin, parameters = _origin(sources), _as_json(parameters)
    with files.temporary_path(folder / "new.parquet") as written:
        write(tables, written)
        md5, sha256 = files.digest(written, "md5"), files.digest(written)
        with _manifest(files.processed_folder()) as entries:
            listed = _artifacts(files.processed_folder(), entries, ProcessedArtifact)
            versions = [artifact for artifact in listed if artifact.dataset == name]
            for earlier in versions:
                same = (earlier.sha256, earlier.parameters) == (sha256, parameters)
                if same and earlier.came_from(origin):
                    _put(earlier.file, written)
                    return earlier
            version = 1 + max((artifact.version for artifact in versions), default=0)
            path = folder / f"v{version}_{sha256[:8]}.parquet"
            artifact = ProcessedArtifact(
                **_described(pl.scan_parquet(written), path, md5, sha256), dataset=name,
                source="processed", parameters=parameters, version=version, tier=tier, **origin,
            )  # fmt: skip
            _append(files.processed_folder(), entries, artifact, written)
    return artifact


def find(symbol: str, sources: Sequence[str]) -> Artifact:
    """The newest raw artifact of a symbol from one of the sources. Raises DataError if none."""
    artifacts = raw_artifacts()
    matching = [a for a in artifacts if a.symbol == symbol and a.source in sources]
    if matching:
        return matching[-1]
    datasets = sorted({a.dataset for a in artifacts})
    raise DataError(
        f"no data for {symbol} from {' or '.join(sources)} (registered: "
        f"{', '.join(datasets) or 'nothing'}); {_registry().advice(symbol, sources)}"
    )


def auto() -> tuple[str, ...]:
    """The sources that `data.source: auto` looks through."""
    return _registry().AUTO


def _registry() -> ModuleType:
    # By its name: which bytes a run reads is part of its id, who delivered them is not.
    return import_module("mlxts.data.sources.registry")


def find_processed(
    dataset: str, *, sources: Sequence[Artifact], parameters: dict[str, Any]
) -> ProcessedArtifact | None:
    """The newest version of a dataset from exactly these raw files and parameters, if any."""
    origin, parameters = _origin(sources), _as_json(parameters)
    matching = (
        a
        for a in processed_artifacts()
        if (a.dataset, a.parameters) == (dataset, parameters) and a.came_from(origin)
    )
    return max(matching, key=lambda a: a.version, default=None)


def load(artifact: Artifact) -> pl.DataFrame:
    """Read an artifact; the very bytes that are parsed are the ones that were hashed.

    Raises:
        IntegrityError: the file is missing or its bytes are not those of the manifest.
    """
    try:
        data = files.read_bytes(artifact.file)
    except FileNotFoundError as error:
        raise _missing(artifact) from error
    except OSError as error:
        raise _unreadable(artifact, error) from error
    if hashlib.sha256(data).hexdigest() != artifact.sha256:
        raise _changed(artifact)
    try:
        return decoded(data)
    except pl.exceptions.PolarsError as error:
        raise IntegrityError(f"{artifact.path} is no Parquet file; {_again(artifact)}") from error


def scan(artifact: Artifact) -> pl.LazyFrame:
    """An artifact as a table of which only the columns that are asked for are read.

    Raises:
        IntegrityError: the file is missing or its bytes are not those of the manifest, or no table.
    """
    try:
        sha256 = files.digest(artifact.file)
    except FileNotFoundError as error:
        raise _missing(artifact) from error
    except OSError as error:
        raise _unreadable(artifact, error) from error
    if sha256 != artifact.sha256:
        raise _changed(artifact)
    return pl.scan_parquet(artifact.file)


def _again(artifact: Artifact) -> str:
    """What can be done about a file that is gone or damaged."""
    if isinstance(artifact, ProcessedArtifact):
        return "restore it, or delete it: features are computed again"
    return "restore it or fetch it again"


def _missing(artifact: Artifact) -> IntegrityError:
    return IntegrityError(f"{artifact.path} is in the manifest but missing; {_again(artifact)}")


def _unreadable(artifact: Artifact, error: OSError) -> StorageError:
    return StorageError(f"{artifact.path} cannot be read: {files.reason(error)}")


def _changed(artifact: Artifact) -> IntegrityError:
    return IntegrityError(
        f"{artifact.path} was changed after it was registered (its sha256 differs from the "
        f"manifest); {_again(artifact)}"
    )


def verify(progress: Callable[[str], None] = lambda path: None) -> Verification:
    """Hash every listed file again. `progress` is called with each path before it is read.

    Raises:
        IntegrityError: a manifest itself is unreadable.
    """
    artifacts = {a.path: a for a in [*raw_artifacts(), *processed_artifacts()]}
    changed, missing = [], []
    for path, artifact in sorted(artifacts.items()):
        progress(path)
        if not artifact.file.is_file():
            missing.append(path)
        elif (files.digest(artifact.file), files.digest(artifact.file, "md5")) != (
            artifact.sha256,
            artifact.md5,
        ):
            changed.append(path)
    return Verification(len(artifacts), tuple(changed), tuple(missing), unregistered())


def unregistered() -> tuple[str, ...]:
    """Parquet files under data/ that no manifest lists, relative paths, sorted.

    Raises:
        IntegrityError: a manifest is unreadable.
    """
    listed = {artifact.path for artifact in (*raw_artifacts(), *processed_artifacts())}
    folders = (files.raw_folder(), files.processed_folder())
    present = {_relative(p) for folder in folders for p in folder.rglob("[!.]*.parquet")}
    return tuple(sorted(present - listed))


def _origin(sources: Sequence[Artifact]) -> dict[str, Any]:
    """Symbols count too: one file may hold two names, and the name is a column."""
    return {
        "symbol": "+".join(sorted(a.symbol for a in sources)),
        "source_raw_md5s": sorted(a.md5 for a in sources),
    }


def _as_json(parameters: dict[str, Any]) -> dict[str, Any]:
    """As the manifest will give them back (a tuple becomes a list), so that they compare equal."""
    return json.loads(json.dumps(parameters, default=str, allow_nan=False))


def _valid(text: str, pattern: re.Pattern[str], subject: str, allowed: str) -> str:
    if not pattern.fullmatch(text):
        raise DataError(f"{subject} {text!r} cannot name a file; use {allowed}")
    return text


def _relative(path: Path) -> str:
    # Not resolved: data/ may be a link to another disk.
    return path.relative_to(files.home()).as_posix()


def _described(frame: pl.LazyFrame, path: Path, md5: str, sha256: str) -> dict[str, Any]:
    dates = pl.col("date")
    span = frame.select(rows=pl.len(), first=dates.min(), last=dates.max())
    return {
        "path": _relative(path),
        "md5": md5,
        "sha256": sha256,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        **span.collect(engine="in-memory").row(0, named=True),
        "schema": {name: str(dtype) for name, dtype in frame.collect_schema().items()},
    }


def _put(target: Path, content: bytes | Path) -> None:
    """Write an artifact, read-only, unless it is there already: bytes, or a file beside it."""
    if isinstance(content, Path):
        if not (target.is_file() and files.digest(target) == files.digest(content)):
            with files.atomic_path(target, mode=READ_ONLY) as temporary:
                content.replace(temporary)
    elif not (target.is_file() and target.read_bytes() == content):
        with files.atomic_path(target, mode=READ_ONLY) as temporary:
            temporary.write_bytes(content)


def _append(
    folder: Path, entries: list[dict[str, Any]], artifact: Artifact, content: bytes | Path
) -> None:
    """File first, manifest second; without the entry the file goes too."""
    _put(artifact.file, content)
    try:
        files.write_json(folder / _NAME, {"format": 1, "artifacts": [*entries, artifact.to_dict()]})
    except StorageError:
        artifact.file.unlink(missing_ok=True)
        raise


class _Manifest(json_files.Shape):
    format: Literal[1]
    artifacts: list[dict[str, Any]]


_REMEDY = "restore it from a backup (the data files are intact)"


def _read(folder: Path) -> list[dict[str, Any]]:
    path = folder / _NAME
    if not path.exists():
        return []
    manifest = json_files.read(path, _Manifest, error=IntegrityError, remedy=_REMEDY)
    return manifest["artifacts"]


A = TypeVar("A", bound=Artifact)


def _artifacts(folder: Path, entries: list[dict[str, Any]], kind: type[A]) -> list[A]:
    """The entries of a manifest.

    Raises:
        IntegrityError: one is damaged, or names a file outside of the manifest's folder.
    """
    base, artifacts = folder.resolve(), []
    for position, entry in enumerate(entries, 1):
        where = f"{folder / _NAME}: entry {position}"
        artifact = json_files.build(entry, kind, where=where, error=IntegrityError, remedy=_REMEDY)
        if base not in artifact.file.resolve().parents:
            raise IntegrityError(
                f"{where} names {artifact.path}, which does not lie in {folder}; correct that "
                "entry, or restore the manifest from a backup"
            )
        artifacts.append(artifact)
    return artifacts


@contextmanager
def _manifest(folder: Path) -> Generator[list[dict[str, Any]]]:
    """The entries of a manifest, while no other process can change them."""
    lock = FileLock(folder / ".manifest.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written: {error.strerror or error}; choose another MLXTS_HOME"
        ) from error
    try:
        yield _read(folder)
    finally:
        lock.release()
