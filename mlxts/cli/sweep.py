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
EstimableOption = Annotated[
    bool,
    typer.Option("--estimable-only", help="Leave out runs whose cell has too few of a class."),
]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Queue failed runs again.")]


@sweep.command()
def plan(
    config: ConfigArgument,
    storage: StorageOption = None,
    timed: Annotated[
        bool, typer.Option("--timing/--no-timing", help="Time a few steps of each shape.")
    ] = True,
    estimable_only: EstimableOption = False,
    as_json: JsonOption = False,
) -> None:
    """Plan: cost and state of every run, and what they will be able to see. Writes nothing."""
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
    left_out = sum(cost.not_estimable is not None for cost in estimates) * estimable_only
    if estimable_only:
        estimates = [cost for cost in estimates if cost.not_estimable is None]
    rows = [_planned(cost, states.get(cost.point.label)) for cost in estimates]
    powers = _powers(definition, estimates)
    screen = [*_plan_screen(definition, rows), *_power_screen(rows, powers, left_out)]
    result = {"sweep": definition.name, "runs": rows, "left_out": left_out, "power": powers}
    render(result, as_json, screen)


@sweep.command()
def run(
    config: ConfigArgument,
    storage: StorageOption = None,
    retry_failed: RetryOption = False,
    queue_only: Annotated[
        bool, typer.Option("--queue-only", help="Queue the runs for workers; train nothing here.")
    ] = False,
    estimable_only: EstimableOption = False,
    per_device: PerDeviceOption = 1,
    wait: WaitOption = False,
    heartbeat: HeartbeatOption = 60,
    heartbeat_timeout: HeartbeatTimeoutOption = 120,
    quiet: QuietOption = False,
) -> None:
    """Train missing runs. Can be killed at any time; the same command continues."""
    from mlxts.search import cost_estimate, sweep_config, worker_checks
    from mlxts.search import storage as storages
    from mlxts.search import sweep as sweeps

    definition = sweep_config.load(config)
    leave_out: set[str] = set()
    if estimable_only:
        points = definition.points()
        hashes = _stored_states(definition, storage)[1]
        hashes = hashes or worker_checks.pins(point.config for point in points)
        costs = cost_estimate.estimate(points, hashes, timed=False)
        leave_out = {cost.point.label for cost in costs if cost.not_estimable}
        if leave_out:
            note(f"{formats.count(len(leave_out), 'run')} left out: not estimable")
    beat = storages.Heartbeat(heartbeat, heartbeat_timeout)
    with storages.opened(storage, beat, notify=note) as store:
        study = sweeps.create(store, definition, leave_out)
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
        "not_estimable": cost.not_estimable,
    }


def _powers(definition: "Sweep", estimates: "list[CostEstimate]") -> list[dict[str, Any]]:
    """What the runs will be able to see, by cell and axis; noise as runs of the sweep show it."""
    from mlxts.evaluation import power
    from mlxts.files import runs_folder
    from mlxts.scaling import measured_noise
    from mlxts.search import sweep_power

    done = [runs_folder() / cost.run_id for cost in estimates if cost.done and cost.run_id]
    configured = [(c.point.config, c.evidence) for c in estimates if c.evidence is not None]
    measured = measured_noise.of_runs(done)
    return [
        {
            "cell": cell_power.cell,
            "axis": cell_power.axis,
            "sizes": len(cell_power.design.sizes),
            "seeds": cell_power.design.seeds,
            "origins": cell_power.design.origins,
            "days": cell_power.design.days,
            "noise": vars(cell_power.noise) if cell_power.noise else None,
            "measured": measured is not None,
            "not_estimable": cell_power.not_estimable,
            "smallest_gain": power.smallest_gain(cell_power.error) if cell_power.error else None,
            "smallest_margin": power.smallest_margin(cell_power.error)
            if cell_power.error
            else None,
        }
        for cell_power in sweep_power.cell_powers(configured, definition.axes, measured)
    ]


def _power_screen(
    rows: list[dict[str, Any]], powers: list[dict[str, Any]], left_out: int
) -> Iterator[Part]:
    """Which runs can claim nothing, and what the others will be able to see."""
    for reason in dict.fromkeys(row["not_estimable"] for row in rows if row["not_estimable"]):
        count = sum(row["not_estimable"] == reason for row in rows)
        yield f"{formats.count(count, 'run')} not estimable: {reason}"
    if any(row["not_estimable"] for row in rows):
        yield "--estimable-only leaves them out."
    if left_out:
        yield f"{formats.count(left_out, 'run')} left out: not estimable."
    if not powers:
        return
    noise = "measured on the runs that are done" if powers[0]["measured"] else "measured before"
    yield Table(
        "What these runs will be able to see",
        (
            ("cell", "axis"),
            ("sizes", "seeds", "origins"),
            Column("days", "independent days"),
            Column("smallest_gain", "smallest gain", ".4f"),
            Column("smallest_margin", "smallest flat margin", ".4f"),
            Column("not_estimable", "not estimable"),
        ),
        powers,
        note="Nats per decade that are seen, and a margin within which *flat* is certified, with "
        f"80 % each, on the scored symbol; from noise that was {noise}.",
    )


def _plan_screen(definition: "Sweep", rows: list[dict[str, Any]]) -> Iterator[Part]:
    columns = (
        Column("run"), Column("n_total", "parameters"),
        Column("flops", "TFLOP", lambda count: formats.three_digits(count / 1e12)),
        Column("memory_bytes", "memory", formats.size),
        Column("seconds", "at most", formats.duration), Column("state"),
    )  # fmt: skip
    table_rows = [
        {column.key: row[column.key] for column in columns}
        | ({"state": "blocked"} if row["problem"] and row["state"] == "missing" else {})
        for row in rows
    ]
    yield Table(
        f"{definition.name}: {formats.count(len(rows), 'run')}",
        columns,
        table_rows if len(table_rows) <= _MOST_ROWS else _grouped(table_rows, columns),
    )
    for problem in dict.fromkeys(row["problem"] for row in rows if row["problem"]):
        count = sum(row["problem"] == problem for row in rows)
        yield f"{formats.count(count, 'run')} cannot start on this machine: {problem}"
    unfinished = [row for row in rows if row["state"] != "done"]
    seconds = [row["seconds"] for row in unfinished if row["seconds"] is not None]
    sentence = f"{len(rows) - len(unfinished)} done, {len(unfinished)} left"
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
