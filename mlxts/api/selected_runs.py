"""The runs that were asked for: found by their names, completed where they lack predictions, and
on record where the test split is evaluated."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlxts.runs.index import Selection

Notify = Callable[[str], None]  # gets a line for the person who asked


def silent(message: str) -> None:
    """Tells nobody."""


def one_run(name: str) -> Path:
    """The folder of the one run that a name resolves to, see `runs/index.py`. Raises RunError."""
    from mlxts.runs import index
    from mlxts.search import study_runs

    return index.find(name, study_runs.finder())


def some_runs(names: Sequence[str], notify: Notify, storage_url: str | None = None) -> "Selection":
    """The runs that names resolve to, or all; `notify` is told which are left out.

    Raises:
        RunError: see `index.select`. SearchError: the storage of studies cannot be opened.
    """
    from mlxts.runs import index
    from mlxts.search import study_runs

    selection = index.select(names, study_runs.finder(storage_url))
    if selection.unfinished:
        notify(f"left out, not finished: {', '.join(run.name for run in selection.unfinished)}")
    for why in selection.damaged.values():
        notify(f"left out, damaged: {why}")
    return selection


def complete_predictions(folders: Sequence[Path], notify: Notify) -> None:
    """Predict what finished runs lack: windows of walk-forward runs that nobody has asked for yet,
    a table that is gone, the references of a run of an earlier version."""
    from mlxts.runs.folder import RunFolder

    lacking = [folder for folder in folders if not RunFolder(folder).is_predicted]
    if lacking:  # else nothing that trains is imported
        from mlxts import walk_forward

        walk_forward.complete(lacking, notify)


def record_test_evaluation(evaluation: str, score_on: str, notify: Notify) -> None:
    """Record a test-set evaluation before it happens. Raises StorageError."""
    from mlxts.evaluation import test_split_log

    count = test_split_log.record(evaluation, score_on)
    notify(f"test-set evaluation {count}, recorded in {test_split_log.path()}")
