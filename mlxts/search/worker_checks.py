"""What a machine must have before it claims work: the same bytes, the same code, enough memory.

Runs are compared with one another wherever they were trained, so a worker whose data or code
differ from those the work was planned with refuses to begin.
"""

import socket
from collections.abc import Iterable
from pathlib import Path

from mlxts import code_version
from mlxts.config.experiment import ExperimentConfig
from mlxts.data import panel, store
from mlxts.errors import BudgetError, DataError, SearchError
from mlxts.files import digest
from mlxts.platform import device
from mlxts.training.plan import Plan


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
                f"{artifact.path} on {socket.gethostname()} is not the file in its manifest; copy "
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
