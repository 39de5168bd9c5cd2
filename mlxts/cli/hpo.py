"""`hpo`: search hyperparameters within a budget, list and show studies, export the winner."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts import formats
from mlxts.cli.duration_options import seconds
from mlxts.cli.failures import exit_unless_finished
from mlxts.cli.help_listing import Group
from mlxts.cli.output import JsonOption, Note, Part, note, render
from mlxts.cli.worker import (
    HeartbeatOption,
    HeartbeatTimeoutOption,
    PerDeviceOption,
    StorageOption,
    WaitOption,
)
from mlxts.tables import Column, Table

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

StudyArgument = Annotated[str, typer.Argument(help="A study's name, or its beginning.")]


@hpo.command("run")
def run_(
    config: Annotated[Path, typer.Argument(help="An experiment with a section `search:`.")],
    trials: Annotated[
        int | None, typer.Option(min=1, help="In all, including earlier ones.")
    ] = None,
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
    """Search; Ctrl-C ends it cleanly and the same command continues it."""
    from mlxts.config.loading import load_config
    from mlxts.config.yamltext import parse_overrides
    from mlxts.console import study_screen
    from mlxts.console.study_progress import CurrentTrial
    from mlxts.platform import device_lock
    from mlxts.search import snapshot, space
    from mlxts.search import storage as storages
    from mlxts.search import study as studies

    values = parse_overrides(overrides)
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
            device_lock.device_to_itself(per_device, wait=wait, notify=note),
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
        result = {"study": loaded.study_name, "ended": reason, **_result(loaded)}
        render(result, as_json, [f"{loaded.study_name}: {reason}", *_winner(loaded)])
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
                note(f"{name} is left out, it was written by another version: {error}")
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
    columns = ("study", "ended", "trials", "best", "trial")
    nothing = Note("No study yet; `mlxts hpo CONFIG` starts one.")
    render({"studies": rows}, as_json, Table("Studies", columns, rows) if rows else nothing)


@hpo.command()
def show(
    study: StudyArgument,
    storage: StorageOption = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the best trials.")] = 10,
    rerun_seeds: Annotated[
        int, typer.Option(min=0, metavar="K", help="Train the best with K other seeds first.")
    ] = 0,
    per_device: PerDeviceOption = 1,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Importance, the best trials, why others ended early, and selection bias."""
    from mlxts import console
    from mlxts.platform import device_lock
    from mlxts.search import analysis
    from mlxts.search import storage as storages
    from mlxts.search import study as studies
    from mlxts.search.jobs import TrialInterrupted

    with storages.opened(storage, notify=note) as store:
        loaded = studies.load(store, study)
        if rerun_seeds:
            try:
                with (
                    device_lock.device_to_itself(per_device, wait=wait, notify=note),
                    console.make(json=as_json) as report,
                ):
                    analysis.rerun(loaded, rerun_seeds, emit=report)
            except TrialInterrupted as interrupted:
                note(f"{interrupted.status}: {interrupted.message}")
                exit_unless_finished(interrupted.status)
        result = {"study": loaded.study_name, **_result(loaded), **_analysis(loaded, top)}
        render(result, as_json, _analysis_screen(loaded, result))


@hpo.command()
def best(
    study: StudyArgument,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the configuration to FILE.")
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """The best trial's parameters, and a configuration that trains exactly it."""
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
                f"# The best trial of {loaded.study_name}: trial {leader.number}, validation loss "
                f"{leader.value:.6f}.\n# {spelled(leader.params)}\n"
            )
            write_text(write, heading + named.to_yaml())
        written = {"config": configuration.model_dump(mode="json"), "written": write}
        advice = [f"written to {write}; train it with: mlxts train {write}"] if write else []
        render({**_result(loaded), **written}, as_json, [*_winner(loaded), *advice])


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


def _winner(study: "optuna.Study") -> list[Part]:
    from mlxts.console.study_progress import spelled
    from mlxts.search import study as studies

    leader = studies.best(study)
    if leader is None:
        return [f"no trial is complete yet; `mlxts hpo show {study.study_name}` gives the reasons"]
    return [
        f"best: trial {leader.number}, validation loss {formats.loss(leader.value)}",
        f"      {spelled(leader.params)}",
        f"      run {leader.user_attrs.get('run_id')}",
    ]


def _analysis_screen(study: "optuna.Study", result: dict[str, Any]) -> Iterator[Part]:
    from mlxts.search import analysis

    yield from _top(study.study_name, result)
    if result["importance"]:
        columns = (
            Column("name", "dimension"), Column("mean", "share", ".1%"),
            Column("range", "over seeds"), Column("bar", " "),
        )  # fmt: skip
        rows = [
            row | {"range": f"{row['low']:.1%} to {row['high']:.1%}", "bar": _bar(row["mean"])}
            for row in result["importance"]
        ]
        yield Table("Importance (fANOVA), share of variance", columns, rows)
        yield Note(
            f"Over {analysis.IMPORTANCE_SEEDS} seeds of the forest; the range leaves out the "
            "uncertainty of few trials."
        )
    else:
        yield Note(f"Importance needs {analysis.MIN_TRIALS} complete trials with different values.")
    yield from _reasons(result)
    if result["top"]:
        yield from _selection_bias(analysis.selection_bias(study), study.study_name)


def _top(name: str, result: dict[str, Any]) -> Iterator[Part]:
    """The best trials, a column for each dimension, and the ranges that they cover."""
    if not result["top"]:
        yield Note("No trial is complete.")
        return
    trials = {trial["trial"]: trial for trial in result["trials"]}
    rows = [trials[number] | trials[number]["params"] for number in result["top"]]
    dimensions = [Column(key, key, formats.three_digits) for key in rows[0]["params"]]
    yield Table(f"{name}: the best {len(rows)}", ("trial", "value", *dimensions), rows)
    spread = [[key, *map(_range, ranges.values())] for key, ranges in result["spread"].items()]
    headings = ("dimension", "tried", "best quarter")
    yield Table.of("Ranges of the best quarter", headings, spread)


def _range(ends: Sequence[float]) -> str:
    """`2 to 8`; of a single value that value."""
    return " to ".join(dict.fromkeys(map(formats.three_digits, ends)))


def _reasons(result: dict[str, Any]) -> Iterator[Part]:
    """Why trials ended early, with counts."""
    from collections import Counter

    from mlxts.search.objective import DUPLICATE, REASON

    reasons = Counter(
        (trial[REASON] or "no reason given").split(":")[0]
        for trial in result["trials"]
        if trial["state"] == "pruned"
    )
    if reasons:
        headings = ("reason", "trials")
        yield Table.of("Not trained to the end", headings, sorted(reasons.items()))
    if twins := sum(trial[DUPLICATE] is not None for trial in result["trials"]):
        yield Note(f"Suggested twice, trained once: {formats.count(twins, 'trial')}.")


def _selection_bias(bias: "SelectionBias | None", name: str) -> Iterator[Part]:
    from collections import Counter

    from mlxts.evaluation import comparison

    if bias is None:
        yield Note(
            "The best of many values is too low, because it was selected. Measure by how much: "
            f"mlxts hpo show {name} --rerun-seeds 5"
        )
        return
    verdicts = [comparison.against(rerun.verdict, rerun.reference) for rerun in bias.reruns]
    reruns = [
        vars(rerun) | {"run": f"seed {rerun.seed}", "verdict": verdict}
        for rerun, verdict in zip(bias.reruns, verdicts, strict=True)
    ]
    yield Table(
        "Selection bias: the best trial, retrained with other seeds",
        (
            "run", "value", Column("loss", "scored rows"), Column("baseline", "best baseline"),
            "verdict",
        ),
        [
            {"run": "as selected", "value": bias.selected},
            *reruns,
            {"run": "mean of re-runs", "value": bias.mean},
        ],
    )  # fmt: skip
    has_error = formats.is_known(bias.error)
    error = f" (standard error {formats.loss(bias.error)})" if has_error else ""
    yield f"optimism of the best validation loss {formats.difference(bias.optimism)}{error}"
    if bias.against_baseline is not None:
        counts = ", ".join(f"{verdict}: {n}" for verdict, n in Counter(verdicts).items() if verdict)
        better = "better than" if bias.better else "not better than"
        difference = formats.difference(bias.against_baseline)
        yield f"re-runs against the best baseline: {difference}"
        yield f"by their 95 % intervals {better} the reference ({counts})"


def _bar(share: float, width: int = 20) -> str:
    return "█" * round(share * width)
