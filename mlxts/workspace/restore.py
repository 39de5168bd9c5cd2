"""Picking up: which workstream is meant, and what somebody new to it has to know, in order."""

import re
from dataclasses import dataclass
from pathlib import Path

from mlxts.workspace import blocks, context, git, ownership, project, state_report, summaries
from mlxts.workspace.context_records import Workstream

_WORD = re.compile(r"[a-z0-9]+")
# Words of every request, which distinguish no workstream.
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and at by can continue do for from go going how i in is it let me my next of on our "
        "please resume session start that the this to want we what where with work workstream",
    )
)
_WEIGHTS = {"keywords": 3, "name": 3, "branch": 2, "owns": 1, "focus": 1}


@dataclass(frozen=True)
class Guess:
    """The workstream that some words refer to; None where they refer to none, or to several."""

    workstream: str | None
    words: tuple[str, ...]  # those that decided


def guess(headers: list[Workstream], text: str) -> Guess:
    """From the words of a request. An identifier (`ws2`) decides by itself; so does being alone."""
    words = set(_stems(text))
    named = [h.workstream for h in headers if h.workstream in words]
    if len(named) == 1:
        return Guess(named[0], (named[0],))
    scores = {h.workstream: _score(h, words) for h in headers}
    best = max(scores.values(), key=lambda s: s[0])
    leaders = [name for name, score in scores.items() if score[0] == best[0]]
    if best[0] and len(leaders) == 1:
        return Guess(leaders[0], tuple(sorted(best[1])))
    active = [h.workstream for h in headers if h.status in ("active", "blocked")]
    if not words and len(active) == 1:
        return Guess(active[0], ("the only active one",))
    return Guess(None, ())


def sections(root: Path, wanted: str | None, text: str) -> list[tuple[str, str]]:
    """(title, Markdown) of what to read, in the order to read it.

    Args:
        wanted: a workstream's identifier; None: it is guessed from `text`.

    Raises:
        WorkspaceError: a record that cannot be read.
    """
    with project.at_home(root):
        return _sections(root, wanted, text)


def _sections(root: Path, wanted: str | None, text: str) -> list[tuple[str, str]]:
    loaded = context.load(root)
    chosen = Guess(wanted, ()) if wanted else guess(loaded.headers, text)
    parts = [
        (
            "The project",
            f"{_prose(loaded.overview.body)}\n\n{summaries.phases(loaded.phases.header)}",
        ),
        ("Workstreams", summaries.summary(loaded.headers)),
        ("Which one", _selection(loaded, chosen, given=wanted is not None)),
        ("Confirm", _confirm(loaded, chosen.workstream)),
    ]
    if chosen.workstream:
        record = loaded.workstreams[chosen.workstream]
        parts.append((f"{chosen.workstream} in detail", _read(record.body)))
    parts.append(("The environment", _environment(root, loaded, chosen.workstream)))
    parts.append(("Other workstreams", _others(loaded, chosen.workstream)))
    parts.append(("Priorities", _priorities(loaded, chosen.workstream)))
    return parts


def _selection(loaded: context.Context, chosen: Guess, *, given: bool) -> str:
    if chosen.workstream is None:
        return "The words point at no single workstream."
    name = loaded.workstreams[chosen.workstream].header.name or "no name yet"
    if given:
        return f"{chosen.workstream} ({name}), as asked."
    return f"Detected {chosen.workstream} ({name}) by {', '.join(chosen.words)}."


def _confirm(loaded: context.Context, name: str | None) -> str:
    if name is None:
        return "Ask which workstream is meant, then `mlxts workspace restore --workstream ws1`."
    called = loaded.workstreams[name].header.name or "no name yet"
    return f"Ask: workstream {name} ({called}), correct? Read on only after a yes."


def _prose(body: str) -> str:
    """What people wrote, without the headings whose table another section shows."""
    lines = [line for line in blocks.without(body).split("\n") if line.strip()]
    prose_lines = [
        line
        for line, after in zip(lines, [*lines[1:], "#"], strict=True)
        if not (line.startswith("# ") or (line.startswith("#") and after.startswith("#")))
    ]
    return "\n".join(
        f"\n{line}\n" if line.startswith("#") else line for line in prose_lines
    ).strip()


def _read(body: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", blocks.unmarked(body)).strip()


def _environment(root: Path, loaded: context.Context, name: str | None) -> str:
    since = loaded.workstreams[name].header if name else None
    lines = [state_report.code(git.state(root), since.commit if since else None, root), ""]
    wrong = list(context.problems(root))
    lines += [f"- {problem}" for problem in wrong]
    lines.append(
        "Run `make verify` and `make test` before anything else; what fails now was failing before "
        "you came."
    )
    lines += ["", state_report.data()]
    if since:
        lines += ["", "Since the last handoff:", "", state_report.runs_since(since.updated)]
    return "\n".join(lines)


def _others(loaded: context.Context, name: str | None) -> str:
    parts = [summaries.coordination(loaded.headers)]
    changed = ownership.trespasses(loaded)
    if changed:
        parts.append("\n".join(f"- {trespass}" for trespass in changed))
    if name:
        waiting = [h.workstream for h in loaded.headers if name in {b.by for b in h.blocked_by}]
        if waiting:
            parts.append(f"{', '.join(waiting)} waits for you.")
    return "\n\n".join(parts)


def _priorities(loaded: context.Context, name: str | None) -> str:
    if not name:
        return "None until a workstream is chosen."
    try:
        written = blocks.body(loaded.workstreams[name].body, "handoff")
    except blocks.BlockError:
        written = ""
    after = re.search(r"^## Next\n\n(.*?)(?:\n\n## |\Z)", written, re.S | re.M)
    listed = after[1] if after else "Nothing was handed off yet."
    return f"{listed}\n\nWait for a direction before anything is changed."


def _score(header: Workstream, words: set[str]) -> tuple[int, set[str]]:
    held = {
        "keywords": " ".join(header.keywords),
        "name": header.name or "",
        "branch": header.branch or "",
        "owns": " ".join(claim.path for claim in header.owns),
        "focus": header.focus or "",
    }
    total, decisive = 0, set()
    for part, text in held.items():
        shared = words & set(_stems(text))
        total += _WEIGHTS[part] * len(shared)
        decisive |= shared
    return total, decisive


def _stems(text: str) -> list[str]:
    """Words that distinguish, in lower case and singular, so that `features` finds `feature`."""
    words = [word for word in _WORD.findall(text.lower()) if word not in _COMMON]
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words]
