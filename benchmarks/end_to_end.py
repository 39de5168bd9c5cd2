"""Does the whole pipeline see scaling where it was planted, and none where there is nothing?

Nothing is taken from a loss table here: bars are simulated and registered, configurations are
trained by the engine into run folders, and the ledger of those folders goes through the laws to the
verdict, as it does for real prices. Our own network at three reduced sizes is

- trained on many paths of the pattern market (P2), which holds more patterns than the small ones
  can learn by heart, and scored on SPY's two validation years of one path;
- trained on a history of SPY's length of a market whose direction is a coin (N0, N1), over and
  over, each time on another market with other seeds.

Every replicate has a workspace and a process of its own, on one thread; two are at work at a time.
"""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.harness import Benchmark, Row, fresh, main

BUDGETS = ("0.02M", "0.06M", "0.2M")
REPLICATES, AT_ONCE = 20, 2
SCORED = "A"
THREADS = {"MLXTS_THREADS": "1"}

# The pattern is today's code alone, so a short window without normalisation is what fits it.
PATTERNS: Row = {
    "dials": {"exponent": 0.25, "drift": 2.0},
    "paths": 100,
    "seeds": 3,
    "settings": {
        "features": {"source": "planted"},
        "model": {
            "context": 2, "patch_length": 1, "stride": 1, "dropout": 0.0,
            "revin": {"enabled": False},
        },
        "training": {"learning_rate": 1e-3, "max_epochs": 3, "batch_size": 256},
    },
}  # fmt: skip
# The protocol's model, which reads indicators as it does of real bars; trained a little faster.
COINS: Row = {
    "dials": {},
    "paths": 1,
    "seeds": 2,
    "settings": {
        "training": {"learning_rate": 1e-3, "max_epochs": 3, "batch_size": 128, "patience": 4}
    },
}
CONTROLS = {"P2": ("zipf", PATTERNS), "N0": ("gbm", COINS), "N1": ("sv", COINS)}
AIMS = {"P2": "scaling", "N0": "at most one", "N1": "at most one"}


def measure(quick: bool) -> list[Row]:
    """A row for every control."""
    replicates = 2 if quick else REPLICATES
    asked = [("P2", 0)] + [(name, seed) for name in ("N0", "N1") for seed in range(replicates)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(
            pool.map(
                lambda one: fresh(
                    __file__, {"control": one[0], "seed": one[1], "quick": quick}, THREADS
                ),
                asked,
            )
        )
    by_control: dict[str, list[Row]] = {}
    for (name, _), judged in zip(asked, found, strict=True):
        by_control.setdefault(name, []).append(judged)
    return [row(name, judged) for name, judged in by_control.items()]


def row(control: str, judged: list[Row]) -> Row:
    """What the replicates of a control came to.

    Args:
        judged: word, gain, low, high, foresight, samples and losses (text) of each.
    """
    words = [one["word"] for one in judged]
    calls = words.count("scaling")
    gains = sorted(one["gain"] for one in judged)
    alone = judged[0] if len(judged) == 1 else {}
    return {
        "control": control,
        "samples": judged[0]["samples"],
        "replicates": len(judged),
        **{word: words.count(word) for word in ("scaling", "inverse", "flat", "inconclusive")},
        "gain": sum(gains) / len(gains),
        "low": alone.get("low", gains[0]),
        "high": alone.get("high", gains[-1]),
        "foresight": alone.get("foresight"),
        "losses": alone.get("losses"),
        "aim": AIMS[control],
        "holds": calls == len(judged) if AIMS[control] == "scaling" else calls <= 1,
    }


def case(control: str, seed: int, quick: bool) -> Row:
    """The verdict on one replicate, in a workspace of its own."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["MLXTS_HOME"] = home
        return _case(control, seed, quick)


def _case(control: str, seed: int, quick: bool) -> Row:
    from mlxts import config, experiment
    from mlxts.data import store
    from mlxts.data.sources.simulated import SimulatedSource
    from mlxts.scaling import axes, ledger, verdict
    from mlxts.training import run

    kind, asked = CONTROLS[control]
    paths = min(asked["paths"], 5) if quick else asked["paths"]
    symbols = [SCORED, *(f"P{number}" for number in range(1, paths))]
    market = SimulatedSource(kind, seed=seed, dials=asked["dials"])
    for symbol in symbols:
        path = market.fetch(symbol)
        store.register_raw(
            path.frame, source="simulated", symbol=symbol, parameters=path.parameters
        )
    folders = []
    for budget in BUDGETS:
        for number in range(2 if quick else asked["seeds"]):
            plan = run.plan(config.build(settings(asked, symbols, budget, 100 * seed + number)))
            experiment.execute(plan, emit=lambda event: None)
            folders.append(plan.folder)
    (table,) = axes.tables(ledger.build(folders), "parameters")
    judged = verdict.judge([table], seed=seed)
    found = judged.cells[0]
    means = judged.draws[table.name].rungs[0]
    return {
        "word": found.word,
        "gain": found.gain,
        "low": found.interval[0],
        "high": found.interval[1],
        "foresight": found.extrapolation,
        "samples": len(plan.dataset.samples["train"]),
        "losses": ", ".join(f"{loss:.4f}" for loss in means),
    }


def settings(asked: Row, symbols: list[str], budget: str, seed: int) -> dict[str, Any]:
    """The configuration of one run."""
    return {
        "name": "end_to_end",
        "mode": "exploratory",
        "budget": budget,
        "task": "direction",
        "seed": seed,
        "data": {"source": "simulated", "symbols": symbols, "score_on": SCORED},
        "thermal": {"sensor": "off"},
        "checkpoint": {"every_seconds": 600},
        **asked["settings"],
    }


BENCHMARK = Benchmark(
    name="end_to_end",
    question="Is scaling seen where it was planted, and nowhere else, from bars to verdict?",
    measure=measure,
    case=case,
    columns={
        "control": "control",
        "samples": "training samples|,",
        "replicates": "replicates",
        "scaling": "scaling",
        "inverse": "inverse",
        "flat": "flat",
        "inconclusive": "inconclusive",
        "gain": "gain, nats per decade (mean)|+.4f",
        "low": "from|+.4f",
        "high": "to|+.4f",
        "foresight": "foresight|+.2f",
        "losses": "log loss by size",
        "aim": "aim: scaling",
        "holds": "as it should be",
    },
    notes=(
        f"PatchTST of {', '.join(BUDGETS)} parameters, task direction, H = 1, all exploratory. "
        "From and to: of one replicate the 95 % interval, of several the lowest and highest gain.",
        f"P2: exponent {PATTERNS['dials']['exponent']}, drift {PATTERNS['dials']['drift']:g}, "
        f"{PATTERNS['paths']} paths, {PATTERNS['seeds']} seeds. N0, N1: one path of SPY's length, "
        f"{COINS['seeds']} seeds, {REPLICATES} markets each.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
