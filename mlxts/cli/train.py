"""`train`, `batch-size`, `predict`: one experiment, its preparation, and today's forecast."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts import formats
from mlxts.cli.duration_options import seconds
from mlxts.cli.failures import exit_unless_finished
from mlxts.cli.output import JsonOption, Note, Part, Verbatim, note, render, show
from mlxts.cli.scores import scores_screen
from mlxts.cli.worker import PerDeviceOption, WaitOption
from mlxts.tables import Table

if TYPE_CHECKING:
    from mlxts.config.experiment import ExperimentConfig
    from mlxts.training.events import Listener
    from mlxts.training.plan import Plan

ConfigArgument = Annotated[Path, typer.Argument(help="A YAML file, e.g. configs/demo.yaml.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override any key, e.g. model.depth=6."),
]


def train(
    config: ConfigArgument,
    budget: Annotated[str | None, typer.Option(help="2M, 20M, 200M or an exploratory one.")] = None,
    task: Annotated[str | None, typer.Option(help="e.g. threshold_1pct.")] = None,
    timescale: Annotated[str | None, typer.Option(help="e.g. daily.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Trading days ahead.")] = None,
    seed: Annotated[int | None, typer.Option(help="For weights, sample order and dropout.")] = None,
    overrides: SetOption = None,
    thermal: Annotated[
        str | None, typer.Option(help="auto, off, a sensor's name, or scripted:FILE.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and time three steps; write nothing.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an unfinished run.")] = False,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="This process is one of several (mlx.launch).")
    ] = False,
    stall_seconds: Annotated[
        float,
        typer.Option(
            parser=seconds(least=1.0),
            metavar="SECONDS",
            help="With --distributed: a step that takes longer ends the process.",
        ),
    ] = 600.0,
    per_device: PerDeviceOption = 1,
    wait: WaitOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train one model, restore its best weights and score it against HAR and linear."""
    from mlxts import console, experiment
    from mlxts.runs.folder import RunFolder
    from mlxts.training import distributed as ranks
    from mlxts.training.plan import make_plan

    named = {"budget": budget, "task": task, "timescale": timescale, "horizon": horizon}
    named |= {"seed": seed, "thermal.sensor": thermal}
    configuration = _load(config, named, overrides)
    together = ranks.join() if distributed else ranks.ALONE
    plan = make_plan(configuration, register=not dry_run, ranks=together.size, tuned=not dry_run)
    if together.is_rank_zero and not (quiet or as_json):
        _recommend_tuning(plan)
    if dry_run:
        _dry_run(plan, as_json)
        return
    finished_before = RunFolder(plan.folder).is_finished
    silent = quiet or finished_before or not together.is_rank_zero
    if not (silent or as_json):
        show(plan_table(plan.to_dict()))
    needs_device = together.is_rank_zero and not finished_before
    device = claim_device(per_device, wait=wait) if needs_device else nullcontext()
    with device, console.make(quiet=silent, json=as_json) as listener:
        if not silent and together.size == 1:
            announce_reference(plan, listener)
        summary = experiment.run_experiment(
            plan, emit=listener, resume=resume, ranks=together, stall_seconds=stall_seconds
        )
    if not together.is_rank_zero:
        exit_unless_finished(summary["status"])
        return
    show_result(plan, summary, finished_before=finished_before, as_json=as_json)


def announce_reference(plan: "Plan", listener: "Listener") -> None:
    """Fit what the network has to beat before it is trained; scoring needs it afterwards."""
    from mlxts import predict
    from mlxts.training.events import ReferenceEvent

    if found := predict.reference_loss(plan):
        listener(ReferenceEvent(0, *found))


def batch_size(
    config: ConfigArgument,
    budget: Annotated[str | None, typer.Option(help="2M, 20M, 200M.")] = None,
    every_tier: Annotated[
        bool, typer.Option("--all-tiers", help="One record for each feature tier.")
    ] = False,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the fastest micro-batch on this machine; strict training requires it.

    CONFIG may be a sweep: then its first experiment is taken, with the options' changes.
    """
    from dataclasses import asdict

    from mlxts import protocol
    from mlxts.cli import tuning
    from mlxts.dataset.build import build_dataset
    from mlxts.model import parameter_budget as budgets
    from mlxts.training import batch_size as tuner

    named = {"budget": budget}
    configurations = [_load(config, named, overrides, first_of_sweep=True)]
    if every_tier:
        changes = [[*(overrides or []), f"features.tier={tier}"] for tier in protocol.TIERS]
        configurations = [
            _load(config, named, settings, first_of_sweep=True) for settings in changes
        ]
    records = []
    for configuration in configurations:
        data = build_dataset(configuration)
        shape = budgets.solve(
            configuration.budget, len(data.names), configuration.model, len(configuration.assets)
        )
        progress = (lambda message: None) if as_json else note
        record = tuner.tune(configuration, shape, data, progress)
        records.append(record)
        if not as_json:
            show(tuning.screen(record, data.features.nbytes))
    result = [asdict(record) for record in records]
    render({"tiers": result} if every_tier else result[0], as_json, ())


def predict(
    run: Annotated[str, typer.Argument(help="A run id, the beginning of one, or its folder.")],
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Default: the latest bar."),
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Default: the scored one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Forecast of a trained model at the close of a day, from the newest registered data."""
    from mlxts import experiment
    from mlxts.api.selected_runs import one_run

    forecast = experiment.forecast(one_run(run), date.date() if date else None, symbol)
    render(forecast, as_json, forecast["sentence"])


def _load(
    path: Path,
    named: dict[str, Any],
    overrides: list[str] | None,
    *,
    first_of_sweep: bool = False,
) -> "ExperimentConfig":
    """The configuration with what flags change.

    Args:
        first_of_sweep: of a sweep's file the first experiment is taken.

    Raises:
        ConfigError: it cannot be read, or is a sweep where an experiment is wanted.
    """
    from mlxts.config.loading import build_config, load_config, read_mapping
    from mlxts.config.yamltext import overridden, parse_overrides

    values = {key: value for key, value in named.items() if value is not None}
    # A timescale or task given by name takes its own horizon, unless one is given too.
    if "timescale" in values and "horizon" not in values:
        values["horizon"] = None
    values |= parse_overrides(overrides)
    read = read_mapping(path)
    if "axes" not in read:
        return load_config(path, values)
    from mlxts.errors import ConfigError
    from mlxts.search import sweep_config

    if not first_of_sweep:
        raise ConfigError(f"{path} is a sweep of many experiments; run `mlxts sweep run {path}`")
    first = sweep_config.load(path).points()[0].config
    return build_config(overridden(first.model_dump(mode="json"), values), origin=str(path))


def _recommend_tuning(plan: "Plan") -> None:
    from mlxts.training import batch_size as tuner

    record = tuner.find(plan.config, plan.dataset)
    if record is not None and tuner.is_of_other_data(record, plan.config):
        note(
            f"the batch size was tuned on {', '.join(record.symbols)}; with other data another "
            "`mlxts batch-size CONFIG` is recommended"
        )


def _dry_run(plan: "Plan", as_json: bool) -> None:
    from mlxts.search import sweep_power
    from mlxts.thermal import sensors
    from mlxts.training import batch_size as tuner

    for sensor in sensors.choose(plan.config.thermal.sensor).sensors:  # refused now, not later
        sensor.close()
    untuned = tuner.untuned(plan.config, plan.dataset)
    if not as_json:
        note("compiling and timing three steps ...")
    seconds = plan.time_steps()
    record = {
        **plan.to_dict(),
        "seconds_per_step": seconds,
        "projected_seconds": seconds * plan.total_steps,
        "config": plan.config.model_dump(mode="json"),
        "untuned": untuned,
        **sweep_power.expected(plan.config, plan.dataset),
    }
    steps, minutes = plan.total_steps, record["projected_seconds"] / 60
    screen: list[Part] = [
        Verbatim(plan.config.to_yaml()),
        plan_table(record),
        f"{seconds:.3f} s a step, {steps:,} steps in {plan.config.training.max_epochs} epochs: "
        f"at most {minutes:.1f} min, less when it stops early. Nothing was written.",
        sweep_power.sentence(record),
    ]
    if untuned:
        screen.append(Note(f"training cannot start yet, and its run id may change: {untuned}"))
    render(record, as_json, screen)


def plan_table(record: dict[str, Any]) -> Table:
    """What `Plan.record` holds, for people."""
    undecided = record["days_without_decision"]  # their windows hold a bar that is too long
    rows = [
        ("run", record["run_id"]),
        *((name, record[name]) for name in ("n_total", "n_body", "n_embed", "n_head")),
        *((f"{split} samples", count) for split, count in record["samples"].items()),
        *_phases(record),
        *([("days without a decision", undecided)] if undecided else []),
        ("features", record["features"]),
        *((f"of {bars} bars", count) for bars, count in record["joined_features"].items()),
        *(
            (f"{name} known on", f"{share:.1%} of training days")
            for name, share in record["coverage"].items()
        ),
        ("micro-batch", record["micro_batch"]),
        ("GFLOP a step", f"{record['flops_per_step'] / 1e9:,.1f}"),
        ("planned memory", formats.size(record["memory_bytes"])),
    ]
    return Table.of("Plan", ("", "value"), rows)


def _phases(record: dict[str, Any]) -> list[tuple[str, int]]:
    """How many samples are of the canonical phase, where there are others."""
    canonical = record["canonical_samples"]
    if canonical == record["samples"]:
        return []
    return [(f"canonical {split} samples", count) for split, count in canonical.items()]


@contextmanager
def claim_device(per_device: int = 1, *, wait: bool | None = None) -> Generator[None]:
    """Take one of this device's places for the block.

    Args:
        per_device: how many may train on this device without a warning.
        wait: until a place is free; else a single run is trained all the same. None: the command
            has no option to wait, and none is advised.
    """
    from mlxts.platform import device_lock

    with ExitStack() as stack:
        if wait:
            stack.enter_context(device_lock.device_to_itself(per_device, wait=True, notify=note))
        else:
            for other in stack.enter_context(device_lock.place_on_device(per_device)):
                hint = " (--wait waits for it)" if wait is not None else ""
                note(f"{other} trains on this device; both will take longer{hint}")
        yield


def show_result(
    plan: "Plan", summary: dict[str, Any], *, finished_before: bool, as_json: bool = False
) -> None:
    """The scores of a finished run and its picture; the exit code where training was cut short."""
    from mlxts import experiment
    from mlxts.predict import read_or_predict
    from mlxts.report import run_page
    from mlxts.runs.folder import RunFolder

    if summary["status"] not in experiment.FINISHED:
        render(summary, as_json, f"{summary['status']}: {summary['message']}")
        exit_unless_finished(summary["status"])
    read_or_predict(plan.folder)  # of a finished run of an earlier version
    picture = run_page.draw(plan.folder)
    scored_task = RunFolder(plan.folder).scored_task
    reference = RunFolder(plan.folder).references()[scored_task.score_on]
    if finished_before and not as_json:
        note(f"run {plan.run_id} is already finished; its result:")
    render(
        {**summary, "picture": str(picture)},
        as_json,
        [
            *scores_screen(summary["scores"], scored_task, plan.config.name, reference),
            f"best at step {summary['best_step']} of {summary['steps']}; {summary['message']}",
            summary["verdict"],
            f"run folder {plan.folder}, picture {picture}",
        ],
    )
