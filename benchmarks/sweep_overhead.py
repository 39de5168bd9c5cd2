"""What a sweep or a search costs besides training, by cause; runs an hour by workers."""

import functools
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.harness import Benchmark, Picture, Row, fresh, main

AIMS = {"0.2M": 0.10, "2M": 0.03}
_BASE = """\
  mode: exploratory
  budget: {budget}
  task: threshold_1pct
  timescale: daily
  horizon: 1
  data: {{source: simulated, walk_forward_window: 1}}
  features: {{tier: 20}}
  model: {{residual_of: linear}}
  thermal: {{sensor: 'off'}}
"""
# What runs begin with, and what they do: the time of a function, without that of others below.
_TRAINING = ("steps", "validations")
_CAUSES = {
    "mlxts.search.jobs:work": "queue",
    "mlxts.search.jobs:Job.train": "rest of a run",
    "mlxts.search.sweep:make_plan": "data and plan",
    "mlxts.search.objective:make_plan": "data and plan",
    "mlxts.training.run:build_model": "model",
    "mlxts.training.residual_reference:load_or_fit": "reference of the residual",
    "mlxts.training.run:inputs": "reference of the residual",
    "mlxts.training.loop:train": "steps",
    "mlxts.training.loop:Forward.__call__": "validations",
    "mlxts.training.checkpoint:save": "checkpoints",
    "mlxts.training.checkpoint:restore": "checkpoints",
    "mlxts.training.log:RunLog.__call__": "log",
    "mlxts.predict:predict_network": "predictions",
    "mlxts.predict:predict_references": "references",
    "mlxts.runs.predictions:write": "writing predictions",
    "mlxts.evaluation.score:score_run": "scores",
}
START = "start"  # interpreter, imports, opening the study, and its table at the end


@dataclass(frozen=True)
class _Work:
    """One command, which some workers run beside each other."""

    name: str
    budget: str
    runs: int  # a worker
    workers: int = 1
    search: bool = False
    epochs: int | None = None

    @property
    def yaml(self) -> str:
        """The file that the command reads."""
        base = _BASE.format(budget=self.budget)
        if self.epochs:
            base += f"  training: {{max_epochs: {self.epochs}}}\n"
        if self.search:
            lines = [line.removeprefix("  ") for line in base.splitlines()]
            lines[5] = "data: {source: simulated}"  # a search reads the fixed splits
            space = "search: {space: {weight_decay: {low: 0.0001, high: 0.1, log: true}}}"
            return "\n".join(["name: overhead", *lines, space, ""])
        seeds = list(range(self.runs * self.workers))
        return f"name: overhead\nbase:\n{base}axes:\n  seed: {seeds}\n"

    def arguments(self, file: Path) -> list[str]:
        if self.search:
            return ["hpo", "run", str(file), "--trials", str(self.runs), "--quiet"]
        return ["sweep", "run", str(file), "--workers-per-device", str(self.workers)]


def measure(quick: bool) -> list[Row]:
    """Each command in a workspace of its own."""
    if quick:
        works = [
            _Work("sweep", "0.2M", 2),
            _Work("sweep", "2M", 2, epochs=2),
            _Work("search", "0.2M", 3, search=True),
        ]
    else:
        works = [
            _Work("sweep", "0.2M", 12),
            _Work("sweep", "0.2M", 6, workers=2),
            _Work("sweep", "2M", 3),
            _Work("search", "0.2M", 30, search=True),
        ]
    return [row for work in works for row in _rows(work)]


def _rows(work: _Work) -> Iterator[Row]:
    """Of one command: all that is outside training, then every cause, the heaviest first."""
    wall, processes = _measure(work)
    runs = work.runs * work.workers
    seconds: dict[str, list[float]] = {}  # by cause: on the clock, of the processor
    for clock, processor in processes:
        clock[START] = wall - sum(clock.values())  # an interpreter cannot time its own start
        for totals, column in ((clock, 0), (processor, 1)):
            for cause, spent in totals.items():
                seconds.setdefault(cause, [0.0, 0.0])[column] += spent
    outside = {cause: spent for cause, spent in seconds.items() if cause not in _TRAINING}
    columns = list(zip(*outside.values(), strict=True))
    everything = list(zip(*seconds.values(), strict=True))
    shares = [sum(column) / sum(total) for column, total in zip(columns, everything, strict=True)]
    common = {"work": work.name, "budget": work.budget, "workers": work.workers, "runs": runs}
    yield {
        **common,
        "cause": "all outside training",
        "clock": sum(columns[0]) / runs,
        "processor": sum(columns[1]) / runs,
        "share": shares[0],
        "processor_share": shares[1],
        "per_hour": 3600.0 * runs / wall,
        "aim": AIMS[work.budget],
        "holds": shares[0] <= AIMS[work.budget],
    }
    for cause, (clock, processor) in sorted(seconds.items(), key=lambda item: -item[1][1]):
        yield {
            **common,
            "cause": cause,
            "clock": clock / runs,
            "processor": processor / runs,
            "share": clock / sum(everything[0]),
            "processor_share": processor / sum(everything[1]),
        }


def _measure(work: _Work) -> tuple[float, list[tuple[dict[str, float], dict[str, float]]]]:
    """Seconds on the clock; of each worker, seconds by cause on its clock and of the processor."""
    from mlxts.data import store
    from mlxts.simulation.source import SimulatedSource

    with tempfile.TemporaryDirectory() as home:
        os.environ["MLXTS_HOME"] = home
        source = SimulatedSource("sv", first=date(1993, 1, 29), last=date(2024, 12, 31))
        bars = source.fetch("SPY")
        store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
        file = Path(home, "overhead.yaml")
        file.write_text(work.yaml, encoding="utf-8")
        own = {
            "MLXTS_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MLXTS_LOCKS": str(Path(home, "locks")),
        }
        asked = {"arguments": work.arguments(file)}
        begin = perf_counter()
        with ThreadPoolExecutor(work.workers) as pool:
            workers = [pool.submit(fresh, __file__, asked, own) for _ in range(work.workers)]
            results = [worker.result() for worker in workers]
        wall = perf_counter() - begin
    return wall, [(result["clock"], result["processor"]) for result in results]


def case(arguments: list[str]) -> dict[str, dict[str, float]]:
    """Run a command of `mlxts` in this process; seconds by cause."""
    from mlxts import cli

    causes = _Causes()
    for target, cause in _CAUSES.items():
        causes.watch(target, cause)
    sys.argv = ["mlxts", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise RuntimeError("the command failed; run it by hand to see why") from end
    with causes.of(START):  # charges what came before
        return {"clock": causes.clock, "processor": causes.processor}


class _Causes:
    """Seconds by cause, each without those of the causes that began within it."""

    def __init__(self) -> None:
        self.clock: dict[str, float] = {}
        self.processor: dict[str, float] = {START: process_time()}
        self._within = [START]
        self._since = perf_counter(), process_time()

    @contextmanager
    def of(self, cause: str) -> Generator[None]:
        """Charge the block to a cause."""
        self._charge()
        self._within.append(cause)
        try:
            yield
        finally:
            self._charge()
            self._within.pop()

    def watch(self, target: str, cause: str) -> None:
        """Charge every call of a function, `module:name`, to a cause."""
        module, _, path = target.partition(":")
        owner: Any = importlib.import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        function: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if cause == "validations" and self._within[-1] != "steps":
                return function(*args, **kwargs)  # predictions are made by the same class
            with self.of(cause):
                return function(*args, **kwargs)

        setattr(owner, name, timed)

    def _charge(self) -> None:
        now, cause = (perf_counter(), process_time()), self._within[-1]
        for totals, to, since in zip((self.clock, self.processor), now, self._since, strict=True):
            totals[cause] = totals.get(cause, 0.0) + to - since
        self._since = now


BENCHMARK = Benchmark(
    name="sweep_overhead",
    question="What does a sweep cost besides training?",
    measure=measure,
    columns={
        "work": "command",
        "budget": "budget",
        "workers": "workers",
        "runs": "runs",
        "cause": "cause",
        "clock": "s a run|.2f",
        "processor": "processor, s a run|.2f",
        "share": "share|.3f",
        "processor_share": "of the processor|.3f",
        "per_hour": "runs an hour|.0f",
        "aim": "aim|.2f",
        "holds": "holds",
    },
    picture=Picture(
        "bars", ("work", "budget", "workers"), "share", where={"cause": "all outside training"}
    ),
    notes=(
        "32 years of one simulated asset, 20 features, residual of *linear*; one thread a worker;",
        "a journal file; every process starts cold. Steps and validations are training; a worker",
        "that waits for the other's last run counts as start. On a shared machine the share of the",
        "processor's time is the more reliable one.",
    ),
    case=case,
)

if __name__ == "__main__":
    main(BENCHMARK)
