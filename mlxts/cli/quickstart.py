"""`quickstart`: a first experiment, by questions at a terminal or by flags."""

import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
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
        Path, typer.Option("--output", "-o", help="File for the configuration.")
    ] = Path("quickstart.yaml"),
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
    from mlxts.errors import ConfigError
    from mlxts.training.plan import make_plan

    if output.exists():
        raise ConfigError(f"{output} exists; choose another --output")
    ask = _Prompt(yes=yes, terminal=sys.stdin.isatty() and not as_json)
    try:
        answers = _answers(ask, source and source.value, symbols, task, budget, output)
        wanted = first.configuration(answers)
    except (EOFError, KeyboardInterrupt):
        note("\nnothing was written")
        raise typer.Exit(130) from None
    if train is None and not ask.can:
        train = ask("--train or --no-train", "train it now", "yes", ("yes", "no")) == "yes"
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        _store(answers)
    files.write_text(output, wanted.to_yaml())
    plan = make_plan(wanted)
    commands = first.next_commands(answers)
    if not as_json:
        advice = f"{output} is written; next steps:"
        show([plan_table(plan.to_dict()), advice, *(f"  {command}" for command in commands)])
    try:
        if train is None:
            train = ask("--train or --no-train", "train it now", "yes", ("yes", "no")) == "yes"
    except (EOFError, KeyboardInterrupt):
        train = False
        note("")
    result = {"config": str(output), "commands": commands, "plan": plan.to_dict()}
    _finish(result, plan, train=bool(train), as_json=as_json)


class _Prompt:
    """Answers that were not given as options: prompted for, default, or refused."""

    def __init__(self, *, yes: bool, terminal: bool) -> None:
        self._yes = yes
        self.can = terminal and not yes

    def __call__(self, flag: str, question: str, default: str, choices: Sequence[str] = ()) -> str:
        """Raises ConfigError without a terminal."""
        from mlxts.errors import ConfigError

        if self._yes and default:
            return default
        if not self.can:
            of = f" ({', '.join(choices)})" if choices else ""
            raise ConfigError(f"{flag} is missing{of}; no terminal to ask at")
        listed = f" ({', '.join(choices)})" if choices else ""
        while True:
            print(f"{question}{listed}{f' [{default}]' if default else ''}: ", end="", flush=True)
            _wait_for_line()
            given = input().strip() or default
            close = [choice for choice in choices if choice.startswith(given)] if given else []
            if not choices and given:
                return given
            if given in choices:
                return given
            if len(close) == 1:
                return close[0]
            print(f"please answer with one of {', '.join(choices)}" if choices else "please answer")


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
    output: Path,
) -> "Answers":
    from mlxts import protocol
    from mlxts import quickstart as first

    source = source or ask("--source", "where do the prices come from", "sample", tuple(SourceName))
    question = "which files (CSV or Parquet)" if source == "files" else "which symbols"
    given = symbols or ask("--symbols", question, registry.SOURCES[source].example)
    task = task or ask("--task", "what is predicted", first.TASK, tuple(protocol.TASKS))
    budget = budget or ask("--budget", "how large", first.BUDGET, tuple(protocol.BUDGETS))
    return first.Answers(source, first.split(given), task, budget, output)


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
