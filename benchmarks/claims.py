"""The claims of the validation, each with its criterion and the benchmark that tests it.

`benchmarks/render.py` renders them as docs/instrument_validation.md. A claim is tested on the rows
of one benchmark; one without a criterion is a known limit. Criteria are defined here and nowhere
else, so that none can be changed in the document.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.harness import Row

Rows = Sequence[Row]
Check = tuple[str, bool | None]  # the result, and whether it meets the criterion


@dataclass(frozen=True)
class Claim:
    """One claim about the evaluation.

    Attributes:
        benchmark: the one that tests it.
        statement: the claim.
        consequence: what would be wrong with every result if it did not hold.
        criterion: in words; empty for a known limit.
        check: result and outcome, from the benchmark's rows.
    """

    benchmark: str
    statement: str
    consequence: str
    criterion: str
    check: Callable[[Rows], Check]


def _span(values: Sequence[float], low: float, high: float) -> Check:
    result = f"{min(values):.1%} to {max(values):.1%}"
    return result, low <= min(values) and max(values) <= high


def _at_most(value: float, most: float, form: str) -> Check:
    return format(value, form), value <= most


def _of_laws(rows: Rows) -> Check:
    exponents = [
        float(share) / 100
        for row in rows
        for share in re.findall(r"([\d.]+)%", row["exponents covered"] or "")
    ]
    return _span([*(row["gain covered"] for row in rows), *exponents], 0.90, 0.98)


def _false_scaling(rows: Rows) -> Check:
    return _at_most(max(r["scaling"] for r in rows if r["truth"].startswith("flat")), 0.05, ".1%")


def _exponents(rows: Rows) -> Check:
    return _at_most(max(abs(row["found"] - row["exponent"]) for row in rows), 0.05, ".3f")


def _overlapping(rows: Rows) -> Rows:
    return [row for row in rows if row["case"].startswith("H = 21")]


def _scores(rows: Rows) -> Check:
    return _span([row["ours_window"] for row in _overlapping(rows)], 0.92, 0.98)


def _naive(rows: Rows) -> Check:
    most = max(row["single_window"] for row in _overlapping(rows))
    return f"at most {most:.1%}", most < 0.92


def _differences(rows: Rows) -> Check:
    return _span([row["held_difference"] for row in rows], 0.92, 0.98)


def _decades(rows: Rows) -> Check:
    others = [row for row in rows if row not in _overlapping(rows)]
    result = _span([row["ours_history"] for row in _overlapping(rows)], 0.0, 1.0)[0]
    if others:
        worst = min(others, key=lambda row: row["ours_history"])
        result += (
            f"; {worst['case']}: {worst['ours_history']:.1%} (of the mean AUC of such windows: "
            f"{worst['ours_window']:.1%})"
        )
    return result, None


def _planted(rows: Rows) -> Check:
    (row,) = [row for row in rows if row["control"] == "P2" and row["aim"]]
    return f"{_detected(row)}, {row['gain']:+.4f} nats per decade", row["holds"]


def _detected(row: Row) -> str:
    return (
        f"{row['scaling']} of {row['replicates']} markets with {row['times']} x SPY's history and "
        f"{row['scored']} x 501 scored days"
    )


def _reach(rows: Rows) -> Check:
    planted = [row for row in rows if row["control"] == "P2" and not row["aim"]]
    return "; ".join(map(_detected, planted)), None


def _nothing(rows: Rows) -> Check:
    empty = [row for row in rows if row["control"] != "P2"]
    result = ", ".join(f"{row['control']} {row['scaling']} of {row['replicates']}" for row in empty)
    return result, all(row["scaling"] <= 1 for row in empty)


def _honest(rows: Rows) -> Check:
    honest = [row for row in rows if row["market"] != "canary"]
    models = sorted({row["better_than_oracle"] for row in honest} - {"none"})
    count = sum(row["comparisons"] for row in honest)
    return f"{', '.join(models) or 'none'} of {count} comparisons", not models


def _caught(rows: Rows) -> Check:
    canary = [row for row in rows if row["market"] == "canary"]
    return "; ".join(row["better_than_oracle"] for row in canary), all(
        row["holds"] for row in canary
    )


def _direction(rows: Rows) -> Check:
    own = [row for row in rows if row["task"] == "direction"]
    better = [row["model"] for row in own if row["high"] < 0.0]
    best = min(own, key=lambda row: row["minus"])
    result = (
        f"{', '.join(better) or 'none'} of {len(own)}; the best, {best['model']}: "
        f"{best['minus']:+.4f} [{best['low']:+.4f}, {best['high']:+.4f}] nats"
    )
    return result, not better


def _touch(rows: Rows) -> Check:
    own = [row for row in rows if row["task"] != "direction"]
    better = [row for row in own if row["high"] < 0.0]
    worst = max(own, key=lambda row: row["high"])
    return (
        f"{len(better)} of {len(own)}; the worst, {worst['model']}: {worst['minus']:+.4f} nats",
        len(better) == len(own),
    )


def _seconds(rows: Rows) -> Check:
    return _at_most(max(row["all"] for row in rows), 2.0, ".2f")


def _smallest(rows: Rows) -> Check:
    smallest = {row["sample"]: row["smallest"] for row in rows}
    return (
        "; ".join(
            f"{sample}: " + ("none of those tried" if least is None else f"{least:.4f}")
            for sample, least in smallest.items()
        ),
        None,
    )


CLAIMS: Sequence[Claim] = (
    Claim(
        "fitter_coverage",
        "95 % confidence intervals of gains and exponents have their nominal coverage, also where "
        "labels overlap",
        "noise would look like a scaling law",
        "coverage of 90 to 98 % for every true law",
        _of_laws,
    ),
    Claim(
        "fitter_coverage",
        "flat losses do not get the verdict *scaling*",
        "any *scaling* could be a false positive",
        "false-positive rate of at most 5 %",
        _false_scaling,
    ),
    Claim(
        "planted_exponents",
        "on the pattern market (P2) the loss scales with the theoretical exponent",
        "the positive control would have no known answer",
        "within 0.05 of the theoretical exponent",
        _exponents,
    ),
    Claim(
        "end_to_end",
        "scaling planted in prices is detected with PatchTST, from bars to verdict",
        "*flat* or *inconclusive* on real prices could be a lack of power",
        "verdict *scaling* in every market",
        _planted,
    ),
    Claim(
        "end_to_end",
        "detection of the same planted scaling with less history and fewer scored days",
        "detection with much data could be taken for power on SPY's own history",
        "",
        _reach,
    ),
    Claim(
        "end_to_end",
        "without predictability (random direction, or labels rotated by years) no scaling is "
        "detected, from bars to verdict",
        "*scaling* on real prices could come from training or selection alone",
        "at most one false positive in 20 replicates of each control",
        _nothing,
    ),
    Claim(
        "residual_controls",
        "without predictability none is detected through the residual of *linear*",
        "out-of-fold forecasts of training rows could leak their labels",
        "at most one false positive in 20 replicates of each control",
        _nothing,
    ),
    Claim(
        "oracle_checks",
        "no model is better than the oracle on a market without look-ahead",
        "future data would leak into features, labels or scores",
        "no model with most of its seeds",
        _honest,
    ),
    Claim(
        "oracle_checks",
        "a look-ahead feature is detected",
        "a leak could go undetected",
        "all models that read features, and no other",
        _caught,
    ),
    Claim(
        "direction_control",
        "on real prices nothing beats the base rate at the direction of the next day",
        "skill on real prices could come from a leak",
        "no model",
        _direction,
    ),
    Claim(
        "direction_control",
        "the same models beat the base rate at a touch of 1 % on the same days",
        "the control could be too weak to find anything",
        "every model",
        _touch,
    ),
    Claim(
        "interval_coverage",
        "95 % confidence intervals of AUC cover its mean over evaluation windows at H = 21, where "
        "labels overlap",
        "models would seem to differ by noise alone",
        "coverage of 92 to 98 %",
        _scores,
    ),
    Claim(
        "interval_coverage",
        "a bootstrap of single days fails there",
        "blocks would be unnecessary",
        "coverage below 92 %",
        _naive,
    ),
    Claim(
        "interval_coverage",
        "confidence intervals of the loss difference between two models have their nominal "
        "coverage, on every market",
        "the primary figure, skill against the reference, would be overconfident",
        "coverage of 92 to 98 %",
        _differences,
    ),
    Claim(
        "interval_coverage",
        "coverage by the same intervals of the AUC over the whole history, of which two years are "
        "one regime",
        "a score of two years would be read as valid for all periods",
        "",
        _decades,
    ),
    Claim(
        "sensitivity",
        "minimum detectable effect: the smallest gain, in nats per decade, with the verdict "
        "*scaling* in 80 % of samples",
        "*inconclusive* would not say which effects it leaves open",
        "",
        _smallest,
    ),
    Claim(
        "bootstrap",
        "seconds for 2,000 bootstrap draws of AUC, 20 models, 500 dates",
        "intervals would be left out for their cost",
        "less than 2 s on two cores",
        _seconds,
    ),
)  # fmt: skip
NAMES = tuple(dict.fromkeys(claim.benchmark for claim in CLAIMS))
