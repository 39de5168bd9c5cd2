"""What a machine must have before it claims work: the same bytes, the same code, room on a device.

Runs are compared with one another wherever they were trained, so a worker whose data or code
differ from those the work was planned with refuses to begin.
"""

import hashlib
import os
import socket
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mlxts import backend, code_version
from mlxts.config import ExperimentConfig
from mlxts.data import panel, store
from mlxts.errors import BudgetError, DataError, SearchError
from mlxts.files import digest
from mlxts.training.run import Plan


def pins(configurations: Iterable[ExperimentConfig]) -> dict[str, str]:
    """The sha256 of the artifact that each symbol and series would be read from now.

    What is not registered here is left out; a run that needs it fails and says so.

    Raises:
        ConfigError: nothing is known of a series.
    """
    found: dict[str, str] = {}
    for data in {c.data.model_dump_json(): c.data for c in configurations}.values():
        for choose, names in ((panel.choose, data.symbols), (panel.choose_series, data.exogenous)):
            for name in names:
                try:
                    found[name] = choose(name, data).sha256
                except DataError:
                    continue
    return dict(sorted(found.items()))


def pinned(configuration: ExperimentConfig, hashes: dict[str, str]) -> ExperimentConfig:
    """The same experiment, bound to these bytes (where they are known)."""
    data = configuration.data
    read = {name: hashes[name] for name in (*data.symbols, *data.exogenous) if name in hashes}
    return configuration.model_copy(update={"data": data.model_copy(update={"pinned": read})})


def require_data(hashes: dict[str, str]) -> None:
    """Raises SearchError: an artifact is not registered here, or its bytes are others."""
    artifacts = {(artifact.symbol, artifact.sha256): artifact for artifact in store.raw_artifacts()}
    for symbol, sha256 in hashes.items():
        artifact = artifacts.get((symbol, sha256))
        if artifact is None or not artifact.file.is_file():
            raise SearchError(
                f"{socket.gethostname()} lacks {symbol} {sha256[:12]}…, which the work was planned "
                "with; copy data/raw from the machine that planned it"
            )
        if _digest(artifact.file) != sha256:
            raise SearchError(
                f"{artifact.path} on {socket.gethostname()} is not what its manifest says; copy "
                "data/raw from the machine that planned the work"
            )


def _digest(file: Path) -> str:
    """The SHA-256 of a file, read once for each state of it: idle workers ask every few seconds."""
    state = file.stat()
    key = (file.resolve(), state.st_size, state.st_mtime_ns)
    if key not in _digests:
        _digests[key] = digest(file)
    return _digests[key]


_digests: dict[tuple[Path, int, int], str] = {}


def require_code(planned: str) -> None:
    """Raises SearchError: this version would do other runs than the planned ones."""
    if code_version.of(code_version.RUN) != planned:
        raise SearchError(
            f"{socket.gethostname()} runs other code than the work was planned with; check out "
            "the same commit, or plan the work again"
        )


def require_room(plan: Plan) -> None:
    """Raises BudgetError: the run would never fit this machine's memory."""
    needed, usable = plan.memory_bytes(), backend.usable_memory()
    if needed > usable:
        raise BudgetError(
            f"needs {needed / 2**30:.1f} GiB and this machine has {usable / 2**30:.1f} GiB; "
            "retry it on a larger one, or with a smaller micro-batch"
        )


@contextmanager
def device_to_itself(per_device: int = 1) -> Generator[None]:
    """Keep other workers of this machine off the device that this process trains on.

    The locks lie in the temporary folder, whichever workspace a worker has; `MLXTS_LOCKS` names
    another folder.

    Args:
        per_device: how many may train on it at a time; more than one only pays on CPUs with many
            cores, or for very small models.

    Raises:
        SearchError: as many are at work already.
    """
    with _place(per_device) as free:
        if not free:
            raise SearchError(
                f"{backend.device_name()} is taken by {per_device} process(es) that train; wait "
                "until one has ended (workers can share it: --per-device)"
            )
        yield


@contextmanager
def device_if_free() -> Generator[bool]:
    """Hold the device where nobody does, and say whether; for who trains all the same."""
    with _place(1) as free:
        yield free


@contextmanager
def _place(per_device: int) -> Generator[bool]:
    """One of a device's places for as long as the block lasts; false where all are taken."""
    key = hashlib.sha256(f"{backend.device()} {backend.device_name()}".encode()).hexdigest()[:10]
    folder = Path(os.environ.get("MLXTS_LOCKS") or tempfile.gettempdir())
    for place in range(per_device):
        lock = FileLock(folder / f"mlxts-{key}-{place}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield True
        finally:
            lock.release()
        return
    yield False
