"""One run's story, told to any tracker, and what each of them then holds, in one form.

`python -m tests.tracking.stories mlflow FOLDER twice` tells it to a real library in a process of
its own (there warnings are no errors) and prints what can be read back as JSON.
"""

import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlxts.tracking import base, trackers
from mlxts.tracking.base import Tracker
from mlxts.training.events import (
    CheckpointEvent,
    EpochEvent,
    Event,
    NoticeEvent,
    StartEvent,
    StepEvent,
    StopEvent,
    ThermalEvent,
    ValidationEvent,
)

RUN_ID = "0.02M-daily-threshold_1pct-h1-s0-0123456789"
RECORD = {
    "run_id": RUN_ID,
    "n_total": 20_000,
    "config_hash": "abc",
    "machine": {"device": "cpu"},
    "sensor": {"source": "off"},
    "started": "2026-01-02T03:04:05+00:00",
}
CONFIG = {
    "name": "small",
    "mode": "exploratory",
    "budget": "0.02M",
    "task": "threshold_1pct",
    "timescale": "daily",
    "seed": 0,
    "training": {"learning_rate": 1e-4},
    "tracking": {"to": ["mlflow"], "project": "p"},
}
SUMMARY = {
    "status": "finished",
    "message": "the last epoch is done",
    "verdict": "patchtst beats HAR",
    "steps": 1200,
    "scores": {"validation": {"patchtst": {"auc": 0.61, "collapsed": False}}},
}


def events(first: int = 1, last: int = 1200) -> list[tuple[Event, float]]:
    """More steps than one call to a store may hold, and one event of every other kind."""
    told: list[tuple[Event, float]] = [(StartEvent(first - 1, 1200, 2, first > 1), 1e9)]
    for step in range(first, last + 1):
        event = StepEvent(step, 0, 1.0 / step, 1e-4, 0.5, 32, 0.01, {"peak": 1000 + step})
        told.append((event, 1e9 + step))
        if step % 600 == 0:
            at = 1e9 + step + 0.5
            told.append((ValidationEvent(step, 0, 0.7, 0.6, True, (0.1, 0.3)), at))
            told.append((EpochEvent(step, 0, 0.65, 6.0), at))
            told.append((ThermalEvent(step, "normal", 55.5, "scripted", "", cpu=55.0), at))
            told.append((CheckpointEvent(step, "checkpoint/last", False), at))
    told.append((NoticeEvent(last, "look"), 1e9 + last + 1))
    told.append((StopEvent(last, "finished", "the last epoch is done"), 1e9 + last + 1))
    return told


def tell(tracker: Tracker, folder: Path, story: list[tuple[Event, float]]) -> None:
    """All of it, with two files as artifacts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.yaml", "summary.json"):
        (folder / name).write_text(f"{name} of the run")
    tracker.start(RECORD, CONFIG)
    for event, time in story:
        tracker.log(event, time)
    tracker.finish(SUMMARY, base.artifacts(folder))


class Recording:
    """A tracker in memory, which keeps a run under its id as the others do."""

    def __init__(self, runs: dict[str, dict[str, Any]]) -> None:
        self._runs = runs

    def start(self, metadata: dict[str, Any], config: dict[str, Any]) -> None:
        held = self._runs.setdefault(metadata["run_id"], {"metrics": {}, "artifacts": {}})
        self._held = held
        held["params"] = {k: str(v) for k, v in base.parameters(metadata, config).items()}
        held["tags"] = base.tags(metadata, config)

    def log(self, event: Event, time: float) -> None:
        self._held.setdefault("events", []).append(event)
        for key, value in base.metrics(event).items():
            self._held["metrics"].setdefault(key, {})[event.step] = value

    def finish(self, summary: dict[str, Any], artifacts: list[Path]) -> None:
        self._held["status"] = base.exit_status(summary["status"])
        self._held["summary"] = summary
        self._held["scores"] = base.scores(summary)
        self._held["artifacts"] = {
            path.name: path.read_text(errors="replace") for path in artifacts
        }


def held_by_mlflow(folder: Path, project: str) -> dict[str, Any]:
    """The one run of the store, through MLflow's own API."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(project)
    (run,) = client.search_runs([experiment.experiment_id])
    metrics = {}
    for key in run.data.metrics:
        history = client.get_metric_history(run.info.run_id, key)
        assert len({one.step for one in history}) == len(history), f"{key} is there twice"
        metrics[key] = {one.step: one.value for one in history}
    artifacts = {
        one.path: Path(client.download_artifacts(run.info.run_id, one.path)).read_text()
        for one in client.list_artifacts(run.info.run_id)
    }
    return {
        "params": run.data.params,
        "metrics": {k: v for k, v in metrics.items() if not k.startswith(("score/", "summary/"))},
        "tags": {k: v for k, v in run.data.tags.items() if k.startswith("mlxts.")},
        "artifacts": artifacts,
        "status": run.info.status,
        "scores": {
            k: v for k, v in run.data.metrics.items() if k.startswith(("score/", "summary/"))
        },
    }


def held_by_wandb(folder: Path, project: str) -> dict[str, Any]:
    """What the one offline folder holds, record by record."""
    from wandb.proto import wandb_internal_pb2

    (run,) = (folder / "wandb").glob("offline-run-*")
    params, metrics, scores, status, tags = {}, {}, {}, "", []
    for data in _records(next(run.glob("*.wandb")).read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            assert record.run.project == project
            tags = list(record.run.tags)
            config = {i.key: json.loads(i.value_json) for i in record.run.config.update}
            params |= {k: v for k, v in config.items() if not k.startswith("_")}
        elif kind == "history":
            row = {
                (i.key or ".".join(i.nested_key)): json.loads(i.value_json)
                for i in record.history.item
            }
            step = int(row.pop("_step", record.history.step.num))
            for key, value in row.items():
                if "/" in key:
                    metrics.setdefault(key, {})[step] = value
        elif kind == "summary":
            said = {
                (i.key or ".".join(i.nested_key)): json.loads(i.value_json)
                for i in record.summary.update
            }
            scores |= {k: v for k, v in said.items() if k.startswith(("score/", "summary/"))}
        elif kind == "exit":
            status = base.FINISHED if record.exit.exit_code == 0 else base.KILLED
    return {
        "params": {k: str(v) for k, v in params.items() if not k.startswith("mlxts.")},
        "metrics": metrics,
        "tags": {k: v for k, v in params.items() if k.startswith("mlxts.")},
        "labels": tags,
        "artifacts": {p.name: p.read_text() for p in sorted((run / "files" / "run").iterdir())},
        "status": status,
        "scores": scores,
    }


def _records(data: bytes) -> list[bytes]:
    """LevelDB's log format, as W&B writes it: blocks of 32 KiB, parts of records inside."""
    place, found, part = 7, [], b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or its last part
            found.append(part)
            part = b""
    return found


READERS: dict[str, Callable[[Path, str], dict[str, Any]]] = {
    "mlflow": held_by_mlflow,
    "wandb": held_by_wandb,
}


def main(name: str, home: Path, how: str) -> None:
    os.environ["MLXTS_HOME"] = str(home)
    parts = [events()] if how == "once" else [events(1, 700), events()]
    for story in parts:
        tell(trackers.make(name, "p"), home / "run", story)
    print("HELD " + json.dumps(READERS[name](trackers.folder(), "p")))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
