"""What a machine must have before it claims work: the same bytes, the same code, room on a device.

Runs are compared with one another wherever they were trained, so a worker whose data or code
differ from those the work was planned with refuses to begin.
"""

import hashlib
import socket
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from mlxts import code_version, locks
from mlxts.config.experiment import ExperimentConfig
from mlxts.data import panel, store
from mlxts.errors import BudgetError, DataError, SearchError
from mlxts.files import digest
from mlxts.locks import Holder
from mlxts.platform import device
from mlxts.training.plan import Plan

_POLL_SECONDS = 2.0  # between two checks of a device that is waited for


def pins(configurations: Iterable[ExperimentConfig]) -> dict[str, str]:
    """The sha256 of the artifact that each symbol and series would be read from now.

    What is not registered here is left out; a run that needs it fails with an error that names it.

    Raises:
        ConfigError: an unknown series.
    """
    hashes: dict[str, str] = {}
    for data in {c.data.model_dump_json(): c.data for c in configurations}.values():
        for choose, names in ((panel.choose, data.symbols), (panel.choose_series, data.exogenous)):
            for name in names:
                try:
                    hashes[name] = choose(name, data).sha256
                except DataError:
                    continue
    return dict(sorted(hashes.items()))


def pinned(configuration: ExperimentConfig, hashes: dict[str, str]) -> ExperimentConfig:
    """The same experiment, bound to these bytes (where they are known)."""
    data = configuration.data
    read = {name: hashes[name] for name in (*data.symbols, *data.exogenous) if name in hashes}
    return configuration.model_copy(
        update={"data": data.model_copy(update={"artifact_sha256": read})}
    )


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
    needed, usable = plan.memory_bytes, device.usable_memory()
    if needed > usable:
        raise BudgetError(
            f"needs {needed / 2**30:.1f} GiB and this machine has {usable / 2**30:.1f} GiB; "
            "retry it on a larger one, or with a smaller micro-batch"
        )


@contextmanager
def device_to_itself(
    per_device: int = 1,
    *,
    wait: bool = False,
    notify: Callable[[str], None] = lambda message: None,
) -> Generator[None]:
    """Keep other workers of this machine off the device that this process trains on.

    The locks lie in the user's state folder, whichever workspace a worker has; `MLXTS_LOCKS` names
    another folder.

    Args:
        per_device: how many may train on it at a time; more than one only pays on CPUs with many
            cores, or for very small models.
        wait: for a place, where all are taken.
        notify: is given a sentence before that.

    Raises:
        SearchError: all places are taken and `wait` is off.
        StorageError: a lock cannot be opened.
    """
    notified = False
    while True:
        with place_on_device(per_device) as others:
            if not others:
                yield
                return
        taken = f"{device.device_name()} is taken by {', '.join(map(str, others))}"
        if not wait:
            raise SearchError(
                f"{taken}; --wait waits until it is free, --workers-per-device "
                f"{per_device + 1} lets one more train beside"
            )
        if not notified:
            notify(f"{taken}; waiting until it is free")
            notified = True
        time.sleep(_POLL_SECONDS)


@contextmanager
def place_on_device(per_device: int = 1) -> Generator[list[Holder]]:
    """Hold one of the device's places while the block runs, if one is free.

    Yields:
        The holders of the places where all are taken; else none.

    Raises:
        StorageError: a lock cannot be opened.
    """
    key = hashlib.sha256(f"{device.device()} {device.device_name()}".encode()).hexdigest()[:10]
    others: list[Holder] = []
    for place in range(per_device):
        with locks.hold(locks.folder() / f"device-{key}-{place}.lock") as other:
            if other is None:
                yield []
                return
        others.append(other)
    yield others
