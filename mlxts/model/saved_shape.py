"""The shape of a trained model, read from its run folder."""

from mlxts import json_files
from mlxts.errors import RunError
from mlxts.model.patchtst import Shape, current_fields
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder


def read_shape(run: RunFolder) -> Shape:
    """What the model of a run is. Raises RunError: its run.json is damaged."""
    return json_files.build(
        current_fields(run.metadata(("shape",))["shape"]),
        Shape,
        where=f"{run.path / layout.METADATA}: shape",
        error=RunError,
        remedy="restore it from a backup, or train the run again",
    )
