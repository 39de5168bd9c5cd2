"""The ledger of looks at the test split: who, when, which run. Lines are added, never changed."""

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlxts.errors import StorageError
from mlxts.files import outputs_folder, sync


def path() -> Path:
    return outputs_folder() / "results" / "test_looks.jsonl"


def record(run_id: str, score_on: str) -> int:
    """Write down a look *before* it is taken, so that one which fails half-way counts too.

    Returns:
        How many looks there have been, this one included.

    Raises:
        StorageError: the ledger cannot be written; then the test split stays closed.
    """
    look = {
        "who": getpass.getuser(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run_id,
        "score_on": score_on,
    }
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        # One write to a file opened for appending: two looks at once both keep their line.
        with path().open("ab", buffering=0) as ledger:
            ledger.write((json.dumps(look) + "\n").encode())
            sync(ledger.fileno())
    except OSError as error:
        raise StorageError(
            f"could not write {path()}: {error.strerror or error}; "
            "the test split is opened only once the look is on record"
        ) from error
    return len(history())


def history() -> list[dict[str, Any]]:
    """All looks, the oldest first."""
    if not path().exists():
        return []
    return [json.loads(line) for line in path().read_text(encoding="utf-8").splitlines() if line]
