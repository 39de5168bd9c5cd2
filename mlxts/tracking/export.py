"""A run that is there already, brought to a tracker from its own record."""

from pathlib import Path
from typing import Any

from mlxts.errors import MlxtsError, TrackingError
from mlxts.runs.folder import RunFolder
from mlxts.tracking import base, replay
from mlxts.tracking.base import Tracker


def export(folder: Path, tracker: Tracker) -> int:
    """Tell a tracker all of a run; a second time nothing is there twice.

    Returns:
        How many events were told.

    Raises:
        RunError: the folder holds no run.
        TrackingError: the tracker refused it.
    """
    record = RunFolder(folder).metadata()
    count = 0
    try:
        tracker.begin(record, record["config"])
        for event, time in replay.told(folder):
            tracker.tell(event, time)
            count += 1
        tracker.end(ending(folder), base.files(folder))
    except MlxtsError:
        raise
    except Exception as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise TrackingError(f"{folder.name} could not be exported: {what[:300]}") from error
    return count


def ending(folder: Path) -> dict[str, Any]:
    """summary.json, or, before there is one, why the run last stopped."""
    if RunFolder(folder).is_finished:
        return RunFolder(folder).summary(("status",))
    stops = [row for row in RunFolder(folder).events() if row["event"] == "stop"]
    if not stops:
        return {"status": "unfinished", "message": "it did not come to an end yet"}
    return {"status": stops[-1]["reason"], "message": stops[-1]["message"]}
