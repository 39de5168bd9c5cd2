"""One run's story, told to any tracker, and what each of them then holds, in one form.

`python -m tests.tracking.stories mlflow FOLDER` tells it to a real library in a process of its own
(there warnings are no errors), once whole and once in two parts that overlap, and prints what can
be read back of each as JSON.
"""

import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlxts.testing.trackers import events, send_events
from mlxts.tracking import base, trackers
from mlxts.training.events import Event


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


PARTS = {"once": [(1, 300)], "twice": [(1, 175), (1, 300)]}


def main(name: str, folder: Path) -> None:
    held = {}
    for how, parts in PARTS.items():
        home = folder / how
        os.environ["MLXTS_HOME"] = str(home)
        for first, last in parts:
            send_events(trackers.make(name, "p"), home / "run", events(first, last))
        held[how] = READERS[name](trackers.folder(), "p")
    print("HELD " + json.dumps(held))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
