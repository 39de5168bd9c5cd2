"""`mlxts.train` and `mlxts.sweep`: from a configuration, and a data frame, to finished runs."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from mlxts import console, experiment
from mlxts.api.saved_run import Run
from mlxts.api.selected_runs import silent
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config, load_config
from mlxts.config.yamltext import overridden
from mlxts.data import frames
from mlxts.data.frames import Frame
from mlxts.errors import ConfigError, RunError
from mlxts.evaluation import run_listing
from mlxts.files import canonical_hash, runs_folder
from mlxts.platform import device_lock
from mlxts.search import storage, sweep_config, worker
from mlxts.search import sweep as sweeps
from mlxts.search.jobs import Job
from mlxts.training.events import Listener
from mlxts.training.plan import Plan, make_plan

Progress = Listener | bool | None
# What a mapping need not say: a strict experiment wants a batch size tuned on this machine.
_DEFAULTS: Mapping[str, Any] = {"name": "python", "mode": "exploratory"}
_LISTED = ("n_total", "log_loss", "rmse", "auc", "skill", "reference", "verdict")


def train(
    config: Mapping[str, Any] | ExperimentConfig | str | Path,
    data: Frame | None = None,
    *,
    symbol: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Progress = None,
) -> Run:
    """Train one model, restore its best weights and score it against HAR and linear.

    A run that is finished is not trained again; one that was cut short goes on where it stopped.

        run = mlxts.train({"budget": "0.2M", "task": "threshold_1pct"}, data=bars)

    Args:
        config: keys of a configuration file (exploratory, unless it says `mode: strict`), or the
            path of such a file.
        data: bars to train on: a frame of Polars (eager or lazy), pandas (dates may be its index)
            or PyArrow with date, open, high, low, close, volume and, of several symbols, symbol;
            columns as vendors spell them. They are checked and stored in the workspace, as
            `mlxts data import` does, and take the place of `data.symbols`; the first symbol is
            scored unless `data.score_on` names another. None: the registered data that the
            configuration names.
        symbol: what a frame without a column of symbols is of; by default ASSET.
        overrides: dotted keys, as after `--set`: {"training.max_epochs": 3}.
        progress: called with every event (`mlxts.training.events`); True: lines, False: nothing;
            None: a live screen in a terminal, else nothing.

    Raises:
        ConfigError: a key or value that no experiment can have.
        DataError: bars that are missing, or that cannot be true.
        RunError: training was stopped (temperature); the same call continues it.
        KeyboardInterrupt: by Ctrl-C; the same call continues it.
        MlxtsError: see `make_plan` and `run_experiment`.
    """
    plan = make_plan(_experiment(config, data, symbol, overrides or {}))
    with device_lock.place_on_device(), _reporter(progress) as emit:
        summary = experiment.run_experiment(plan, emit=emit, resume=True)
    if summary["status"] not in experiment.FINISHED:
        _raise_stopped(summary["status"], f"{plan.run_id}: {summary['message']}")
    return Run(plan.folder)


def sweep(
    config: Mapping[str, Any] | str | Path,
    data: Frame | None = None,
    *,
    symbol: str | None = None,
    progress: Progress = None,
) -> pl.DataFrame:
    """Train every combination of a sweep's axes, each once, and list the results.

        mlxts.sweep({"name": "sizes", "base": {"task": "range"},
                     "axes": {"seed": [0, 1], "budget": ["0.02M", "0.2M"]}}, data=bars)

    Args:
        config: keys of a sweep's file (`name`, `base`: an experiment's keys, exploratory unless it
            says `mode: strict`, `axes`), or the path of one.
        data, symbol, progress: see `mlxts.train`.

    Returns:
        A row for each combination, in the order of the sweep: a column for each axis, state (done,
        failed, ...), run_id, validation_loss, n_total, log_loss or rmse, auc, skill over the
        reference, reference, verdict, and why a run failed.

    Raises:
        ConfigError: a key or value that no sweep can have, or two equal experiments.
        DataError, KeyboardInterrupt, RunError: see `mlxts.train`.
    """
    definition = _sweep(config, data, symbol)

    @contextmanager
    def listen(job: Job, plan: Plan) -> Generator[Listener]:
        with _reporter(progress) as emit:
            yield emit

    with storage.opened() as store, device_lock.place_on_device():
        study = sweeps.create(store, definition)
        report = worker.loop(
            store, listen=listen, notify=silent, only=study.study_name, exit_when_idle=True
        )
        if report.stopped_by:
            _raise_stopped(report.stopped_by, f"{study.study_name}: {report.outcomes[-1].why}")
        return pl.DataFrame([_row(p) for p in sweeps.points(study)], infer_schema_length=None)


def _raise_stopped(status: str, message: str) -> None:
    text = f"{message.replace('continue with --resume', 'the same call continues it')}"
    raise KeyboardInterrupt(text) if status == "interrupted" else RunError(text)


def _experiment(
    config: Mapping[str, Any] | ExperimentConfig | str | Path,
    data: Frame | None,
    symbol: str | None,
    overrides: Mapping[str, Any],
) -> ExperimentConfig:
    if isinstance(config, str | Path):
        given = load_config(Path(config), dict(overrides)).model_dump(mode="json")
    elif isinstance(config, ExperimentConfig):
        given = overridden(config.model_dump(mode="json"), dict(overrides))
    else:
        given = overridden({**_DEFAULTS, **_mapping(config)}, dict(overrides))
    return build_config(given if data is None else _reading(given, data, symbol))


def _sweep(
    config: Mapping[str, Any] | str | Path, data: Frame | None, symbol: str | None
) -> sweep_config.Sweep:
    if isinstance(config, str | Path):
        definition = sweep_config.load(Path(config))
    else:
        given = dict(_mapping(config))
        base = {"mode": _DEFAULTS["mode"], **_mapping(given.get("base", {}))}
        definition = sweep_config.build(given | {"base": base})
    if data is None:
        return definition
    base = _reading(definition.base, data, symbol)
    # Its name is of its runs, to which other bytes of one symbol are the same experiment.
    content = canonical_hash(base["data"]["artifact_sha256"])[:8]
    return definition.model_copy(update={"base": base, "name": f"{definition.name}-{content}"})


def _mapping(config: Any) -> Mapping[str, Any]:
    if not isinstance(config, Mapping):
        raise ConfigError(
            f"a configuration is a mapping of its keys or the path of a file, not "
            f"{type(config).__name__}"
        )
    return config


def _reading(values: Mapping[str, Any], data: Frame, symbol: str | None) -> dict[str, Any]:
    """The keys of an experiment that reads a frame's bars, which are registered."""
    section = dict(values.get("data", {}))
    artifacts = frames.register(data, symbol)
    pinned = {name: artifact.sha256 for name, artifact in artifacts.items()}
    scored = section.get("score_on")
    section |= {
        "source": frames.SOURCE,
        "symbols": list(pinned),
        "artifact_sha256": {**section.get("artifact_sha256", {}), **pinned},
        "score_on": scored if scored in pinned else next(iter(pinned)),
    }
    return {**values, "data": section}


@contextmanager
def _reporter(progress: Progress) -> Generator[Listener]:
    """The listener that `progress` asks for."""
    if callable(progress):
        yield progress
        return
    with console.make(quiet=not (progress or (progress is None and _is_terminal()))) as emit:
        yield emit


def _is_terminal() -> bool:
    from rich.console import Console

    return console.can_redraw(Console(file=sys.stdout), sys.stdout)


def _row(point: sweeps.SweepPoint) -> dict[str, Any]:
    run_id = point.attribute("run_id")
    done = point.state == "done" and point.trial is not None
    listed = run_listing.describe(runs_folder() / run_id) if done and run_id else {}
    return {
        **point.point.values,
        "state": point.state,
        "run_id": run_id,
        "validation_loss": point.trial.value if done and point.trial else None,
        **{name: listed.get(name) for name in _LISTED},
        "why": point.why,
    }
