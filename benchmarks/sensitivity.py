"""How small a gain per decade of parameters does the verdict call scaling, and from how many days?

Effects are planted in tables of losses, not in prices: losses with a planted gain and the noise of
real ones are judged as real ones are, at the size of SPY's validation years, at 10 and at 100 times
as many days. No model is trained here; benchmarks/end_to_end.py plants patterns in prices and goes
the whole way. At a gain of 0 the row shows how often flat is called scaling, and how often it is
certified flat.
"""

from benchmarks.harness import Benchmark, Picture, Row, main
from mlxts.scaling import sensitivity, synthetic, verdict

TABLES, DRAWS = 200, 300
GAINS = (0.0, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008)
TIMES = (1, 10, 100)


def measure(quick: bool) -> list[Row]:
    gains, tables, draws = (GAINS[::4], 10, 100) if quick else (GAINS, TABLES, DRAWS)
    rows: list[Row] = []
    for times in TIMES:
        found = [sensitivity.power(g, times=times, tables=tables, draws=draws) for g in gains]
        least = sensitivity.smallest(found)
        rows += [
            {
                "sample": f"{times} x {synthetic.DAYS} days",
                "gain": power.gain,
                "skill": power.gain / synthetic.LOSS,
                **power.shares,
                "smallest": least,
            }
            for power in found
        ]
    return rows


BENCHMARK = Benchmark(
    name="sensitivity",
    question="What is the minimum detectable gain per decade of parameters, by number of days?",
    measure=measure,
    columns={
        "sample": "sample",
        "gain": "planted, nats per decade|.4f",
        "skill": "of HAR's loss|.2%",
        verdict.SCALING: "scaling|.1%",
        verdict.INVERSE: "inverse|.1%",
        verdict.FLAT: "flat|.1%",
        verdict.INCONCLUSIVE: "inconclusive|.1%",
        "smallest": f"detected in {sensitivity.POWER:.0%} from|.4f",
    },
    picture=Picture("lines", ("gain",), verdict.SCALING, by="sample", level=sensitivity.POWER),
    notes=(
        f"{synthetic.RUNGS} sizes over three decades, {synthetic.SEEDS} seeds; noise as measured "
        "on the S&P 500 at H = 1, 1 %: see mlxts/scaling/synthetic.py.",
        "Planted in tables of losses; benchmarks/end_to_end.py plants it in prices.",
        "More days reduce the sampling error of the dates, not seed variance.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
