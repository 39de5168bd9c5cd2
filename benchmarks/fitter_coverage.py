"""Do the intervals of a scaling fit cover what they claim to, and does flat stay flat?

Tables of losses are drawn from known truths, with the noise of real ones (paired errors of two
years of days, persistent and heavy-tailed, a moving mean of them where labels overlap, luck of the
seed), and go through the whole estimate: hierarchical bootstrap, every family, choice of one,
verdict. Counted are how often a 95 % interval holds the truth, for the gain per decade and for the
exponents of the family that is true, and what the verdict says.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from benchmarks.harness import Benchmark, Picture, Row, main
from mlxts.evaluation.block_bootstrap import percentile_interval
from mlxts.scaling import synthetic, verdict
from mlxts.scaling.laws import FAMILIES

TABLES = 200
DRAWS = 400
SIZES = synthetic.SIZES
_U = np.log(SIZES) - np.log(SIZES).mean()
_Z = _U / (_U[-1] - _U[0])


@dataclass(frozen=True)
class Truth:
    """What losses are drawn from.

    Attributes:
        law: the family, if it is one of ours, and its parameters as searched; else (K,) the losses
            at `SIZES`.
        horizon: H, over how many days successive labels reach.
        few: the first, middle and last size alone, of three seeds each.
    """

    law: tuple[str, list[float]] | np.ndarray
    horizon: int = 1
    few: bool = False

    @property
    def sizes(self) -> np.ndarray:
        return SIZES[::2] if self.few else SIZES

    @property
    def losses(self) -> np.ndarray:
        """(K,) expected at `sizes`."""
        if isinstance(self.law, np.ndarray):
            return self.law
        family, searched = self.law
        places = _U[::2] if self.few else _U
        return np.exp(FAMILIES[family].log_loss(np.array(searched), places[:, None], np.inf))


_FLAT = ("flat", [np.log(0.45)])
_POWER = ("power", [np.log(0.45), 0.03])
TRUTHS = {
    "flat": Truth(_FLAT),
    "power": Truth(_POWER),
    "floor": Truth(("power_floor", [np.log(0.41), np.log(0.03), 0.3])),
    "U-shaped": Truth(0.43 + 0.12 * (_Z + 0.1) ** 2),
    "broken": Truth(("broken", [np.log(0.45), 0.005, 0.06, 0.5])),
    "flat, H = 5": Truth(_FLAT, horizon=5),
    "flat, H = 21": Truth(_FLAT, horizon=21),
    "power, H = 21": Truth(_POWER, horizon=21),
    "flat, H = 21, 3 sizes x 3 seeds": Truth(_FLAT, horizon=21, few=True),
}


def coverage(
    truth: str,
    tables: int,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    only: Collection[str] = FAMILIES,
) -> Row:
    """One row: shares over `tables` drawn from a truth; `only`: families to fit."""
    asked = TRUTHS[truth]
    expected, given = asked.losses, asked.law
    gain = float(verdict.gains(asked.sizes, expected))
    rng = np.random.default_rng([seed, list(TRUTHS).index(truth)])
    seeds = 3 if asked.few else synthetic.SEEDS
    covered, words, chosen = [], [], []
    exponents: dict[str, list[bool]] = {}
    for number in range(tables):
        table = synthetic.table(
            expected, rng, sizes=asked.sizes, seeds=seeds, horizon=asked.horizon
        )
        judged = verdict.judge([table], draws=draws, seed=number, only=only)
        found = judged.cells[0]
        covered.append(found.interval[0] <= gain <= found.interval[1])
        words.append(found.word)
        selection = judged.selections[table.name]
        chosen.append(selection.chosen)
        if not isinstance(given, np.ndarray):
            law = selection.fits[given[0]]
            for index, parameter in enumerate(law.family.parameters):
                if parameter.exponent:
                    low, high = percentile_interval(law.searched[1:, index])
                    inside = low <= given[1][index] <= high
                    exponents.setdefault(parameter.name, []).append(inside)
    name = given[0] if not isinstance(given, np.ndarray) else None
    return {
        "truth": truth,
        "tables": tables,
        "gain": gain,
        "gain covered": float(np.mean(covered)),
        "exponents covered": _shares(exponents),
        **{word: words.count(word) / tables for word in (
            verdict.SCALING, verdict.INVERSE, verdict.FLAT, verdict.INCONCLUSIVE
        )},
        "true law chosen": None if name is None else chosen.count(name) / tables,
    }  # fmt: skip


def _shares(inside: dict[str, list[bool]]) -> str | None:
    return ", ".join(f"{name} {np.mean(found):.1%}" for name, found in inside.items()) or None


def measure(quick: bool) -> list[Row]:
    return [coverage(truth, 10 if quick else TABLES) for truth in TRUTHS]


BENCHMARK = Benchmark(
    name="fitter_coverage",
    question="Do the intervals of a scaling fit cover, and how often is flat called scaling?",
    measure=measure,
    columns={
        "truth": "true law",
        "tables": "tables",
        "gain": "nats per decade|+.4f",
        "gain covered": "coverage of its 95 % interval|.1%",
        "exponents covered": "coverage of the exponents",
        verdict.SCALING: "scaling|.1%",
        verdict.INVERSE: "inverse|.1%",
        verdict.FLAT: "flat|.1%",
        verdict.INCONCLUSIVE: "inconclusive|.1%",
        "true law chosen": "true law chosen|.1%",
    },
    picture=Picture("bars", ("truth",), "gain covered", level=0.95),
    notes=(
        f"{synthetic.RUNGS} sizes over three decades, {synthetic.SEEDS} seeds, {synthetic.DAYS} "
        f"days; {DRAWS} bootstrap draws a table.",
        "Criteria: coverage of 90 to 98 %, and at most 5 % *scaling* where the true law is flat.",
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
