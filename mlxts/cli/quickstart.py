"""`quickstart`: a first experiment, by questions at a terminal or by flags."""

import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.output import JsonOption, note, render, show
from mlxts.data.sources import registry

if TYPE_CHECKING:
    from mlxts.quickstart import Answers
    from mlxts.training.plan import Plan


SourceName = StrEnum("SourceName", registry.for_quickstart())


def quickstart(
    source: Annotated[
        SourceName | None, typer.Option(help="sample works offline; files are your own.")
    ] = None,
    symbols: Annotated[
        str | None,
        typer.Option(help="e.g. SPY,QQQ (the first is scored); for files their paths."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="e.g. threshold_1pct.")] = None,
    budget: Annotated[str | None, typer.Option(help="e.g. 2M; smaller ones train faster.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File for the configuration; default: quickstart.yaml, if free."
        ),
    ] = None,
    train: Annotated[
        bool | None, typer.Option("--train/--no-train", help="Whether to train it at once.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: use defaults for missing answers.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Set up a first experiment: configuration, data, plan; optionally train it."""
    from mlxts import files
    from mlxts import quickstart as first
    from mlxts.cli.train import plan_table
    from mlxts.training.plan import make_plan

    ask = _Prompt(yes=yes, terminal=sys.stdin.isatty() and not as_json)
    try:
        answers = _answers(ask, source and source.value, symbols, task, budget, output)
        asked_for = first.configuration(answers)
    except (EOFError, KeyboardInterrupt):
        note("\nnothing was written")
        raise typer.Exit(130) from None
    if train is None and not ask.can:
        train = _wants_training(ask)
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        _store(answers)
    config, remarks = first.fitted(asked_for)
    path, config = first.place(config, output)
    plan = make_plan(config)
    for remark in remarks:
        note(remark)
    files.write_text(path, config.to_yaml())
    commands = first.next_commands(replace(answers, output=path))
    if not as_json:
        advice = f"{path} is written; next steps:"
        show([plan_table(plan.to_dict()), advice, *(f"  {command}" for command in commands)])
    try:
        if train is None:
            train = _wants_training(ask)
    except (EOFError, KeyboardInterrupt):
        train = False
        note("")
    result = {"config": str(path), "commands": commands, "plan": plan.to_dict()}
    _finish(result, plan, train=bool(train), as_json=as_json)


class _Prompt:
    """Answers that were not given as options: prompted for, default, or refused."""

    def __init__(self, *, yes: bool, terminal: bool) -> None:
        self._yes = yes
        self.can = terminal and not yes

    def __call__(
        self,
        flag: str,
        question: str,
        default: str,
        choices: Sequence[str] = (),
        *,
        given: str | None = None,
        check: Callable[[str], None] = lambda answer: None,
    ) -> str:
        """An answer that passes the check: the one given as an option, or at the terminal.

        Raises:
            MlxtsError: an option that does not pass, or one is missing and there is no terminal.
        """
        from mlxts.errors import ConfigError, MlxtsError

        if given is not None:
            check(given)
            return given
        if self._yes and default:
            check(default)
            return default

        if not self.can:
            of = f" ({', '.join(choices)})" if choices else ""
            raise ConfigError(f"{flag} is missing{of}; no terminal to ask at")
        listed = f" ({', '.join(choices)})" if choices else ""
        while True:
            print(f"{question}{listed}{f' [{default}]' if default else ''}: ", end="", flush=True)
            _wait_for_line()
            answer = input().strip() or default
            close = [choice for choice in choices if choice.startswith(answer)] if answer else []
            answer = close[0] if len(close) == 1 and answer not in choices else answer
            try:
                if not answer:
                    raise ConfigError("please answer")
                check(answer)
            except MlxtsError as error:
                print(error)
            else:
                return answer


def _wait_for_line() -> None:
    """Until the terminal has a line; Ctrl-C ends this at once.

    A plain `input` would hear it after Enter only: Polars' signal handler lets a read go on, and
    a signal that comes just before a read is lost on it. The pipe holds the signal.
    """
    heard, signalled = os.pipe()
    os.set_blocking(signalled, False)
    before = signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    try:
        select.select([sys.stdin, heard], [], [])
    finally:
        signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(signalled)


def _answers(
    ask: Callable[..., str],
    source: str | None,
    symbols: str | None,
    task: str | None,
    budget: str | None,
    output: Path | None,
) -> "Answers":
    """Each is checked before the next question."""
    from mlxts import protocol
    from mlxts import quickstart as first

    sources, names, sizes = tuple(SourceName), tuple(protocol.TASKS), tuple(protocol.BUDGETS)
    source = ask(
        "--source", "where do the prices come from", "sample", sources,
        given=source, check=lambda answer: _one_of(answer, sources),
    )  # fmt: skip
    question = "which files (CSV or Parquet)" if source == "files" else "which symbols"
    symbols = ask(
        "--symbols", question, registry.SOURCES[source].example,
        given=symbols, check=lambda answer: first.require_symbols(source, answer),
    )  # fmt: skip
    task = ask(
        "--task", "what is predicted", first.TASK, names, given=task, check=first.require_task
    )
    budget = ask(
        "--budget", "how large", first.BUDGET, sizes, given=budget, check=first.require_budget
    )
    return first.Answers(source, first.split(symbols), task, budget, output or first.OUTPUT)


def _one_of(answer: str, choices: Sequence[str]) -> None:
    """Raises ConfigError."""
    from mlxts.errors import ConfigError

    if answer not in choices:
        raise ConfigError(f"please answer with one of {', '.join(choices)}")


def _wants_training(ask: "_Prompt") -> bool:
    choices = ("yes", "no")
    answer = ask(
        "--train or --no-train", "train it now", "yes", choices,
        check=lambda answer: _one_of(answer, choices),
    )  # fmt: skip
    return answer == "yes"


def _store(answers: "Answers") -> None:
    """Fetch and store the data, with the checks and remarks of `mlxts data`."""
    from mlxts.cli import data

    if answers.source == "files":
        for path, name in zip(answers.symbols, answers.names, strict=True):
            data.import_([Path(path)], symbol=name)
        return
    data.download(list(answers.names), source=data.Online(answers.source))


def _finish(result: dict[str, Any], plan: "Plan", *, train: bool, as_json: bool) -> None:
    from mlxts import console, experiment
    from mlxts.cli import failures
    from mlxts.cli import train as training
    from mlxts.runs.folder import RunFolder

    if not train:
        render(result, as_json, ())
        return
    finished_before = RunFolder(plan.folder).is_finished
    device = nullcontext() if finished_before else training.claim_device()
    with device, console.make(quiet=finished_before, json=as_json) as listener:
        if not finished_before:
            training.announce_reference(plan, listener)
        summary = experiment.run_experiment(plan, emit=listener, resume=True)
    if not as_json:
        training.show_result(plan, summary, finished_before=finished_before)
        return
    render({**result, "summary": summary}, as_json, ())
    failures.exit_unless_finished(summary["status"])
