"""Commands that documents name: found in code, and parsed as the shell and `mlxts` would.

Commands are searched in fenced `sh` blocks and in code spans that begin with `mlxts`, `make` or
`python`. Its path, its options and the choices of their values must exist; words in capitals (RUN,
CONFIG) are placeholders.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args

SHELLS = frozenset({"sh", "bash", "shell", "console", "zsh"})
_PROGRAMS = frozenset({"mlxts", "make", "python", "pytest"})
_WRAPPERS = frozenset({"sudo", "nohup", "time", "env", "caffeinate", "nice", "exec"})
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")
_BREAKS = frozenset({"&&", "||", "|", ";", "&", "(", ")"})
_REDIRECTS = re.compile(r"&?[<>]+&?")
_FILE = re.compile(
    r"(?:configs|docs|benchmarks|mlxts|tests|\.claude)/[\w./-]*\.(?:py|md|ya?ml|toml|json)"
)
_PLACEHOLDER = re.compile(r"[^a-z]*[A-Z][^a-z]*|.*[<>…{}$].*|\.\.\.")
_WRITES = frozenset({"--write", "--output", "--out", "--record"})  # what they name is made


def in_block(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line from 0, words) of every simple command of a shell block.

    Raises:
        ValueError: a quotation that is not closed.
    """
    pending, began = "", 0
    for number, line in enumerate(text.split("\n")):
        began = began if pending else number
        pending += line.removeprefix("$ ").rstrip("\\")
        if line.endswith("\\"):
            continue
        for words in simple(pending):
            yield began, words
        pending = ""


def simple(line: str) -> Iterator[list[str]]:
    """The simple commands of one line, comments left out. Raises ValueError."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if _REDIRECTS.fullmatch(word):
            next(lexer, None)
            if words and words[-1].isdigit():  # the 2 of `2>&1`
                words.pop()
        elif word in _BREAKS:
            yield words
            words = []
        else:
            words.append(word)
    yield words


def in_span(text: str) -> list[list[str]]:
    """The simple commands of a code span that begins with one; none where it is something else."""
    if text.split(" ", 1)[0].rsplit("/", 1)[-1] not in _PROGRAMS:
        return []
    try:
        return [words for words in simple(text) if words]
    except ValueError:
        return []


def wrong(
    words: Sequence[str],
    *,
    project: Path,
    tree: Any,
    targets: frozenset[str],
    whole: bool = False,
) -> str | None:
    """What is wrong with a simple command; None where nothing is, or it is none of ours.

    Args:
        words: as the shell splits them.
        project: against whose files paths are checked.
        tree: the root command of `mlxts`, with `commands` and `params` as click has them.
        targets: of the Makefile.
        whole: it is to be typed as it stands, so nothing that it needs may be left out; a span in
            prose often only names a command.
    """
    words = _bare(words)
    name, rest = (words[0].rsplit("/", 1)[-1], words[1:]) if words else ("", [])
    if name not in _PROGRAMS:
        return None
    if name == "make":
        return _wrong_target(rest, targets)
    problem = _wrong_call(rest, tree, whole) if name == "mlxts" else None
    return problem or _missing_file(rest, project)


def targets(project: Path) -> frozenset[str]:
    """Of the Makefile; empty where there is none."""
    path = project / "Makefile"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return frozenset(re.findall(r"^([a-z][\w-]*):(?!=)", text, re.M))


def _bare(words: Sequence[str]) -> list[str]:
    """Without what only prepares the command: variables, `nohup`, `mlx.launch -n 2 --`."""
    left = list(words)
    if "--" in left and left[0] not in _PROGRAMS:
        left = left[left.index("--") + 1 :]
    while left and (_VARIABLE.match(left[0]) or left[0] in _WRAPPERS):
        wraps = left.pop(0) in _WRAPPERS
        while wraps and left and left[0].startswith("-"):
            left.pop(0)
    return left


def _wrong_target(rest: list[str], targets: frozenset[str]) -> str | None:
    words = iter(rest)
    for word in words:
        if word == "-C":
            next(words, None)
        elif not word.startswith("-") and "=" not in word and word not in targets:
            return None if _PLACEHOLDER.fullmatch(word) else f"make has no target {word}"
    return None


def _wrong_call(rest: list[str], tree: Any, whole: bool) -> str | None:
    command, path = tree, "mlxts"
    while rest and getattr(command, "commands", None):
        if rest[0] in command.commands:
            path, command = f"{path} {rest[0]}", command.commands[rest[0]]
        elif rest[0].startswith("-"):
            break
        elif getattr(command, "default_command", None):  # `mlxts hpo CONFIG`
            path = f"{path} {command.default_command}"
            command = command.commands[command.default_command]
            continue
        elif _PLACEHOLDER.fullmatch(rest[0]):
            break
        else:
            return f"{path} has no command {rest[0]}"
        rest = rest[1:]
    return _wrong_arguments(rest, command, path, whole)


def _wrong_arguments(rest: list[str], command: Any, path: str, whole: bool) -> str | None:
    is_group = bool(getattr(command, "commands", None))
    options = {name: p for p in command.params for name in (*p.opts, *p.secondary_opts)}
    places = [p for p in command.params if p.param_type_name == "argument"]
    missing = {} if is_group else {id(p): p for p in command.params if p.required}
    words = iter(rest)
    for word in words:
        if word in ("--help", "-h"):
            whole = False
            continue
        if not word.startswith("-") or word == "-":
            if is_group:  # a placeholder in the place of a command
                return None
            if not places:
                return f"{path} takes no argument {word}"
            place = places[0] if places[0].nargs < 0 else places.pop(0)
            missing.pop(id(place), None)
            if not _fits(word, place):
                return f"{path} takes {_accepted_values(place)}, not {word}"
            continue
        name, equals, value = word.partition("=")
        option = options.get(name)
        if option is None:
            return f"{path} has no option {name}"
        missing.pop(id(option), None)
        if not option.is_flag and not option.count:
            value = value if equals else next(words, "")
            if not _fits(value, option):
                return f"{path} {name} takes {_accepted_values(option)}, not {value or 'nothing'}"
    if whole and missing:
        needed = next(iter(missing.values()))
        if needed.param_type_name == "option":
            return f"{path} needs {needed.opts[0]}"
        return f"{path} needs {needed.metavar or needed.name.upper()}"
    return None


def _fits(value: str, parameter: Any) -> bool:
    if _PLACEHOLDER.fullmatch(value):
        return True
    choices, number = _choices(parameter), _number(parameter)
    if number:
        try:
            number(value)
        except ValueError:
            return False
    return value in choices if choices else bool(value)


def _accepted_values(parameter: Any) -> str:
    number = _number(parameter)
    if number:
        return "a whole number" if number is int else "a number"
    return ", ".join(sorted(_choices(parameter))) or "a value"


def _number(parameter: Any) -> Callable[[str], float] | None:
    """What reads its value, if that is a number."""
    kinds = _kinds(parameter)
    return next((kind for kind in (int, float) if kind in kinds), None)


def _kinds(parameter: Any) -> tuple[Any, ...]:
    """The types in a parameter's annotation: of `list[int] | None`, int among them."""
    named = {"integer": int, "integer range": int, "float": float, "float range": float}
    kind = named.get(getattr(getattr(parameter, "type", None), "name", ""))
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    inner = get_args(annotation)
    return (kind, annotation, *inner, *(a for part in inner for a in get_args(part)))


def _choices(parameter: Any) -> frozenset[str]:
    """The values that a parameter can have; empty where any will do. Typer keeps an enumeration in
    click's type or, since it is no longer based on click, in a descriptor of its own."""
    choices = getattr(getattr(parameter, "type", None), "choices", None)
    if choices is None:
        kinds = _kinds(parameter)
        choices = next((k for k in kinds if isinstance(k, type) and issubclass(k, Enum)), ())
    return frozenset(str(getattr(choice, "value", choice)) for choice in choices)


def _missing_file(rest: list[str], project: Path) -> str | None:
    for before, word in zip(["", *rest], rest, strict=False):
        if before not in _WRITES and _FILE.fullmatch(word) and not (project / word).exists():
            return f"there is no {word}"
    return None
