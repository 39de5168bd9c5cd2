"""The controls of `end_to_end`, where the network learns what the linear reference leaves.

With `model.residual_of: linear` every training row has an out-of-fold forecast of a model that saw
the other rows; a leak through it would show here. The planted market is left out: each of its
hundred paths has a reference of its own, which takes hours.
"""

from benchmarks import end_to_end
from benchmarks.end_to_end import CONTROLS, NOTHING
from benchmarks.harness import Benchmark, Row, main


def measure(quick: bool) -> list[Row]:
    """A row for every control without predictability."""
    asked: list[Row] = [
        {"control": name, "quick": quick, "residual_of": "linear", **case}
        for name, control in CONTROLS.items()
        if control.aim == NOTHING
        for case in (control.cases[:2] if quick else control.cases)
    ]
    return end_to_end.run(asked)


BENCHMARK = Benchmark(
    name="residual_controls",
    question="Is scaling detected where there is none, by networks that learn a residual?",
    measure=measure,
    columns=end_to_end.COLUMNS,
    notes=(
        "Markets, sizes, seeds and criteria are those of end_to_end; `model.residual_of: linear`, "
        "so that the output layer starts at zero and the reference is a candidate for the best "
        "weights.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
