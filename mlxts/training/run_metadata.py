"""run.json: what a run is, written before its first step, and what changed when it went on."""

from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxts import code_version
from mlxts.files import write_json
from mlxts.platform import device
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder

if TYPE_CHECKING:
    from mlxts.training.run import Plan


def begin(plan: "Plan", sensor: dict[str, Any]) -> None:
    """Write it for a run that has not begun. Raises StorageError."""
    write_json(
        plan.folder / layout.METADATA,
        {
            **plan.record(),
            "config": plan.config.model_dump(mode="json"),
            "config_hash": plan.config.hash,
            "data_hash": plan.dataset.data_hash,
            "code_version": code_version.of(code_version.RUN),
            "git_commit": code_version.git_commit(),
            "splits": plan.dataset.splits_name,
            "artifacts": [asdict(artifact) for artifact in plan.dataset.artifacts],
            "shape": plan.shape.record(),
            "machine": device.describe(),
            "sensor": sensor,
            "versions": {
                name: version(name) for name in ("mlxts", "mlx", "numpy", "polars", "TA-Lib")
            },
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def go_on(folder: Path, step: int, sensor: dict[str, Any]) -> str:
    """Note which sensor watches a run from `step` on, if it is another than before.

    Temperatures of two sources do not compare. The one of the beginning stays under `sensor`,
    the others follow under `later_sensors`, each with its first step.

    Returns:
        What to say about it; empty where nothing changed.

    Raises:
        RunError: there is no run.json, or it is damaged. StorageError: it could not be written.
    """
    said = RunFolder(folder).metadata(("sensor",))
    # What was noted after the checkpoint from which the run goes on did not happen.
    later = [other for other in said.get("later_sensors", []) if other["from_step"] < step]
    before = (later[-1] if later else said["sensor"]).get("source")
    source = sensor.get("source")
    if source != before:
        later.append({**sensor, "from_step": step})
    if later != said.get("later_sensors", []):
        write_json(folder / layout.METADATA, {**said, "later_sensors": later})
    return "" if source == before else f"temperatures now come from {source}, before from {before}"


def micro_batch(folder: Path) -> int | None:
    """The micro-batch that a run began with; None where it has not begun.

    Raises:
        RunError: its run.json cannot be read.
    """
    if not RunFolder(folder).has_begun:
        return None
    return RunFolder(folder).metadata(("micro_batch",))["micro_batch"]
