"""Bad arguments of every command, generated from the command line itself."""

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import Any

from benchmarks.bad.case import Case

RUN = "0.02M-daily-threshold_1pct-h1-s0"  # the beginning of a run's id in `world`
# A call of each command that is right, without options that it does not need.
RIGHT: dict[str, list[str]] = {
    "base-rates": ["--source", "simulated"],
    "baselines": ["small.yaml"],
    "batch-size": ["small.yaml"],
    "check": [],
    "compare": [RUN, f"{RUN}:har"],
    "config describe": [],
    "config show": ["small.yaml"],
    "data cell": ["Aa"],
    "data controls": [],
    "data download": ["SPY", "--source", "sample"],
    "data import": ["bars.csv"],
    "data list": [],
    "data register-processed": ["x.parquet", "--dataset", "x", "--source-md5", "a"],
    "data register-raw": ["x.parquet", "--symbol", "SPY"],
    "data sample": [],
    "data simulate": ["gbm"],
    "data sources": [],
    "demo": [],
    "docs render": [],
    "doctor": [],
    "evaluate": [RUN],
    "export": [RUN, "--to", "npz"],
    "features audit": ["SPY", "--source", "simulated", "--splits", "protocol"],
    "features build": ["SPY", "--source", "simulated"],
    "features describe": ["return_1"],
    "features docs": [],
    "features freeze": [],
    "features list": [],
    "features plot": ["return_1", "--source", "simulated"],
    "hpo best": ["hpo-small"],
    "hpo list": [],
    "hpo run": ["search.yaml"],
    "hpo show": ["hpo-small"],
    "import huggingface": ["plain"],
    "init": ["made"],
    "predict": [RUN],
    "quickstart": ["--yes", "--no-train"],
    "report": [],
    "runs": [],
    "scaling fit": [],
    "scaling ledger": [],
    "scaling verdict": [],
    "sweep plan": ["sweep.yaml", "--no-timing"],
    "sweep run": ["sweep.yaml", "--queue-only"],
    "sweep status": ["sweep.yaml"],
    "thermal": ["--once"],
    "train": ["small.yaml", "--dry-run"],
    "walk-forward": ["small.yaml"],
    "worker": ["--once"],
    "workspace claim": ["ws1"],
    "workspace decide": ["it", "--why", "so"],
    "workspace handoff": ["ws1", "--summary", "it"],
    "workspace init": [],
    "workspace phase": [],
    "workspace release": ["ws1"],
    "workspace restore": ["--workstream", "ws1"],
    "workspace status": [],
}
# Parameters that any text, or any number of their kind, is right for.
_FREE = {
    ("data import", "symbol"), ("data simulate", "seed"), ("data simulate", "symbols"),
    ("scaling fit", "seed"), ("scaling ledger", "columns"), ("scaling verdict", "seed"),
    ("report", "seed"), ("train", "seed"), ("export", "project"), ("hpo run", "study"),
    ("workspace claim", "name"), ("workspace claim", "focus"), ("workspace claim", "keyword"),
    ("workspace claim", "resource"), ("workspace release", "resource"),
    ("workspace handoff", "summary"), ("workspace handoff", "done"), ("workspace handoff", "next_"),
    ("workspace restore", "words"), ("workspace decide", "title"), ("workspace decide", "why"),
    ("workspace decide", "instead"), ("workspace decide", "evidence"), ("workspace phase", "title"),
    ("workspace phase", "stage"), ("workspace phase", "note_"), ("data sample", "rows"),
    ("hpo run", "trials"), ("walk-forward", "windows"), ("data download", "symbols"),
}  # fmt: skip
_NAMES = ["", "../../x", "/etc", "nothing*", "n" * 300, "a\x07b\nc☃", "\udcff"]
_NUMBERS = ["abc", "", "1e999999", "9" * 400, "nan"]
_DATES = ["", "2020-13-45", "yesterday", "2020/01/02", "0000-00-00"]
_PATHS_TO_WRITE = ["/dev/full/x", "small.yaml/x", "/proc/nothing/x.png", "n" * 300]
_WRITTEN = {"folder", "output", "out", "paper", "record", "write"}


def cases() -> Iterator[Case]:
    """Every one is refused, whatever the command."""
    commands = dict(_commands())
    assert set(commands) == set(RIGHT), set(commands) ^ set(RIGHT)
    for name, command in sorted(commands.items()):
        words = name.split()
        yield Case("arguments", f"{name} --nothing", [*words, *RIGHT[name], "--nothing"])
        many = any(p.param_type_name == "argument" and p.nargs == -1 for p in command.params)
        if not many:
            yield Case("arguments", f"{name} + 1", [*words, *RIGHT[name], *["one"] * 9])
        if RIGHT[name] and any(p.required for p in command.params):
            yield Case("arguments", f"{name} without", words)
        for parameter in command.params:
            for value in _bad(name, parameter):
                shown = value if len(value) < 20 else f"{value[:12]}… ({len(value)})"
                what = f"{name} {parameter.name}={shown!r}"
                yield Case("arguments", what, [*words, *_with(name, parameter, value)])


def _commands() -> Iterator[tuple[str, Any]]:
    """Each command that does something, by its words."""
    import typer

    from mlxts.cli.app import app

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if not inner:
            yield " ".join(words), command
            return
        for name, one in inner.items():
            yield from below(one, (*words, name))

    yield from below(typer.main.get_command(app), ())


def _bad(name: str, parameter: Any) -> list[str]:
    """Values that the parameter cannot have."""
    kind = parameter.type_descriptor.annotation
    if getattr(parameter, "is_flag", False) or parameter.name == "help":
        return []
    if (name, parameter.name) in _FREE:
        return ["abc", ""] if kind in (int, float) else []
    if kind in (int, float):
        low = getattr(parameter, "min", None)
        return [*_NUMBERS, *([] if low is None else [str(low - 1)])]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ["", "nothing", "☃"]
    if kind is datetime:
        return _DATES
    if parameter.name in _WRITTEN:
        return _PATHS_TO_WRITE
    return _NAMES


def _with(name: str, parameter: Any, value: str) -> list[str]:
    """The right call, but for one parameter."""
    right = RIGHT[name]
    if parameter.param_type_name == "option":
        option: str = max(parameter.opts, key=len)
        kept = right
        if option in right:
            place = right.index(option)
            kept = right[:place] + right[place + 2 :]
        if parameter.name in _WRITTEN and "--write" in _flags(name):
            kept = [*kept, "--write"]
        return [*kept, f"{option}={value}"]
    options = [index for index, word in enumerate(right) if word.startswith("--")]
    first = options[0] if options else len(right)
    return [*right[first:], "--", value]


def _flags(name: str) -> set[str]:
    command = dict(_commands())[name]
    return {option for p in command.params if getattr(p, "is_flag", False) for option in p.opts}
