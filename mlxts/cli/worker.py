"""`worker`: do what waits in a storage, runs of sweeps and trials of searches."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mlxts.cli.output import note

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from mlxts.search.sweep_worker import Outcome
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
    int, typer.Option(min=1, max=86_400, help="Seconds between two signs of life to a database.")
]
GraceOption = Annotated[
    int,
    typer.Option(
        min=1, max=604_800, help="Seconds of silence after which a worker counts as dead."
    ),
]
PerDeviceOption = Annotated[
    int,
    typer.Option(
        "--workers-per-device", min=1, max=1024, help="How many may train on this device at once."
    ),
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Where the device is taken, wait until it is free.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress, only what is done.")]


def worker(
    storage: StorageOption = None,
    once: Annotated[bool, typer.Option("--once", help="End after one piece of work.")] = False,
    idle_exit: Annotated[
        bool, typer.Option("--idle-exit", help="End when all work is done, here and elsewhere.")
    ] = False,
    study: Annotated[str | None, typer.Option(help="Work on this study alone.")] = None,
    per_device: PerDeviceOption = 1,
    wait: WaitOption = False,
    heartbeat: HeartbeatOption = 60,
    grace: GraceOption = 120,
    quiet: QuietOption = False,
) -> None:
    """Claim work of any kind, runs of sweeps and trials of searches, and do it."""
    from mlxts.search import storage as storages

    with storages.opened(storage, storages.Heartbeat(heartbeat, grace), tell=note) as store:
        work(
            store, only=study, per_device=per_device, wait=wait, quiet=quiet,
            idle_exit=idle_exit, once=once,
        )  # fmt: skip


def work(
    store: "BaseStorage",
    *,
    only: str | None,
    per_device: int,
    wait: bool,
    quiet: bool,
    idle_exit: bool,
    once: bool = False,
) -> None:
    """Work until the loop ends; its exit code says why."""
    import signal

    from mlxts import protocol
    from mlxts.errors import SearchError
    from mlxts.platform import device
    from mlxts.search import worker, worker_checks

    @contextmanager
    def listen(plan: "Plan") -> "Generator[Listener]":
        from mlxts import console

        note(f"{plan.run_id} begins on {device.device_name()}")
        with console.make(quiet=quiet or not _is_terminal()) as report:
            yield report

    def done(study: str, outcome: "Outcome") -> None:
        print(f"{_sentence(outcome)} ({worker.standing(study, store)})", flush=True)

    # A worker that is told to end puts back what it has claimed, wherever it is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with worker_checks.device_to_itself(per_device, wait=wait, tell=note):
            tally = worker.loop(
                store, listen=listen, tell=note, done=done, only=only, once=once,
                idle_exit=idle_exit,
            )  # fmt: skip
    except KeyboardInterrupt:
        note("interrupted; what was begun waits again")
        raise typer.Exit(protocol.EXIT_INTERRUPTED) from None
    if tally.stopped_by:
        overheated = tally.stopped_by == "overheated"
        raise typer.Exit(protocol.EXIT_OVERHEATED if overheated else protocol.EXIT_INTERRUPTED)
    if tally.refused and not tally.outcomes:
        raise SearchError(next(iter(tally.refused.values())))


def _is_terminal() -> bool:
    import sys

    return sys.stdout.isatty()


def _sentence(outcome: "Outcome") -> str:
    name = outcome.run_id or outcome.label
    if outcome.state == "done":
        return f"done {name}: validation loss {outcome.value:.4f}"
    return f"{outcome.state} {name}: {outcome.why}"
