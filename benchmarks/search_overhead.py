"""What a search costs besides the training of its trials."""

import os
import tempfile
from datetime import date
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.harness import Benchmark, Picture, Row, fresh, main

TRIALS, QUICK_TRIALS = 20, 3
AIM = 1.05


def measure(quick: bool) -> list[Row]:
    """The trials of one study, each beside the same training without a study."""
    asked = {"trials": QUICK_TRIALS if quick else TRIALS, "epochs": 2 if quick else 12}
    return [fresh(__file__, asked)]


def case(trials: int, epochs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        return _compare(Path(home), trials, epochs)


def _compare(home: Path, trials: int, epochs: int) -> dict[str, Any]:
    """Turn by turn, in alternating order: one trial, and the same configuration directly.

    All trials cost the same, they differ in weight decay alone. `alone` is the time within
    `experiment.run_experiment`: training, and the scores that every run ends with.
    """
    from mlxts import experiment
    from mlxts.config.experiment import ExperimentConfig
    from mlxts.config.loading import build_config
    from mlxts.data import store
    from mlxts.search import space, storage, study, train_validation_data
    from mlxts.simulation.source import SimulatedSource
    from mlxts.training.plan import make_plan

    def silent(event: object) -> None: ...

    os.environ["MLXTS_HOME"] = str(home / "search")
    source = SimulatedSource("sv", first=date(2010, 1, 4), last=date(2024, 12, 31))
    bars = source.fetch("SPY")
    base = build_config(
        {
            "name": "same",
            "mode": "exploratory",
            "budget": "0.2M",
            "data": {"source": "simulated"},
            "training": {"max_epochs": epochs, "patience": 1000, "validations_per_epoch": 1},
            "thermal": {"sensor": "off"},
            "search": {
                "trials": trials,
                "pruner": "none",
                "space": {"weight_decay": {"low": 1e-4, "high": 0.1, "log": True}},
            },
        }
    )
    store.register_raw(bars.frame, source="simulated", symbol="SPY", parameters=bars.parameters)
    searched, directly = _Clock(), _Clock()

    def alone(configuration: ExperimentConfig, clock: _Clock) -> None:
        plan = make_plan(configuration, data=train_validation_data.load(configuration).dataset)
        os.environ["MLXTS_HOME"] = str(home / "alone")
        with clock:
            experiment.run_experiment(plan, emit=silent)
        os.environ["MLXTS_HOME"] = str(home / "search")

    alone(base, _Clock())  # compiles the kernels
    journal = storage.open()
    with searched:
        one = study.create(journal, base, space.read(base))
    for _ in range(trials):
        with searched:
            study.work(one, journal)
        alone(study.configuration_of(one, one.trials[-1]), directly)
    ratio = searched.wall / directly.wall
    return {
        "trials": trials,
        "searched": searched.wall,
        "alone": directly.wall,
        "ratio": ratio,
        "cpu": searched.cpu / directly.cpu,
        "aim": AIM,
        "holds": ratio <= AIM,
    }


class _Clock:
    """Seconds within the `with` blocks, on the wall and of this process's threads."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self.wall -= perf_counter()
        self.cpu -= process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += perf_counter()
        self.cpu += process_time()


BENCHMARK = Benchmark(
    name="search_overhead",
    question="How much time does a search add to the training of its trials?",
    measure=measure,
    columns={
        "trials": "trials",
        "searched": "study, s|.1f",
        "alone": "the same runs alone, s|.1f",
        "ratio": "ratio|.3f",
        "cpu": "ratio of CPU time|.3f",
        "aim": "criterion, at most|.2f",
        "holds": "met",
    },
    picture=Picture("bars", ("trials",), "ratio", level=AIM),
    notes=(
        "Trials of equal cost (0.2M, only the weight decay differs), pruning off, journal file.",
        "Trials and plain runs are interleaved, so that a slower machine slows both; on a shared "
        "machine the ratio of CPU time is the more reliable one.",
    ),
    case=case,
)

if __name__ == "__main__":
    main(BENCHMARK)
