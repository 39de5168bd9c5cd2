"""A bad input, and how what became of it is judged."""

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.bad import world
from benchmarks.bad.server import Outcome, Server

Judged = Literal["refused", "told", "mended", "not read", "accepted", "traceback"]
# Files that say when they were written.
_TIMED = (".jsonl", ".json", ".png", ".lock", ".log", ".md")


@dataclass(frozen=True)
class Case:
    """One call.

    Attributes:
        kind: row of the table that it counts in.
        what: what is bad, in a few words.
        damage: what is done to a workspace before; it returns the names, between |, of which a
            word about it says one.
        harmless: how the same call ends with nothing damaged decides whether the bad input was
            read at all. False: the input is an argument, which is always read.
    """

    kind: str
    what: str
    arguments: list[str]
    damage: Callable[[Path], str] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    largest_file: int | None = None
    bound_by_modes: bool = False
    output: str = ""


@dataclass(frozen=True)
class Ended:
    """What became of a case."""

    case: Case
    judged: Judged
    outcome: Outcome
    litter: tuple[str, ...]  # half-written files that stayed behind

    @property
    def line(self) -> str:
        lines = self.outcome.err.strip().splitlines()
        return lines[-1] if lines else ""


class Bench:
    """Calls cases on copies of a workspace."""

    def __init__(self, home: Path, scratch: Path, server: Server) -> None:
        self._home, self._scratch, self._server = home, scratch, server
        self._right: dict[tuple[str, ...], tuple[str, dict[str, str]]] = {}

    def run(self, case: Case) -> Ended:
        """Judge one.

        refused: an exit code other than 0 and one line. told: done, with a word about it.
        mended: every file is there again as it was, but for those that the call writes anyway,
        and what was damaged among them. not read: the outcome is the one of the
        undamaged workspace. accepted: none of these.
        """
        folder = self._fresh()
        name = case.damage(folder) if case.damage else ""
        if case.bound_by_modes:
            for path in (folder, *folder.rglob("*")):
                if path.is_dir():
                    path.chmod(0o555)
        before, whole = _state(folder), _state(self._home)
        outcome = self._server.call(
            case.arguments, folder, environment=case.environment, largest_file=case.largest_file,
            bound_by_modes=case.bound_by_modes, output=case.output,
        )  # fmt: skip
        litter = tuple(sorted(str(p.relative_to(folder)) for p in folder.rglob(".*.tmp*")))
        after = _state(folder)
        judged = self._judged(case, name, outcome, before, after)
        if judged == "accepted" and before != whole:
            _, written = self._undamaged(tuple(case.arguments))
            kept = {
                n: what for n, what in whole.items() if n not in written or before.get(n) != what
            }
            judged = "mended" if kept.items() <= after.items() else judged
        return Ended(case, judged, outcome, litter)

    def _judged(
        self, case: Case, name: str, outcome: Outcome, before: dict[str, str], after: dict[str, str]
    ) -> Judged:
        if outcome.is_traceback:
            return "traceback"
        if outcome.code:
            return "refused"
        if case.damage is None:
            return "accepted"
        out, changed = self._undamaged(tuple(case.arguments))
        if name and any(
            one in outcome.err or (one in outcome.out and one not in out) for one in name.split("|")
        ):
            return "told"
        same = _timeless(outcome.out) == out and _changes(before, after) == changed
        return "not read" if same else "accepted"

    def _undamaged(self, arguments: tuple[str, ...]) -> tuple[str, dict[str, str]]:
        """What the call prints, and which files it changes, where nothing is damaged."""
        if arguments not in self._right:
            folder = self._fresh()
            before = _state(folder)
            outcome = self._server.call(list(arguments), folder)
            self._right[arguments] = _timeless(outcome.out), _changes(before, _state(folder))
        return self._right[arguments]

    def _fresh(self) -> Path:
        folder = self._scratch / "home"
        for path in (folder, *folder.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        world.copy(self._home, folder)
        return folder


def _state(folder: Path) -> dict[str, str]:
    """Every file below, by what it holds where that does not depend on the time."""
    return {
        str(path.relative_to(folder)): ""
        if path.suffix in _TIMED
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _changes(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    return {name: what for name, what in after.items() if before.get(name) != what}


def _timeless(text: str) -> str:
    """Without durations, moments and what was measured."""
    return re.sub(r"\d+(\.\d+)? (s|min|ms)\b|\d+:\d\d(:\d\d)?|\d{4}-\d\d-\d\d[T ][\d:]+", "", text)
