"""Do two revisions of this project train the same bits? `make compare REV=<commit>`

A change that only moves code leaves every number as it was. This trains a few tiny configurations
with the working tree and with another revision, each in a folder of its own, and compares losses
of every step, validation losses, the best weights, the network's predictions and the scores that
both revisions write, all bit for bit (CPU; on a GPU sums may be ordered otherwise). Run ids and
names of files are no part of it. Exit status: 0 equal, 1 different, 2 one of them did not train.

    python benchmarks/compare_revisions.py HEAD~1 [--case mixing --case pooled]
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlxts import transfer
from mlxts.model.patchtst import current_names
from mlxts.runs import upgrade

ROOT = Path(__file__).resolve().parents[1]
NETWORK = "patchtst"  # its key in summaries, and its name where predictions name their model
_COMMON = {"budget": "0.02M", "features.tier": 20, "training.max_epochs": 1}
CASES: dict[str, dict[str, Any]] = {
    "mixing": {},
    "independent": {"model.channels": "independent", "training.batch_size": 128},
    # By its former name, which revisions before 0.2 know alone.
    "residual": {"model.offset": "har"},
    "pooled": {"data.symbols": "[SP500, NASDAQ]"},
    "monthly": {"timescale": "monthly", "horizon": "null"},
    "regression": {"task": "regression"},
}
_DATA = ("SP500", "NASDAQ")
_NOT_COMPARED = ("seconds", "time", "memory", "thermal")  # of the clock and the machine


class DidNotTrain(Exception):
    """A revision that could not train a case; the message is the end of what it printed."""


@dataclass(frozen=True)
class Results:
    """What a finished run decided, by name: arrays of float32, float64 or strings."""

    numbers: dict[str, np.ndarray]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Do two revisions train the same bits?")
    parser.add_argument("revision", help="what the working tree is compared with: a commit, a tag")
    parser.add_argument("--case", action="append", choices=tuple(CASES), help="default: all")
    asked = parser.parse_args(arguments)
    cases = asked.case or list(CASES)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            other = export(asked.revision, Path(scratch) / "revision")
            with ThreadPoolExecutor(2) as pool:
                ours = pool.submit(train_all, ROOT, Path(scratch) / "home_ours", cases)
                theirs = pool.submit(train_all, other, Path(scratch) / "home_theirs", cases)
                pairs = {case: (ours.result()[case], theirs.result()[case]) for case in cases}
        except DidNotTrain as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    different = False
    for case, (here, there) in pairs.items():
        found = list(differences(here.numbers, there.numbers))
        different = different or bool(found)
        print(f"{case}: {'; '.join(found) if found else f'equal ({len(here.numbers)} arrays)'}")
    return int(different)


def export(revision: str, folder: Path) -> Path:
    """The files of a revision in `folder`. Raises DidNotTrain if git knows no such revision."""
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    command = ["git", "-C", str(ROOT), "archive", "-o", str(archive), revision]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DidNotTrain(f"git has no revision {revision}: {done.stderr.strip()}")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def train_all(tree: Path, home: Path, cases: list[str]) -> dict[str, Results]:
    """Train each case with the code of `tree`, one after another, in the workspace `home`."""
    _mlxts(tree, home, "data", "download", *_DATA, "--source", "sample")
    trained = {}
    for case in cases:
        settings = {**_COMMON, **CASES[case]}
        changes = [f"--set={key}={value}" for key, value in settings.items()]
        before = set(_runs(home))
        _mlxts(tree, home, "train", str(tree / "configs" / "demo.yaml"), *changes)
        (folder,) = set(_runs(home)) - before
        trained[case] = read(folder)
    return trained


def _runs(home: Path) -> list[Path]:
    return [path.parent for path in (home / "outputs" / "runs").glob("*/summary.json")]


def _mlxts(tree: Path, home: Path, *arguments: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    one_thread = dict.fromkeys(("MLXTS_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    own = {"PYTHONPATH": str(tree), "MLXTS_HOME": str(home), "MLXTS_LOCKS": str(home / "locks")}
    done = subprocess.run(
        [sys.executable, "-m", "mlxts", *arguments],
        cwd=home,
        env={**os.environ, **one_thread, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        end = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise DidNotTrain(f"mlxts {' '.join(arguments)} in {tree}: {''.join(end)}")


def read(folder: Path) -> Results:
    """The numbers of a finished run.

    Returns:
        `loss.<split>` (steps,), `weights.<name>` under the names of this revision,
        `prediction.<split>.<symbol>` (dates,) with `dates.…` beside it, and `score.<path>` (1,) of
        every figure of the network and its baselines in summary.json.
    """
    import mlx.core as mx

    numbers: dict[str, np.ndarray] = {}
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for split in sorted({event["split"] for event in events}):
        losses = [event["loss"] for event in events if event["split"] == split]
        numbers[f"loss.{split}"] = np.fromiter(losses, dtype=np.float64)
    weights = transfer.on_host(mx.load(str(folder / "checkpoint" / "best" / "weights.safetensors")))
    numbers.update({f"weights.{name}": array for name, array in current_names(weights).items()})
    rows = pl.read_parquet(folder / "predictions.parquet")
    if "model" in rows.columns:
        rows = rows.filter(pl.col("model") == NETWORK)
    for (split, symbol), part in sorted(rows.group_by("split", "symbol")):
        part = part.sort("date")
        numbers[f"dates.{split}.{symbol}"] = part["date"].to_numpy()
        numbers[f"prediction.{split}.{symbol}"] = part["logit"].to_numpy()
    summary = json.loads((folder / "summary.json").read_text())
    numbers.update(_flat("score", upgrade.scored(summary["scores"])))
    return Results(numbers)


def _flat(path: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Every number below `value`, with the keys and positions that lead to it."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key not in _NOT_COMPARED:
                yield from _flat(f"{path}.{key}", below)
    elif isinstance(value, list):
        for position, below in enumerate(value):
            yield from _flat(f"{path}.{position}", below)
    elif isinstance(value, bool | int | float):
        yield path, np.array([value], dtype=np.float64)


def differences(here: dict[str, np.ndarray], there: dict[str, np.ndarray]) -> Iterator[str]:
    """What differs, a sentence for each kind: scores that only one revision knows are no fault."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(here.keys() | there.keys()):
        kind = name.split(".", 1)[0]
        if name not in here or name not in there:
            if kind != "score":
                where = "there" if name not in here else "here"
                kinds.setdefault(kind, []).append((name, f"only {where}"))
            continue
        if not np.array_equal(here[name], there[name], equal_nan=here[name].dtype.kind == "f"):
            kinds.setdefault(kind, []).append((name, _how(here[name], there[name])))
    for kind, found in kinds.items():
        name, how = found[0]
        yield f"{len(found)} {kind} differ, first {name} ({how})"


def _how(here: np.ndarray, there: np.ndarray) -> str:
    if here.shape != there.shape or here.dtype.kind != "f":
        return f"shapes {here.shape} and {there.shape}"
    apart = np.abs(here.astype(np.float64) - there.astype(np.float64))
    first = int(np.argmax((apart.ravel() > 0) | np.isnan(apart.ravel())))
    return f"largest difference {np.nanmax(apart):.3g}, first at {first}"


if __name__ == "__main__":
    sys.exit(main())
