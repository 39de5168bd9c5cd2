"""`sweep plan`, `run`, `status`: many runs over axes, each trained once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, Part, note, render, show
from mlxts.cli.worker import (
    HeartbeatOption,
    HeartbeatTimeoutOption,
    PerDeviceOption,
    QuietOption,
    StorageOption,
    WaitOption,
    work,
)
from mlxts.tables import Column, Row, Table

if TYPE_CHECKING:
    import optuna

    from mlxts.search.cost_estimate import CostEstimate
    from mlxts.search.sweep import SweepPoint
    from mlxts.search.sweep_config import Sweep

_MOST_ROWS = 200  # of a plan's table; more are grouped where they cost the same

sweep = typer.Typer(
    help="Train every combination of budgets, tasks, horizons, cells, tiers and seeds, once.",
    no_args_is_help=True,
)

ConfigArgument = Annotated[
    Path, typer.Argument(help="A YAML file with axes, e.g. configs/sweeps/phase6a.yaml.")
]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Queue failed runs again.")]


@sweep.command()
def plan(
    config: ConfigArgument,
    storage: StorageOption = None,
    timed: Annotated[
        bool, typer.Option("--timing/--no-timing", help="Time a few steps of each shape.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Plan: parameters, operations, memory, time and state of every run. Writes nothing."""
    from mlxts.search import cost_estimate, sweep_config, worker_checks

    definition = sweep_config.load(config)
    points = definition.points()
    states, hashes = _stored_states(definition, storage)
    estimates = cost_estimate.estimate(
        points,
        hashes or worker_checks.pins(point.config for point in points),
        timed=timed,
        progress=lambda text: None if as_json else note(f"{text} ..."),
    )
    rows = [_planned(cost, states.get(cost.point.label)) for cost in estimates]
    render({"sweep": definition.name, "runs": rows}, as_json, _plan_screen(definition, rows))


@sweep.command()
def run(
    config: ConfigArgument,
    storage: StorageOption = None,
    retry_failed: RetryOption = False,
    queue_only: Annotated[
        bool, typer.Option("--queue-only", help="Queue the runs for workers; train nothing here.")
    ] = False,
    per_device: PerDeviceOption = 1,
    wait: WaitOption = False,
    heartbeat: HeartbeatOption = 60,
    heartbeat_timeout: HeartbeatTimeoutOption = 120,
    quiet: QuietOption = False,
) -> None:
    """Train missing runs. Can be killed at any time; the same command continues."""
    from mlxts.search import storage as storages
    from mlxts.search import sweep as sweeps
    from mlxts.search import sweep_config

    definition = sweep_config.load(config)
    beat = storages.Heartbeat(heartbeat, heartbeat_timeout)
    with storages.opened(storage, beat, notify=note) as store:
        study = sweeps.create(store, definition)
        if retry_failed:
            note(f"{formats.count(sweeps.retry_failed(study, store), 'failed run')} queued again")
        if not queue_only:
            work(
                store, only=study.study_name, per_device=per_device, wait=wait, quiet=quiet,
                exit_when_idle=True,
            )  # fmt: skip
        show(_status_screen(study, [_point_row(point) for point in sweeps.points(study)]))


@sweep.command()
def status(
    config: ConfigArgument,
    storage: StorageOption = None,
    retry_failed: RetryOption = False,
    as_json: JsonOption = False,
) -> None:
    """List finished, running, waiting and failed runs, with reasons."""
    from mlxts.errors import SearchError
    from mlxts.search import storage as storages
    from mlxts.search import sweep as sweeps
    from mlxts.search import sweep_config

    definition = sweep_config.load(config)
    with storages.opened(storage, notify=note) as store:
        study = sweeps.find(store, definition)
        if study is None:
            named = f"sweep-{definition.name}-"
            alike = [name for name in storages.study_names(store) if name.startswith(named)]
            other = f" ({', '.join(alike)}: started with other axes or other code)" if alike else ""
            raise SearchError(
                f"{sweeps.name_of(definition)} is not in this storage{other}; `mlxts sweep run "
                f"{config}` begins it"
            )
        if retry_failed:
            note(f"{formats.count(sweeps.retry_failed(study, store), 'failed run')} queued again")
        rows = [_point_row(point) for point in sweeps.points(study)]
    result = {"study": study.study_name, "runs": rows}
    render(result, as_json, _status_screen(study, rows))


def _stored_states(definition: "Sweep", url: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """The state of each point by its label, and the sha256 of each artifact that it is bound to.

    Both are empty where the sweep was not started; no journal is made for that.
    """
    from mlxts.search import storage as storages
    from mlxts.search import sweep as sweeps

    if url is None and not storages.journal_path().exists():
        return {}, {}
    with storages.opened(url, notify=note) as store:
        study = sweeps.find(store, definition)
        if study is None:
            return {}, {}
        states = {point.point.label: point.state for point in sweeps.points(study)}
        return states, study.user_attrs["data"]


def _planned(cost: "CostEstimate", state: str | None) -> dict[str, Any]:
    return {
        "run": cost.point.label,
        "run_id": cost.run_id,
        "state": "done" if cost.done else state or "missing",
        "n_total": cost.n_total,
        "total_steps": cost.total_steps,
        "flops": cost.flops,
        "memory_bytes": cost.memory_bytes,
        "seconds_per_step": cost.seconds_per_step,
        "seconds": cost.seconds,
        "problem": cost.problem,
    }


def _plan_screen(definition: "Sweep", rows: list[dict[str, Any]]) -> Iterator[Part]:
    columns = (
        Column("run"), Column("n_total", "parameters"),
        Column("flops", "TFLOP", lambda count: formats.three_digits(count / 1e12)),
        Column("memory_bytes", "memory", formats.size),
        Column("seconds", "at most", formats.duration), Column("state"),
    )  # fmt: skip
    shown = [
        {column.key: row[column.key] for column in columns}
        | ({"state": "blocked"} if row["problem"] and row["state"] == "missing" else {})
        for row in rows
    ]
    yield Table(
        f"{definition.name}: {formats.count(len(rows), 'run')}",
        columns,
        shown if len(shown) <= _MOST_ROWS else _grouped(shown, columns),
    )
    for problem in dict.fromkeys(row["problem"] for row in rows if row["problem"]):
        count = sum(row["problem"] == problem for row in rows)
        yield f"{formats.count(count, 'run')} cannot start on this machine: {problem}"
    left = [row for row in rows if row["state"] != "done"]
    seconds = [row["seconds"] for row in left if row["seconds"] is not None]
    sentence = f"{len(rows) - len(left)} done, {len(left)} left"
    if seconds:
        total = formats.duration(sum(seconds))
        sentence += f"; {len(seconds)} of them take at most {total} here"
    yield f"{sentence}. Nothing was written."


def _grouped(rows: list[dict[str, Any]], columns: Sequence[Column]) -> list[Row]:
    """One row for all that are equal but for the run's name, with the first of the names."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(column.text(row) for column in columns[1:]), []).append(row)
    return [
        first | ({"run": f"{first['run']} and {len(more):,} like it"} if more else {})
        for first, *more in groups.values()
    ]


def _point_row(point: "SweepPoint") -> dict[str, Any]:
    from mlxts import protocol
    from mlxts.evaluation import comparison

    owner, reference = point.attribute("owner") or {}, point.attribute("reference")
    value = point.trial.value if point.trial and point.state == "done" else None
    return {
        "run": point.point.label,
        "state": point.state,
        "loss": value,
        "verdict": comparison.against(point.attribute("verdict"), reference or protocol.BASELINE),
        "run_id": point.attribute("run_id"),
        "machine": owner.get("host") if point.state in ("done", "running", "failed") else None,
        "failures": point.failures,
        "why": point.why,
    }


def _status_screen(study: "optuna.Study", rows: list[dict[str, Any]]) -> Iterator[Part]:
    from mlxts.search.sweep import STATES

    keys = ("run", "state", "loss", "verdict", "machine", "why")
    columns = [key for key in keys if any(row[key] is not None for row in rows)]
    yield Table(study.study_name, columns, rows)
    counts = {state: sum(row["state"] == state for row in rows) for state in STATES}
    yield ", ".join(f"{count} {state}" for state, count in counts.items() if count) + "."
    if counts["failed"]:
        yield "--retry-failed queues the failed ones again."
