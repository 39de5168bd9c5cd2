"""Is any model better than the best possible forecast?

On a simulated market the probability of every label is known exactly, and no forecast from the
past has a lower expected log loss than this probability, the oracle. Every baseline and a small
PatchTST are trained on a history of SPY's length and scored on two later, held-out years (on
validation, early stopping would bias the score). A model is better than the oracle where the whole
95 % interval of its excess log loss lies below zero: on a market without look-ahead this is a fault
of the market or of the evaluation; on the canary, whose features contain the next day, it has to
happen.
"""

import os
import tempfile
from collections import Counter
from datetime import date
from typing import Any

from benchmarks.harness import Benchmark, Row, fresh, main

# market, task, H in trading days, whether its features see the future
MARKETS = (
    ("gbm", "direction", 1, False),
    ("gbm", "threshold_1pct", 1, False),
    ("sv", "direction", 1, False),
    ("sv", "threshold_1pct", 1, False),
    ("sv", "threshold_2pct", 5, False),
    ("regimes", "direction", 1, False),
    ("regimes", "threshold_1pct", 1, False),
    ("zipf", "direction", 1, False),
    ("teacher", "direction", 1, False),
    ("canary", "direction", 1, True),
)
LAST = date(2026, 12, 31)  # of the market: the test split is then two years
SEEDS = 3
EPOCHS = 10
THREADS = {"MLXTS_THREADS": "1"}


def measure(quick: bool) -> list[Row]:
    """A row for every market and task."""
    markets = (*MARKETS[3:5], MARKETS[-1]) if quick else MARKETS
    rows = []
    for kind, task, horizon, leaks in markets:
        found: list[Row] = []
        for seed in range(1 if quick else SEEDS):
            asked = {
                "kind": kind, "task": task, "horizon": horizon, "seed": seed, "quick": quick,
            }  # fmt: skip
            found += fresh(__file__, asked, THREADS)
        honest = [one for one in found if one["model"] not in SEEING] if leaks else found
        nearest = min(honest, key=lambda one: one["excess"])
        times = Counter(one["model"] for one in found if one["better_than_oracle"])
        seeds = 1 if quick else SEEDS
        better = sorted(name for name, count in times.items() if 2 * count > seeds)
        rows.append(
            {
                "market": kind,
                "task": task,
                "horizon": horizon,
                "models": len({one["model"] for one in found}),
                "comparisons": len(found),
                "nearest": nearest["model"],
                "excess": nearest["excess"],
                "low": nearest["low"],
                "high": nearest["high"],
                "better_than_oracle": ", ".join(better) or "none",
                "times": times.total(),
                "holds": set(better) == (SEEING if leaks else set()),
            }
        )
    return rows


SEEING = {"linear", "trees", "mlp", "dlinear", "patchtst"}  # those that read the features


def case(kind: str, task: str, horizon: int, seed: int, quick: bool) -> list[Row]:
    """What each model loses above the Bayes forecast on one market."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["MLXTS_HOME"] = home
        return _case(kind, task, horizon, seed, quick)


def _case(kind: str, task: str, horizon: int, seed: int, quick: bool) -> list[Row]:

    from mlxts import experiment, predict
    from mlxts.config.loading import build_config
    from mlxts.data import store
    from mlxts.evaluation import (
        baseline_selection,
        oracle,
        score,
    )
    from mlxts.evaluation.reference import fit_baselines
    from mlxts.runs.predictions import NETWORK, ORACLE
    from mlxts.runs.scored_task import ScoredTask
    from mlxts.simulation.source import SimulatedSource
    from mlxts.training import run
    from mlxts.training.plan import make_plan

    fetched = SimulatedSource(kind, seed=seed, last=LAST).fetch("A")
    store.register_raw(fetched.frame, source="simulated", symbol="A", parameters=fetched.parameters)
    inputs = "simulated" if "planted" in fetched.frame.columns else "indicators"
    values: dict[str, Any] = {
        "name": "oracle",
        "mode": "exploratory",
        "budget": "0.02M",
        "task": task,
        "horizon": horizon,
        "seed": seed,
        "data": {"source": "simulated", "symbols": ["A"], "score_on": "A"},
        "features": {"source": inputs},
        "training": {
            "learning_rate": 1e-3,
            "max_epochs": 2 if quick else EPOCHS,
            "batch_size": 128,
        },
        "thermal": {"sensor": "off"},
    }
    configuration = build_config(values)
    plan = make_plan(configuration)
    experiment.run_experiment(plan, emit=lambda event: None)
    data = plan.dataset
    line = baseline_selection.choose(configuration, everything=True)
    beside = fit_baselines(data, ("train", "test"), line.chosen, line.chosen)
    predicted = predict.predict_network(run.load(plan.folder), ("train", "validation", "test"))
    tables = {NETWORK: predicted, **beside.tables, **oracle.forecast(data, ("train", "test"))}
    asked = ScoredTask.of(configuration.model_dump(mode="json"))
    scores = score.score_models(tables, asked, ("test",), beside.references["A"])["test"]
    return [
        {
            "model": name,
            "excess": figures[score.EXCESS],
            "low": figures["interval"][score.EXCESS][0],
            "high": figures["interval"][score.EXCESS][1],
            "better_than_oracle": figures["better_than_oracle"],
        }
        for name, figures in scores.items()
        if name != ORACLE
    ]


BENCHMARK = Benchmark(
    name="oracle_checks",
    question="Is any model better than the best possible forecast?",
    measure=measure,
    case=case,
    columns={
        "market": "market",
        "task": "task",
        "horizon": "H",
        "models": "models",
        "comparisons": "models x seeds",
        "nearest": "best model without look-ahead",
        "excess": "excess log loss, nats|+.4f",
        "low": "95 % from|+.4f",
        "high": "to|+.4f",
        "better_than_oracle": "better than the oracle with most seeds",
        "times": "comparisons better",
        "holds": "met",
    },
    notes=(
        f"{SEEDS} seeds, 0.02M parameters, scored on two held-out years. The canary's features "
        "contain the next day, so that every model that reads features has to be detected.",
        "Excess log loss: the model's minus the oracle's, paired by date. By chance a model as "
        "good as the oracle is significantly better in about one of forty comparisons, together "
        "with models like it, but not with most of its seeds.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
