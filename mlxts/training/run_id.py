"""The id of a run: its main settings, and a hash of all that decides its numbers."""

from mlxts import code_version
from mlxts.config.experiment import ExperimentConfig
from mlxts.dataset.samples import Dataset
from mlxts.files import canonical_hash


def make_run_id(
    configuration: ExperimentConfig, data: Dataset, micro_batch: int, *, ranks: int = 1
) -> str:
    """`<budget>-<timescale>-<task>-h<horizon>-s<seed>-<hash>`.

    The hash covers the configuration, the bytes of the data, the code that decides the numbers (see
    `code_version.py`), and the number of ranks where there are several: their sums differ in the
    last bits.
    """
    identity = {
        "config": configuration.hash,
        "data": data.data_hash,
        "code": code_version.of(code_version.RUN),
        # A machine's tuning is no part of what a run is, unless statistics are taken over it.
        **({"micro_batch": micro_batch} if configuration.model.norm == "batch" else {}),
        **({"ranks": ranks} if ranks > 1 else {}),
    }
    return "-".join(
        (
            configuration.budget,
            configuration.timescale,
            configuration.task,
            f"h{data.horizon}",
            f"s{configuration.seed}",
            canonical_hash(identity)[:10],
        )
    )
