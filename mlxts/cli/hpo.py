"""`hpo`: search hyperparameters within a budget, list and show studies, export the winner."""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.failures import exit_unless_finished
from mlxts.cli.listing import Group
from mlxts.cli.output import JsonOption, counted, emit, note, number, say, table
from mlxts.cli.seconds import seconds
from mlxts.cli.worker import (
    HeartbeatOption,
    HeartbeatTimeoutOption,
    PerDeviceOption,
    StorageOption,
    WaitOption,
)

if TYPE_CHECKING:
    import optuna

    from mlxts.search.analysis import SelectionBias
    from mlxts.search.jobs import Job
    from mlxts.training.events import Listener
    from mlxts.training.plan import Plan


class _SearchByDefault(Group):
    """`mlxts hpo CONFIG` is short for `mlxts hpo run CONFIG`."""

    default_command = "run"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first and first not in self.commands and first not in ctx.help_option_names:
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


hpo = typer.Typer(
    cls=_SearchByDefault,
    help="Search hyperparameters within the budget: mlxts hpo CONFIG; then show, best.",
    no_args_is_help=True,
)

StudyArgument = Annotated[str, typer.Argument(help="A study's name, or the beginning of loaded.")]


@hpo.command("run")
def run_(
    config: Annotated[Path, typer.Argument(help="An experiment with a section `search:`.")],
    trials: Annotated[int | None, typer.Option(min=1, help="In all, earlier ones counted.")] = None,
    timeout: Annotated[
        float | None, typer.Option(parser=seconds(), metavar="SECONDS", help="For this session.")
    ] = None,
    storage: StorageOption = None,
    study: Annotated[
        str | None, typer.Option(help="Default: follows from the configuration.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue a study that exists.")
    ] = True,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override any key, e.g. search.seed=1."),
    ] = None,
    per_device: PerDeviceOption = 1,
    wait: WaitOption = False,
    heartbeat: HeartbeatOption = 60,
    heartbeat_timeout: HeartbeatTimeoutOption = 120,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Search; Ctrl-C ends it cleanly and the same command goes on."""
    from mlxts.config.loading import load_config
    from mlxts.config.yamltext import parse_override
    from mlxts.console import study_screen
    from mlxts.console.study_progress import CurrentTrial
    from mlxts.search import snapshot, space, worker_checks
    from mlxts.search import storage as storages
    from mlxts.search import study as studies

    values = dict(parse_override(text) for text in overrides or [])
    if trials is not None:
        values["search.trials"] = trials
    if timeout is not None:
        values["search.timeout"] = timeout
    experiment = load_config(config, values)
    search = space.read(experiment)
    beat = storages.Heartbeat(heartbeat, heartbeat_timeout)
    with storages.opened(storage, beat, notify=note) as store:
        loaded = studies.create(store, experiment, search, name=study, resume=resume)
        with (
            worker_checks.device_to_itself(per_device, wait=wait, notify=note),
            study_screen.make(quiet=quiet, json=as_json) as screen,
        ):

            def listen(job: "Job", plan: "Plan") -> "nullcontext[Listener]":
                screen.begin(
                    snapshot.take(loaded), CurrentTrial(job.trial.number, job.trial.params)
                )
                return nullcontext(screen)

            reason = studies.run_all(
                loaded,
                store,
                listen,
                after_trial=lambda study: screen.end(snapshot.take(study)),
                timeout=search.timeout,
            )
        if as_json:
            emit({"study": loaded.study_name, "ended": reason, **_result(loaded)})
        else:
            say(f"{loaded.study_name}: {reason}")
            _show_winner(loaded)
    if reason in ("interrupted", "overheated"):
        exit_unless_finished(reason)


@hpo.command("list")
def list_(storage: StorageOption = None, as_json: JsonOption = False) -> None:
    """Every study of the storage."""
    from mlxts.errors import MlxtsError
    from mlxts.search import snapshot
    from mlxts.search import storage as storages
    from mlxts.search import study as studies

    rows = []
    with storages.opened(storage, notify=note) as store:
        for name in storages.study_names(store, studies.KIND):
            try:
                loaded = studies.load(store, name)
            except (MlxtsError, LookupError, TypeError, ValueError) as error:
                note(f"{name} is left out, another version wrote it: {error}")
                continue
            now = snapshot.take(loaded)
            rows.append(
                {
                    "study": name,
                    "ended": now.n_ended,
                    "trials": now.target,
                    "best": now.best.value if now.best else None,
                    "trial": now.best.number if now.best else None,
                }
            )
    if as_json:
        emit({"studies": rows})
        return
    if not rows:
        note("No study yet; `mlxts hpo CONFIG` begins loaded.")
        return
    table("Studies", list(rows[0]), [list(row.values()) for row in rows])


@hpo.command()
def show(
    study: StudyArgument,
    storage: StorageOption = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the best trials.")] = 10,
    rerun_seeds: Annotated[
        int, typer.Option(min=0, metavar="K", help="Train the winner with K other seeds first.")
    ] = 0,
    per_device: PerDeviceOption = 1,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Importance, the best trials side by side, why others ended, and selection bias."""
    from mlxts import console
    from mlxts.search import analysis, worker_checks
    from mlxts.search import storage as storages
    from mlxts.search import study as studies
    from mlxts.search.jobs import TrialInterrupted

    with storages.opened(storage, notify=note) as store:
        loaded = studies.load(store, study)
        if rerun_seeds:
            try:
                with (
                    worker_checks.device_to_itself(per_device, wait=wait, notify=note),
                    console.make(json=as_json) as report,
                ):
                    analysis.rerun(loaded, rerun_seeds, emit=report)
            except TrialInterrupted as interrupted:
                note(f"{interrupted.status}: {interrupted.message}")
                exit_unless_finished(interrupted.status)
        if as_json:
            emit({"study": loaded.study_name, **_result(loaded), **_analysis(loaded, top)})
            return
        _show_top(loaded, top)
        _show_importance(loaded)
        _show_reasons(loaded)
        if analysis.top(loaded, 1):
            _show_selection_bias(analysis.selection_bias(loaded), loaded.study_name)


@hpo.command()
def best(
    study: StudyArgument,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the configuration there.")
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """The winner's parameters, and a configuration that trains exactly it."""
    from mlxts.console.study_progress import spelled
    from mlxts.errors import ConfigError
    from mlxts.files import write_text
    from mlxts.search import storage as storages
    from mlxts.search import study as studies

    with storages.opened(storage, notify=note) as store:
        loaded = studies.load(store, study)
        leader, configuration = studies.winner(loaded)
        if write is not None:
            if write.exists():
                raise ConfigError(f"{write} exists; choose another name")
            named = configuration.model_copy(update={"name": write.stem})
            heading = (
                f"# The winner of {loaded.study_name}: trial {leader.number}, validation loss "
                f"{leader.value:.6f}.\n# {spelled(leader.params)}\n"
            )
            write_text(write, heading + named.to_yaml())
        if as_json:
            written = {"config": configuration.model_dump(mode="json"), "written": write}
            emit({**_result(loaded), **written})
            return
        _show_winner(loaded)
    if write is not None:
        print(f"written to {write}; train it with: mlxts train {write}")


def _result(study: "optuna.Study") -> dict[str, Any]:
    from mlxts.search import objective
    from mlxts.search import study as studies

    leader = studies.best(study)
    trials = [objective.describe(trial) for trial in study.get_trials(deepcopy=False)]
    return {"best": objective.describe(leader) if leader else None, "trials": trials}


def _analysis(study: "optuna.Study", count: int) -> dict[str, Any]:
    from dataclasses import asdict

    from mlxts.search import analysis

    bias = analysis.selection_bias(study)
    derived = ("mean", "error", "optimism", "against_baseline", "better")
    return {
        "top": [trial.number for trial in analysis.top(study, count)],
        "importance": [asdict(row) for row in analysis.importance(study)],
        "spread": analysis.spread(study),
        "optimism": bias and {**asdict(bias), **{key: getattr(bias, key) for key in derived}},
    }


def _show_winner(study: "optuna.Study") -> None:
    from mlxts.console.study_progress import spelled
    from mlxts.search import study as studies

    leader = studies.best(study)
    if leader is None:
        say(f"no trial is complete yet; `mlxts hpo show {study.study_name}` says why")
        return
    print(f"best: trial {leader.number}, validation loss {leader.value:.4f}")
    say(f"      {spelled(leader.params)}")
    print(f"      run {leader.user_attrs.get('run_id')}")


def _show_top(study: "optuna.Study", count: int) -> None:
    """The best trials side by side, one column each dimension, and the ranges that they cover."""
    from mlxts.search import analysis

    leaders = analysis.top(study, count)
    if not leaders:
        note("No trial is complete.")
        return
    names = list(leaders[0].params)
    table(
        f"{study.study_name}: the best {len(leaders)}",
        ["trial", "value", *names],
        [[t.number, t.value, *(_short(t.params[name]) for name in names)] for t in leaders],
    )
    table(
        "Where the best quarter lies",
        ["dimension", "tried", "best quarter"],
        [
            [name, *(f"{_short(low)} to {_short(high)}" for low, high in ranges.values())]
            for name, ranges in analysis.spread(study).items()
        ],
    )


def _show_importance(study: "optuna.Study") -> None:
    from mlxts.search import analysis

    rows = analysis.importance(study)
    if not rows:
        note(f"Importance needs {analysis.MIN_TRIALS} complete trials with different values.")
        return
    table(
        "Importance (fANOVA), share of variance",
        ["dimension", "share", "over seeds", ""],
        [
            [row.name, f"{row.mean:.1%}", f"{row.low:.1%} to {row.high:.1%}", _bar(row.mean)]
            for row in rows
        ],
    )
    note(
        f"Over {analysis.IMPORTANCE_SEEDS} seeds of the forest; the range leaves out the "
        "uncertainty of few trials."
    )


def _show_reasons(study: "optuna.Study") -> None:
    """Why trials were not trained to their end, as often as it happened."""
    from collections import Counter

    from mlxts.search.objective import DUPLICATE, REASON

    trials = study.get_trials(deepcopy=False)
    reasons = Counter(
        trial.user_attrs.get(REASON, "no reason given").split(":")[0]
        for trial in trials
        if trial.state.name == "PRUNED"
    )
    if reasons:
        table("Not trained to the end", ["reason", "trials"], sorted(reasons.items()))
    if twins := sum(DUPLICATE in trial.user_attrs for trial in trials):
        note(f"Suggested again, and not trained again: {counted(twins, 'trial')}.")


def _show_selection_bias(bias: "SelectionBias | None", name: str) -> None:
    from collections import Counter

    from mlxts.evaluation import comparison

    if bias is None:
        note(
            "The best of many values is too low, because it was selected. Measure by how much: "
            f"mlxts hpo show {name} --rerun-seeds 5"
        )
        return
    verdicts = [comparison.against(rerun.verdict, rerun.reference) for rerun in bias.reruns]
    reruns = [
        [f"seed {rerun.seed}", rerun.value, rerun.loss, rerun.baseline, verdict]
        for rerun, verdict in zip(bias.reruns, verdicts, strict=True)
    ]
    table(
        "Selection bias: the winner trained again with other seeds",
        ["run", "value", "scored rows", "best baseline", "verdict"],
        [
            ["as selected", bias.selected, None, None, None],
            *reruns,
            ["mean of re-runs", bias.mean, None, None, None],
        ],
    )
    error = "" if math.isnan(bias.error) else f" (standard error {bias.error:.4f})"
    say(f"optimism of the selected value {bias.optimism:+.4f}{error}")
    if bias.against_baseline is not None:
        counts = ", ".join(f"{verdict}: {n}" for verdict, n in Counter(verdicts).items() if verdict)
        better = "better than" if bias.better else "not better than"
        say(f"re-runs against the best baseline: {bias.against_baseline:+.4f}")
        say(f"by their 95 % intervals {better} the reference ({counts})")


def _short(value: float) -> str:
    return number(value) if isinstance(value, int) else f"{value:.3g}"


def _bar(share: float, width: int = 20) -> str:
    return "█" * round(share * width)
