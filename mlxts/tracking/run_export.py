"""An existing run, exported to a tracker from its own log."""

from pathlib import Path
from typing import Any

from mlxts.errors import MlxtsError, TrackingError
from mlxts.runs.folder import RunFolder
from mlxts.tracking import base, replay
from mlxts.tracking.base import Tracker


def export(folder: Path, tracker: Tracker) -> int:
    """Log all of a run to a tracker; nothing is duplicated when it is done again.

    Returns:
        How many events were logged.

    Raises:
        RunError: the folder holds no run.
        TrackingError: the tracker refused it.
    """
    metadata = RunFolder(folder).metadata()
    count = 0
    try:
        tracker.start(metadata, metadata["config"])
        for event, time in replay.events(folder):
            tracker.log(event, time)
            count += 1
        tracker.finish(result(folder), base.artifacts(folder))
    except MlxtsError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TrackingError(f"{folder.name} could not be exported: {reason[:300]}") from error
    return count


def result(folder: Path) -> dict[str, Any]:
    """summary.json, or, before there is one, why the run last stopped."""
    if RunFolder(folder).is_finished:
        return RunFolder(folder).summary(("status",))
    stops = [row for row in RunFolder(folder).events() if row["event"] == "stop"]
    if not stops:
        return {"status": "unfinished", "message": "it has not finished yet"}
    return {"status": stops[-1]["reason"], "message": stops[-1]["message"]}
