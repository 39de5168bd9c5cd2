"""The controls of `end_to_end`, where the network learns what the linear reference leaves.

With `model.residual_of: linear` every training row has an out-of-fold forecast of a model that saw
the other rows; a leak through it, or a reference that takes away what was planted, would show here.
"""

from benchmarks import end_to_end
from benchmarks.end_to_end import CLAIMED, CONTROLS, SEEN
from benchmarks.harness import Benchmark, Row, main


def measure(quick: bool) -> list[Row]:
    """A row for every control, of P2 with the most history alone."""
    asked: list[Row] = [
        {"control": name, "quick": quick, "residual_of": "linear", **case}
        for name, control in CONTROLS.items()
        for case in (control.cases[:2] if quick else control.cases)
        if control.aim != SEEN or quick or case["times"] == CLAIMED[0]
    ]
    return end_to_end.run(asked)


BENCHMARK = Benchmark(
    name="residual_controls",
    question="Does learning the residual of a linear model keep planted scaling, and add none?",
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
