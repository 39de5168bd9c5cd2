"""The log of test-set evaluations: who, when, which run. Lines are added, never changed."""

import getpass
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlxts import json_files
from mlxts.errors import StorageError
from mlxts.files import outputs_folder, sync


class _Evaluation(json_files.Shape):
    who: str
    when: str
    run: str
    score_on: str


def path() -> Path:
    return outputs_folder() / "results" / "test_looks.jsonl"


def record(run_id: str, score_on: str) -> int:
    """Record a test-set evaluation *before* it begins, so that one that fails counts too.

    Returns:
        How many evaluations there have been, this one included.

    Raises:
        StorageError: the ledger is damaged or cannot be written; the test split stays closed.
    """
    history()  # raises where it is damaged, before a line is added
    entry = {
        "who": _who(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run_id,
        "score_on": score_on,
    }
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        # One write to a file opened for appending: two evaluations at once both keep their line.
        with path().open("ab", buffering=0) as ledger:
            ledger.write((json.dumps(entry) + "\n").encode())
            sync(ledger.fileno())
    except OSError as error:
        raise StorageError(
            f"could not write {path()}: {error.strerror or error}; "
            "the test split stays closed until its evaluation is on record"
        ) from error
    return len(history())


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def history() -> list[dict[str, Any]]:
    """All test-set evaluations, oldest first. Raises StorageError where a line is damaged."""
    remedy = (
        "correct it by hand, or restore it from a backup: the test split stays closed until its "
        "evaluation is on record"
    )
    return json_files.read_lines(path(), _Evaluation, error=StorageError, remedy=remedy)
