"""run.json: what a run is, written before its first step, and what changed when it was resumed."""

from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlxts import code_version
from mlxts.files import SCHEMA, write_json
from mlxts.platform import device
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.training.plan import Plan


def write(plan: Plan, sensor: dict[str, Any]) -> None:
    """Write it for a run that has not begun. Raises StorageError."""
    write_json(
        plan.folder / layout.METADATA,
        {
            "schema": SCHEMA,
            **plan.to_dict(),
            "config": plan.config.model_dump(mode="json"),
            "config_hash": plan.config.hash,
            "data_hash": plan.dataset.data_hash,
            "code_version": code_version.of(code_version.RUN),
            "git_commit": code_version.git_commit(),
            "splits": plan.dataset.splits_name,
            "artifacts": [asdict(artifact) for artifact in plan.dataset.artifacts],
            "shape": plan.shape.to_dict(),
            "machine": device.describe(),
            "sensor": sensor,
            "versions": {
                name: version(name) for name in ("mlxts", "mlx", "numpy", "polars", "TA-Lib")
            },
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def add_sensor(folder: Path, step: int, sensor: dict[str, Any]) -> str:
    """Note which sensor watches a run that is resumed at `step`, if it is another than before.

    Temperatures of two sources do not compare. The one of the beginning stays under `sensor`,
    the others follow under `later_sensors`, each with its first step.

    Returns:
        A notice about it; empty where nothing changed.

    Raises:
        RunError: there is no run.json, or it is damaged. StorageError: it could not be written.
    """
    metadata = RunFolder(folder).metadata(("sensor",))
    recorded = metadata.get("later_sensors", [])
    # What was noted after the checkpoint from which the run is resumed did not happen.
    later = [other for other in recorded if other["from_step"] < step]
    before = (later[-1] if later else metadata["sensor"]).get("source")
    source = sensor.get("source")
    if source != before:
        later.append({**sensor, "from_step": step})
    if later != recorded:
        write_json(folder / layout.METADATA, {**metadata, "later_sensors": later})
    return "" if source == before else f"temperatures now come from {source}, before from {before}"
