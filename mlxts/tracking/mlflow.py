"""MLflow, its SQLite store in outputs/tracking/mlflow.db; `mlflow ui` shows it without a network.

A run is found by its tag `mlxts.run_id`: going on and exporting again add what is missing there
and repeat nothing. Numbers go in batches, so that a step costs no transaction.
"""

import logging
import os
import time as clock
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from mlxts.tracking import base
from mlxts.training.events import Event

BATCH = 500  # numbers that wait at most; the store takes 1000 at once
SECONDS = 5.0  # that they wait at most, while there is news
_AT_ONCE = 100  # parameters or tags in one call
_LONGEST = 5000  # characters of a tag's or parameter's value


class MLflowTracker:
    """See `base.Tracker`. Opens the store where `begin` is called."""

    def __init__(self, folder: Path, project: str) -> None:
        """`folder`: of the store and the artifacts. `project`: MLflow's experiment."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        for noisy in ("alembic", "mlflow"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        self._folder, self._project = folder, project
        # Two runs that begin at once must not both lay out the tables.
        self._lock = FileLock(folder / ".mlflow.lock")
        with self._lock:
            self._client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
            self._experiment = self._experiment_id()
        self._id = ""
        self._logged: set[tuple[str, int]] = set()
        self._pending: list[Any] = []
        self._sent_at = clock.monotonic()
        self._latest = 0.0

    def start(self, metadata: dict[str, Any], config: dict[str, Any]) -> None:
        from mlflow.entities import Param, RunTag

        tags = base.tags(metadata, config)
        with self._lock:
            matches = self._client.search_runs(
                [self._experiment], f"tags.`mlxts.run_id` = '{metadata['run_id']}'", max_results=1
            )
            if matches:
                run = matches[0]
                self._client.update_run(run.info.run_id, status="RUNNING")
            else:
                run = self._client.create_run(
                    self._experiment,
                    start_time=_milliseconds(metadata.get("started")),
                    tags={"mlxts.run_id": tags["mlxts.run_id"]},
                    run_name=metadata["run_id"],
                )
        self._id = run.info.run_id
        for key in run.data.metrics:
            history = self._client.get_metric_history(self._id, key)
            self._logged |= {(key, point.step) for point in history}
        parameters = base.parameters(metadata, config)
        params = [
            Param(key, str(value)[:_LONGEST])
            for key, value in parameters.items()
            if key not in run.data.params  # which never change there; thermal settings may here
        ]
        new = [RunTag(key, value[:_LONGEST]) for key, value in tags.items()]
        for first in range(0, len(params), _AT_ONCE):
            self._client.log_batch(self._id, params=params[first : first + _AT_ONCE])
        self._client.log_batch(self._id, tags=new)

    def log(self, event: Event, time: float) -> None:
        self._latest = max(self._latest, time)
        self._add(base.metrics(event), event.step, time)
        late = clock.monotonic() - self._sent_at > SECONDS
        if len(self._pending) >= BATCH or (self._pending and late):
            self._send()

    def finish(self, summary: dict[str, Any], artifacts: list[Path]) -> None:
        figures = base.scores(summary)
        self._add(figures, int(summary.get("steps", 0)), self._latest or clock.time())
        self._send()
        for path in artifacts:
            self._client.log_artifact(self._id, str(path))
        tags = {
            "mlxts.status": summary["status"],
            "mlxts.message": summary.get("message"),
            "mlflow.note.content": summary.get("verdict"),  # on top of the run's page
        }
        for key, value in tags.items():
            if value:
                self._client.set_tag(self._id, key, str(value)[:_LONGEST])
        ended = int((self._latest or clock.time()) * 1000)
        status = base.exit_status(summary["status"])
        self._client.set_terminated(self._id, status=status, end_time=ended)

    def _experiment_id(self) -> str:
        experiment = self._client.get_experiment_by_name(self._project)
        if experiment is not None:
            return experiment.experiment_id
        artifacts = (self._folder / "mlflow_artifacts").as_uri()
        return self._client.create_experiment(self._project, artifact_location=artifacts)

    def _add(self, figures: dict[str, float], step: int, time: float) -> None:
        from mlflow.entities import Metric

        self._pending += [
            Metric(key, value, int(time * 1000), step)
            for key, value in figures.items()
            if (key, step) not in self._logged
        ]

    def _send(self) -> None:
        while self._pending:
            batch, self._pending = self._pending[:BATCH], self._pending[BATCH:]
            self._client.log_batch(self._id, metrics=batch)
        self._sent_at = clock.monotonic()


def _milliseconds(started: str | None) -> int | None:
    return None if started is None else int(datetime.fromisoformat(started).timestamp() * 1000)
