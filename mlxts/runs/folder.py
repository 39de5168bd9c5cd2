"""A run folder as an object: what it holds, read and checked on access."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mlxts import json_files
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import load_stored
from mlxts.errors import MlxtsError, RunError
from mlxts.runs import layout, logs, predictions, references, upgrade
from mlxts.runs.records import Metadata, Summary
from mlxts.runs.references import Reference
from mlxts.runs.scored_task import ScoredTask

WINDOW = "test"  # where a walk-forward run keeps the window that it is scored on
_RESTORE = (
    "restore it from a backup; or, if no process trains it, move the run's folder away and train "
    "the run again"
)


@dataclass(frozen=True)
class RunFolder:
    """A run on disk, started or finished."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def has_begun(self) -> bool:
        """Whether it was trained at all."""
        return (self.path / layout.METADATA).is_file()

    @property
    def is_finished(self) -> bool:
        """Whether it has come to its summary."""
        return (self.path / layout.SUMMARY).exists()

    def metadata(self, needs: Sequence[str] = ()) -> dict[str, Any]:
        """run.json as it was written, keys of earlier versions under their names of today.

        Args:
            needs: dotted keys that must be there besides `run_id` and `config`.

        Raises:
            RunError: there is none, or it is damaged.
        """
        path = self.path / layout.METADATA
        if not self.has_begun:
            raise RunError(
                f"{self.path} holds no readable {layout.METADATA}; `mlxts runs` lists runs"
            )
        return json_files.read(
            path, Metadata, error=RunError, remedy=_RESTORE, needs=needs, upgrade=upgrade.metadata
        )

    def summary(self, needs: Sequence[str] = ()) -> dict[str, Any]:
        """summary.json as it was written, keys of earlier versions under their names of today.

        Args:
            needs: dotted keys that must be there.

        Raises:
            RunError: the run has not been trained to its end, or the file is damaged.
        """
        if not self.is_finished:
            raise RunError(
                f"run {self.id} has no {layout.SUMMARY} yet; train it to its end with --resume"
            )
        remedy = (
            "restore it from a backup, or delete that file: `mlxts train CONFIG --resume` writes "
            "it again from the last checkpoint"
        )
        path = self.path / layout.SUMMARY
        return json_files.read(
            path, Summary, error=RunError, remedy=remedy, needs=needs, upgrade=upgrade.summary
        )

    def damage(self) -> str | None:
        """What is wrong with its own files, in one line; None where nothing is."""
        try:
            self.metadata()
            if self.is_finished:
                self.summary(("status",))
        except MlxtsError as error:
            return str(error)
        return None

    def config(self) -> ExperimentConfig:
        """The resolved configuration. Raises ConfigError where this version cannot read it."""
        return load_stored(self.path / layout.CONFIG)

    @property
    def is_walk_forward(self) -> bool:
        """Whether it is a run of a forecast origin, not of the fixed splits. Raises RunError."""
        settings = self.metadata(("config.data",))["config"]
        return settings["data"].get("walk_forward_window") is not None

    @property
    def scored_task(self) -> ScoredTask:
        """What its forecasts are scored on. Raises RunError."""
        return ScoredTask.of(self.metadata([f"config.{key}" for key in ScoredTask.NEEDS])["config"])

    @property
    def is_predicted(self) -> bool:
        """Whether it holds predictions of every model; of a walk-forward run those of its window
        as well. Raises RunError, DataError."""
        if not predictions.is_current(self.path / layout.PREDICTIONS):
            return False
        return not self.is_walk_forward or WINDOW in self.predictions()["split"]

    def predictions(self) -> pl.DataFrame:
        """Those of every model. Raises DataError: see `predictions.read`."""
        return predictions.read(self.path / layout.PREDICTIONS)

    def references(self) -> dict[str, Reference]:
        """By symbol. Raises DataError: see `references.read`."""
        return references.read(self.path / layout.REFERENCES)

    def metrics(self) -> list[dict[str, Any]]:
        """The whole lines of metrics.jsonl. Raises RunError."""
        return logs.read(self.path / layout.METRICS)

    def step_seconds(self) -> list[float]:
        """How long every step took, over all the processes that it ran in. Raises RunError."""
        return [row["seconds"] for row in self.metrics() if row["split"] == "train"]

    def events(self) -> list[dict[str, Any]]:
        """The whole lines of events.jsonl. Raises RunError."""
        return logs.read(self.path / layout.EVENTS)

    @property
    def checkpoints(self) -> Path:
        """The folder of its weights."""
        return self.path / layout.CHECKPOINT

    @property
    def lock(self) -> Path:
        return self.path / layout.LOCK
