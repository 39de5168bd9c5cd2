"""`worker`: process the queued jobs of a storage, runs of sweeps and trials of searches."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mlxts.cli.output import note

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from mlxts.search.jobs import Job, Outcome
    from mlxts.training.events import Listener
    from mlxts.training.plan import Plan

StorageOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="MLXTS_STORAGE",
        help="postgresql+psycopg://user@host/database for several machines; default: a journal "
        "file in outputs/search, for one. Keep a password in ~/.pgpass.",
    ),
]
HeartbeatOption = Annotated[
    int, typer.Option(min=1, max=86_400, help="Seconds between two heartbeats to a database.")
]
HeartbeatTimeoutOption = Annotated[
    int,
    typer.Option(
        min=1, max=604_800, help="Seconds without a heartbeat until a worker counts as dead."
    ),
]
PerDeviceOption = Annotated[
    int,
    typer.Option(
        "--workers-per-device", min=1, max=1024, help="Runs that may train on this device at once."
    ),
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="If the device is in use, wait until it is free.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress, only finished jobs.")]


def worker(
    storage: StorageOption = None,
    once: Annotated[bool, typer.Option("--once", help="End after one job.")] = False,
    exit_when_idle: Annotated[
        bool, typer.Option("--exit-when-idle", help="End when all jobs are done, on all machines.")
    ] = False,
    study: Annotated[str | None, typer.Option(help="Only this study.")] = None,
    per_device: PerDeviceOption = 1,
    wait: WaitOption = False,
    heartbeat: HeartbeatOption = 60,
    heartbeat_timeout: HeartbeatTimeoutOption = 120,
    quiet: QuietOption = False,
) -> None:
    """Process queued jobs of any kind: runs of sweeps and trials of searches."""
    from mlxts.search import storage as storages

    beat = storages.Heartbeat(heartbeat, heartbeat_timeout)
    with storages.opened(storage, beat, notify=note) as store:
        work(
            store, only=study, per_device=per_device, wait=wait, quiet=quiet,
            exit_when_idle=exit_when_idle, once=once,
        )  # fmt: skip


def work(
    store: "BaseStorage",
    *,
    only: str | None,
    per_device: int,
    wait: bool,
    quiet: bool,
    exit_when_idle: bool,
    once: bool = False,
) -> None:
    """Work until the loop ends; its exit code gives the reason."""
    import signal

    import optuna

    from mlxts.cli.failures import exit_unless_finished
    from mlxts.console import study_screen
    from mlxts.console.study_progress import CurrentTrial
    from mlxts.errors import SearchError
    from mlxts.platform import device, device_lock
    from mlxts.search import snapshot, worker
    from mlxts.search import study as studies

    screen = study_screen.make(quiet=quiet or not sys.stdout.isatty())
    drawn = isinstance(screen, study_screen.LiveStudy)

    @contextmanager
    def listen(job: "Job", plan: "Plan") -> "Generator[Listener]":
        if drawn:
            values = job.trial.params if job.study.user_attrs["kind"] == studies.KIND else {}
            trial = CurrentTrial(job.trial.number, values, job.label)
            screen.begin(snapshot.take(job.study), trial)
        else:
            note(f"{plan.run_id} begins on {device.device_name()}")
        yield screen

    def done(study: str, outcome: "Outcome") -> None:
        if drawn:
            screen.end(snapshot.take(optuna.load_study(study_name=study, storage=store)))
        else:
            print(f"{_sentence(outcome)} ({worker.progress(study, store)})", flush=True)

    # A worker that is asked to end puts back what it has claimed, wherever it is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with device_lock.device_to_itself(per_device, wait=wait, notify=note), screen:
            report = worker.loop(
                store, listen=listen, notify=note, done=done, only=only, once=once,
                exit_when_idle=exit_when_idle,
            )  # fmt: skip
    except KeyboardInterrupt:
        note("interrupted; the unfinished job is queued again")
        exit_unless_finished("interrupted")
    else:
        exit_unless_finished(report.stopped_by or "finished")
        if report.refused and not report.outcomes:
            raise SearchError(next(iter(report.refused.values())))


def _sentence(outcome: "Outcome") -> str:
    name = outcome.run_id or outcome.label
    if outcome.state == "done":
        return f"done {name}: validation loss {outcome.value:.4f}"
    return f"{outcome.state} {name}: {outcome.why}"
