"""Is what a search finds there, and does it admit what is not?

On a market with a planted signal the best of a search must be at least as good as the best of a
random search with as many trials, in the median over seeds. On one without any, every winner is
luck: trained again with other seeds it must be no better than the baseline, and the report has to
show by how much the selected value flattered.
"""

import os
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from benchmarks.harness import Benchmark, Picture, Row, fresh, main
from mlxts.cli.output import note

SEEDS = 5
TRIALS, QUICK_TRIALS = 24, 8
RERUNS = 5
# market, task: what can be learned of it
MARKETS = {"planted": ("sv", "threshold_1pct"), "none": ("gbm", "direction")}
SEARCH = {
    "startup_trials": 6,
    "pruner": "none",
    "space": {
        "learning_rate": {"low": 1e-5, "high": 3e-2, "log": True},
        "weight_decay": {"low": 1e-4, "high": 1.0, "log": True},
        "dropout": [0.0, 0.25, 0.5],  # a few: each one compiles kernels of its own on a CPU
        "warmup_steps": {"low": 0, "high": 30},
    },
}


def measure(quick: bool) -> list[Row]:
    """Each search in a process and a workspace of its own, then the medians over seeds."""
    seeds = range(2 if quick else SEEDS)
    trials = QUICK_TRIALS if quick else TRIALS
    reruns = 2 if quick else RERUNS
    planted: list[Row] = [
        {"signal": "planted", "sampler": sampler, "seed": seed, "trials": trials, "reruns": 0}
        for seed in seeds
        for sampler in ("tpe", "random")
    ]
    empty: list[Row] = [
        {"signal": "none", "sampler": "tpe", "seed": seed, "trials": trials, "reruns": reruns}
        for seed in seeds
    ]
    # No value depends on the time it took, so as many at once as there are cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(_one, planted + empty))
    selected = iter(found)
    return [*_planted(seeds, selected), *_empty(seeds, selected)]


def _one(asked: Row) -> Row:
    found = fresh(__file__, asked, THREADS)
    note(f"{asked['signal']}, {asked['sampler']}, seed {asked['seed']}: {found['selected']:.4f}")
    return found


def _planted(seeds: range, found: Iterator[Row]) -> list[Row]:
    rows: list[Row] = []
    for seed in seeds:
        tpe, random = (next(found)["selected"] for _ in range(2))
        gained = tpe - random
        best = {"tpe": tpe, "random": random, "gained": gained, "holds": gained <= 0}
        rows.append({"signal": "planted", "seed": seed, **best})
    medians = {s: statistics.median(row[s] for row in rows) for s in ("tpe", "random")}
    gained = medians["tpe"] - medians["random"]
    middle = {**medians, "gained": gained, "holds": gained <= 0}
    return [*rows, {"signal": "planted", "seed": "median", **middle}]


def _empty(seeds: range, found: Iterator[Row]) -> list[Row]:
    rows: list[Row] = []
    for seed in seeds:
        seen = next(found)
        worse = {"tpe": seen["selected"], "rerun": seen["mean"], "optimism": seen["optimism"]}
        against = seen["against_baseline"]
        worse |= {"against": against, "better": seen["better"], "holds": against >= 0}
        rows.append({"signal": "none", "seed": seed, **worse})
    middle = {
        key: statistics.median(row[key] for row in rows)
        for key in ("tpe", "rerun", "optimism", "against")
    }
    return [*rows, {"signal": "none", "seed": "median", **middle, "holds": middle["against"] >= 0}]


THREADS = {"MLXTS_THREADS": "1"}


def case(signal: str, sampler: str, seed: int, trials: int, reruns: int) -> dict[str, Any]:
    """One study; its best value and, if asked for, what its winner is worth with other seeds."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["MLXTS_HOME"] = home
        return _study(signal, sampler, seed, trials, reruns)


def _study(signal: str, sampler: str, seed: int, trials: int, reruns: int) -> dict[str, Any]:
    from optuna.storages import InMemoryStorage

    from mlxts.config.loading import build_config
    from mlxts.data import store
    from mlxts.search import analysis, space, storage, study
    from mlxts.simulation.source import SimulatedSource

    storage.open()  # Optuna's own lines are silenced there
    kind, task = MARKETS[signal]
    source = SimulatedSource(kind, seed=seed, first=date(2018, 1, 2), last=date(2024, 12, 31))
    bars = source.fetch("SPY")
    store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
    experiment = build_config(
        {
            "name": f"{signal}-{sampler}",
            "mode": "exploratory",
            "budget": "0.02M",
            "task": task,
            "data": {"source": "simulated"},
            "training": {"max_epochs": 2, "validations_per_epoch": 2, "batch_size": 64},
            "checkpoint": {"every_seconds": 1e6},
            "thermal": {"sensor": "off"},
            "search": {**SEARCH, "trials": trials, "seed": seed, "sampler": sampler},
        }
    )
    memory = InMemoryStorage()
    # Draws follow from the study's name: both samplers begin with the same random trials.
    one = study.create(memory, experiment, space.read(experiment), name=f"{signal}-{seed}")
    study.run_all(one, memory)
    leader = study.best(one)
    if leader is None or leader.value is None:
        raise SystemExit(f"no trial of {one.study_name} is complete: {one.trials}")
    if not reruns:
        return {"selected": leader.value}
    seen = analysis.rerun(one, reruns)
    return {
        "selected": leader.value,
        "mean": seen.mean,
        "optimism": seen.optimism,
        "against_baseline": seen.against_baseline,
        "better": seen.better,
    }


BENCHMARK = Benchmark(
    name="search_controls",
    question="Does the search find a planted signal, and none where there is none?",
    measure=measure,
    columns={
        "signal": "signal",
        "seed": "seed",
        "tpe": "best value, TPE|.4f",
        "random": "best value, random|.4f",
        "gained": "TPE - random|+.4f",
        "rerun": "best trial, other seeds|.4f",
        "optimism": "optimism|+.4f",
        "against": "re-runs minus the best baseline|+.4f",
        "better": "significantly better than HAR",
        "holds": "met",
    },
    picture=Picture("bars", ("signal", "seed"), "tpe"),
    notes=(
        f"{TRIALS} trials a study, a new market for every seed; values are validation log losses.",
        "Planted: touch of 1 % under stochastic volatility; none: direction of a random walk.",
        "Criteria: TPE's best value is no worse than random search's; the mean of the re-runs is "
        "not below the lowest loss of the baselines, the constant base rate among them.",
    ),
    case=case,
)

if __name__ == "__main__":
    main(BENCHMARK)
