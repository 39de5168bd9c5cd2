"""`track`: runs in MLflow or Weights & Biases, from their own record."""

from enum import StrEnum
from typing import Annotated

import typer

from mlxts.cli.output import JsonOption, Note, render

track = typer.Typer(help="Export runs to MLflow or Weights & Biases.", no_args_is_help=True)


class TrackerName(StrEnum):
    mlflow = "mlflow"
    wandb = "wandb"


@track.callback()
def _group() -> None:
    """A group of its own, even with one command."""


@track.command()
def export(
    runs: Annotated[list[str], typer.Argument(help="Run ids, their beginnings, or folders.")],
    to: Annotated[TrackerName, typer.Option("--to", help="Which tracker.")],
    project: Annotated[
        str | None, typer.Option(help="Default: the one of the run's configuration.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export finished or unfinished runs to a tracker; a second export adds what is missing."""
    from mlxts.cli.selected_runs import one_run
    from mlxts.runs.folder import RunFolder
    from mlxts.tracking import export as exports
    from mlxts.tracking import trackers

    exported = []
    for folder in [one_run(name) for name in runs]:  # a wrong name is told before any work
        settings = RunFolder(folder).metadata()["config"].get("tracking", {})
        tracker = trackers.make(to.value, project or settings.get("project", "mlxts"))
        count = exports.export(folder, tracker)
        exported.append({"run_id": folder.name, "to": to.value, "events": count})
    render(
        {"exported": exported, "folder": str(trackers.folder())},
        as_json,
        [
            *(f"{row['run_id']}: {row['events']:,} events" for row in exported),
            Note(f"under {trackers.folder()}; docs/tracking.md shows how to view it"),
        ],
    )
