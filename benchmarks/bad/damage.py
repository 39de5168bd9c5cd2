"""Files of a workspace, damaged in every way, and the commands that read them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bad.arguments import RUN
from benchmarks.bad.case import Case

PLAN = ["sweep", "plan", "sweep.yaml", "--no-timing"]
HANDOFF = ["workspace", "handoff", "ws1", "--summary", "it"]
EXPORT = ["export", RUN, "--to", "npz"]
REPORT = ["report", "--draws", "50"]
TRAIN = ["train", "small.yaml", "--quiet"]
RESUME = [*TRAIN, "--seed", "2", "--resume"]
TEST = ["evaluate", RUN, "--split", "test"]
# A file by a pattern, and calls that read it.
_READ: dict[str, list[list[str]]] = {
    "data/raw/manifest.json": [
        ["data", "list"], ["check", "data"], ["data", "import", "bars.csv"],
        PLAN, ["data", "sample"], HANDOFF,
    ],
    "data/processed/manifest.json": [["data", "list"], PLAN],
    "data/raw/simulated/SPY/*.parquet": [["check", "data"], PLAN],
    "data/processed/*/*.parquet": [["check", "data"], PLAN],
    f"outputs/runs/{RUN}*/run.json": [
        ["runs"], ["evaluate", RUN], ["scaling", "ledger"], REPORT,
        ["predict", RUN], EXPORT, HANDOFF,
    ],
    f"outputs/runs/{RUN}*/summary.json": [
        ["runs"], ["scaling", "ledger"], REPORT, TRAIN,
        ["evaluate", RUN],
    ],
    f"outputs/runs/{RUN}*/predictions.parquet": [
        ["evaluate", RUN], ["scaling", "ledger"], REPORT,
        TRAIN, ["export", RUN, "--to", "csv"],
    ],
    f"outputs/runs/{RUN}*/config.yaml": [["evaluate", RUN], ["predict", RUN], ["runs"]],
    f"outputs/runs/{RUN}*/offset.json": [["predict", RUN], EXPORT],
    f"outputs/runs/{RUN}*/metrics.jsonl": [TRAIN],
    f"outputs/runs/{RUN}*/events.jsonl": [HANDOFF],
    f"outputs/runs/{RUN}*/checkpoint/best/state.json": [["predict", RUN], EXPORT],
    f"outputs/runs/{RUN}*/checkpoint/best/weights.safetensors": [
        ["predict", RUN], EXPORT,
    ],
    "outputs/runs/*-s2-*/metrics.jsonl": [RESUME],
    "outputs/runs/*-s2-*/events.jsonl": [RESUME],
    "outputs/runs/*-s2-*/run.json": [RESUME],
    "outputs/runs/*-s2-*/checkpoint/last/state.json": [
        RESUME,
    ],
    "outputs/results/batch_size/*.json": [PLAN],
    "outputs/results/test_looks.jsonl": [TEST, REPORT],
    "outputs/results/report/report.json": [REPORT],
    "outputs/results/benchmarks/*.json": [REPORT],
    "outputs/search/journal.log": [
        ["sweep", "status", "sweep.yaml"], ["hpo", "list"], PLAN,
        ["sweep", "run", "sweep.yaml", "--queue-only"], REPORT,
    ],
    "outputs/models/published/model.json": [["export", "published", "--to", "npz"]],
    "outputs/models/published/weights.safetensors": [["export", "published", "--to", "npz"]],
    "plain/config.json": [["import", "huggingface", "plain", "--name", "again"]],
    "plain/model.safetensors": [["import", "huggingface", "plain", "--name", "again"]],
    ".claude/context/global_context.md": [["workspace", "status"]],
    ".claude/context/workstreams/ws1_context.md": [
        ["workspace", "status"], ["workspace", "claim", "ws1"],
    ],
    "small.yaml": [PLAN, ["baselines", "small.yaml", "--only", "base_rate_by_volatility"]],
    "sweep.yaml": [PLAN],
    "search.yaml": [["hpo", "run", "search.yaml", "--timeout", "0"]],
    "bars.csv": [["data", "import", "bars.csv"]],
}  # fmt: skip

# Without these there simply is nothing yet.
_MAY_BE_ABSENT = (
    "manifest.json", "test_looks.jsonl", "journal.log", "batch_size/*.json", "benchmarks/*.json",
    "report.json", "metrics.jsonl", "events.jsonl",
)  # fmt: skip

# What is only ever appended to is cut by a kill, or a power cut: then the rest counts.
_APPENDED = (".log", ".jsonl")
_CUT = ("empty", "cut in half", "without its last byte", "deep")

Bytes = Callable[[bytes], bytes]
_WAYS: dict[str, Bytes] = {
    "empty": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "without its last byte": lambda data: data[:-1],
    "not UTF-8": lambda data: data[: len(data) // 3] + b"\xff\xfe\x00" + data[len(data) // 3 :],
    "zeros": lambda data: bytes(len(data)),
    "garbage": lambda data: bytes((7 * index + 3) % 256 for index in range(len(data))),
    "[]": lambda data: b"[]\n",
    "null": lambda data: b"null\n",
    "a number": lambda data: b"3\n",
    "{}": lambda data: b"{}\n",
    "a line of garbage at its end": lambda data: data + b"garbage\n",
    "deep": lambda data: b'{"a":' * 100_000,
}
_OTHERS: tuple[Any, ...] = (None, "text", 3.5, [], {}, True)  # values of another type


def cases(every: bool = True) -> Iterator[Case]:
    """Each file in each way, under each command that reads it.

    Args:
        every: all commands, and every key of JSON; else the first command and the bytes alone.
    """
    for pattern, calls in _READ.items():
        for arguments in calls if every else calls[:1]:
            for way, change in _WAYS.items():
                if pattern.endswith(_APPENDED) and way in _CUT:
                    continue
                yield _of_bytes(pattern, way, change, arguments)
            yield Case(_kind(pattern), f"{pattern} a folder", arguments, _folder(pattern))
            if not pattern.endswith(_MAY_BE_ABSENT):
                yield Case(_kind(pattern), f"{pattern} gone", arguments, _gone(pattern))


def of_keys(home: Path) -> Iterator[Case]:
    """Each key of our JSON files with a value of another type, and without it."""
    for pattern, calls in _READ.items():
        if not pattern.endswith((".json", ".jsonl")):
            continue
        value = _parsed(_find(home, pattern))
        for number, keys in enumerate(_keys(value)):
            dotted, other = ".".join(map(str, keys)), _another(value, keys)
            kind, arguments = f"{_kind(pattern)}, keys", calls[number % len(calls)]
            without = _changed(pattern, keys, None, gone=True)
            yield Case(kind, f"{pattern} {dotted} gone", arguments, without)
            changed = _changed(pattern, keys, other)
            yield Case(kind, f"{pattern} {dotted} = {other!r}", arguments, changed)


def _kind(pattern: str) -> str:
    kinds = {
        ".json": "JSON", ".jsonl": "JSON lines", ".log": "journal", ".parquet": "Parquet",
        ".safetensors": "safetensors", ".yaml": "YAML", ".md": "records", ".csv": "CSV",
    }  # fmt: skip
    return f"damaged {kinds[Path(pattern).suffix]}"


def _find(home: Path, pattern: str) -> Path:
    (found,) = home.glob(pattern)
    return found


def _of_bytes(pattern: str, way: str, change: Bytes, arguments: list[str]) -> Case:
    def damage(home: Path) -> str:
        path = _find(home, pattern)
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(change(data))
        return path.name

    return Case(_kind(pattern), f"{pattern} {way}", arguments, damage)


def _folder(pattern: str) -> Callable[[Path], str]:
    def damage(home: Path) -> str:
        path = _find(home, pattern)
        path.unlink()
        path.mkdir()
        return path.name

    return damage


def _gone(pattern: str) -> Callable[[Path], str]:
    def damage(home: Path) -> str:
        path = _find(home, pattern)
        path.unlink()
        return f"{path.name}|{path.parent.name}"

    return damage


def _changed(pattern: str, keys: tuple[Any, ...], other: Any, *, gone: bool = False) -> Any:
    def damage(home: Path) -> str:
        path = _find(home, pattern)
        value = _parsed(path)
        inner = value
        for key in keys[:-1]:
            inner = inner[key]
        if gone:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = other
        lines = value if path.suffix == ".jsonl" else [value]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path.name

    return damage


def _parsed(path: Path) -> Any:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return json.loads(path.read_text())


def _keys(value: Any, depth: int = 4) -> Iterator[tuple[Any, ...]]:
    """Paths of keys; of a list the first item alone."""
    if isinstance(value, list):
        value = {0: value[0]} if value else {}
        for rest in _keys(value[0], depth - 1) if value else ():
            yield (0, *rest)
        return
    if not isinstance(value, dict) or depth == 0:
        return
    for key, inner in value.items():
        yield (key,)
        for rest in _keys(inner, depth - 1):
            yield (key, *rest)


def _another(value: Any, keys: tuple[Any, ...]) -> Any:
    """A value of another type than the one that stands there, always the same one."""
    for key in keys:
        value = value[key]
    others = [o for o in _OTHERS if type(o) is not type(value)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        others = ["text", [], {}]
    return others[sum(map(ord, "".join(map(str, keys)))) % len(others)]


def manifest_paths() -> Iterator[Case]:
    """Entries that lead out of the workspace."""
    pattern = "data/raw/manifest.json"
    for path in (
        "../outside.parquet",
        "/etc/passwd",
        "data/raw/../../small.yaml",
        "small.yaml",
        "",
    ):
        for arguments in (["data", "list"], ["check", "data"], ["data", "import", "bars.csv"]):
            yield Case("manifest paths", f"path {path}", arguments,
                       _changed(pattern, ("artifacts", 0, "path"), path))  # fmt: skip
