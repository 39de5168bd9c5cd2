"""Predicting what runs lack, before a command reads them."""

from collections.abc import Sequence
from pathlib import Path

from mlxts.cli.output import note


def complete_predictions(folders: Sequence[Path]) -> None:
    """Predict what finished runs lack: windows of walk-forward runs that nobody has asked for yet,
    a table that is gone, the references of a run of an earlier version."""
    from mlxts.runs import predictions
    from mlxts.scaling import ledger, walk_forward_ledger

    lacking = [
        folder
        for folder in ledger.finished(folders)
        if not predictions.is_current(folder)
        or (
            walk_forward_ledger.is_walk_forward(folder)
            and not predictions.holds(folder, walk_forward_ledger.WINDOW)
        )
    ]
    if lacking:  # else nothing that trains is imported
        from mlxts import walk_forward

        walk_forward.complete(lacking, note)
