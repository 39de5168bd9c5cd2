"""Weights & Biases, offline: a folder under outputs/tracking/wandb that `wandb sync` can send.

An offline folder cannot be opened again. A run that is resumed, or exported again, gets a new one
that holds all of it, and the older ones go when that is complete.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from mlxts.tracking import base
from mlxts.training.events import Event


class WandbTracker:
    """See `base.Tracker`. No network is used; `wandb sync` asks for the account."""

    def __init__(self, folder: Path, project: str) -> None:
        """`folder`: that `wandb/` comes to lie in. `project`: W&B's."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        for kind in ("CACHE", "CONFIG", "DATA"):  # not in the home folder
            os.environ.setdefault(f"WANDB_{kind}_DIR", str(folder / "wandb_own"))
        import wandb

        self._wandb, self._folder, self._project = wandb, folder, project
        self._run: Any = None
        self._before: list[Path] = []

    def start(self, metadata: dict[str, Any], config: dict[str, Any]) -> None:
        run_id = metadata["run_id"]
        tags = [str(config[key]) for key in ("mode", "budget", "task", "timescale")]
        self._run = self._wandb.init(
            project=self._project,
            id=run_id,
            name=run_id,
            mode="offline",
            dir=self._folder,
            config=base.parameters(metadata, config) | base.tags(metadata, config),
            tags=tags,
            settings=self._wandb.Settings(
                silent=True,
                console="off",  # the terminal is the run's own
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
            ),
        )
        folder = Path(self._run.sync_dir)
        same_run = folder.parent.glob(f"offline-run-*-{run_id}")
        self._before = [f for f in same_run if f.resolve() != folder.resolve()]

    def log(self, event: Event, time: float) -> None:
        figures = base.metrics(event)
        if figures:
            self._run.log({**figures, "time": time}, step=event.step)

    def finish(self, summary: dict[str, Any], artifacts: list[Path]) -> None:
        texts = {key: summary.get(key) for key in ("status", "message", "verdict")}
        texts = {key: value for key, value in texts.items() if value}
        self._run.summary.update(base.scores(summary) | texts)
        # Copies, since a link would lead nowhere on another machine; in a folder of their own,
        # since W&B writes a config.yaml too.
        inside = Path(self._run.dir)
        (inside / "run").mkdir(parents=True, exist_ok=True)
        for path in artifacts:
            copy = inside / "run" / path.name
            shutil.copyfile(path, copy)
            self._run.save(str(copy), base_path=str(inside), policy="now")
        self._run.finish(exit_code=0 if base.exit_status(summary["status"]) == base.FINISHED else 1)
        for folder in self._before:
            shutil.rmtree(folder, ignore_errors=True)
