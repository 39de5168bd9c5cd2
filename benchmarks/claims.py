"""What the instrument claims of itself: what would be wrong otherwise, how it was checked, and how
the check came out. `benchmarks/render.py` makes docs/instrument_validation.md of it.

A claim reads one benchmark's rows and knows its own aim; a figure without an aim is a limit that a
reader has to know. Aims stand here and nowhere else, so none can be moved in the document.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.harness import Row

Rows = Sequence[Row]
Check = tuple[str, bool | None]  # what was found, and whether it is as it should be


@dataclass(frozen=True)
class Claim:
    """One promise of the instrument.

    Attributes:
        benchmark: whose rows decide it.
        says: the promise.
        otherwise: what would be wrong with every result if it did not hold.
        aim: in words; empty where the figure is a limit to know and no promise.
        check: figure and outcome, from the rows.
    """

    benchmark: str
    says: str
    otherwise: str
    aim: str
    check: Callable[[Rows], Check]


def _span(values: Sequence[float], low: float, high: float) -> Check:
    found = f"{min(values):.1%} to {max(values):.1%}"
    return found, low <= min(values) and max(values) <= high


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
    said = _span([row["ours_history"] for row in _overlapping(rows)], 0.0, 1.0)[0]
    if others:
        worst = min(others, key=lambda row: row["ours_history"])
        said += (
            f"; {worst['case']}: {worst['ours_history']:.1%}, and of the mean of such windows "
            f"{worst['ours_window']:.1%}"
        )
    return said, None


def _planted(rows: Rows) -> Check:
    (row,) = [row for row in rows if row["control"] == "P2" and row["aim"]]
    return f"{_called(row)}, {row['gain']:+.4f} nats per decade", row["holds"]


def _called(row: Row) -> str:
    return (
        f"{row['scaling']} of {row['replicates']} markets with {row['times']} x SPY's history and "
        f"{row['scored']} x 501 scored days"
    )


def _reach(rows: Rows) -> Check:
    planted = [row for row in rows if row["control"] == "P2" and not row["aim"]]
    return "; ".join(map(_called, planted)), None


def _nothing(rows: Rows) -> Check:
    empty = [row for row in rows if row["control"] != "P2"]
    said = ", ".join(f"{row['control']} {row['scaling']} of {row['replicates']}" for row in empty)
    return said, all(row["scaling"] <= 1 for row in empty)


def _honest(rows: Rows) -> Check:
    honest = [row for row in rows if row["market"] != "canary"]
    named = sorted({row["impossible"] for row in honest} - {"none"})
    count = sum(row["comparisons"] for row in honest)
    return f"{', '.join(named) or 'none'} of {count} comparisons", not named


def _caught(rows: Rows) -> Check:
    canary = [row for row in rows if row["market"] == "canary"]
    return "; ".join(row["impossible"] for row in canary), all(row["holds"] for row in canary)


def _seconds(rows: Rows) -> Check:
    return _at_most(max(row["all"] for row in rows), 2.0, ".2f")


def _smallest(rows: Rows) -> Check:
    found = {row["sample"]: row["smallest"] for row in rows}
    return (
        "; ".join(
            f"{sample}: " + ("none of those tried" if least is None else f"{least:.4f}")
            for sample, least in found.items()
        ),
        None,
    )


CLAIMS: Sequence[Claim] = (
    Claim(
        "fitter_coverage",
        "95 % intervals of gains and exponents hold the truth as often as they say, also where "
        "labels overlap",
        "chance would look like a law",
        "90 to 98 % of tables, for every truth",
        _of_laws,
    ),
    Claim(
        "fitter_coverage",
        "flat is not called scaling",
        "every *scaling* could be luck",
        "at most 5 % of flat tables",
        _false_scaling,
    ),
    Claim(
        "planted_exponents",
        "the pattern market scales with the exponent of its law",
        "the positive control would control nothing",
        "within 0.05 of the law",
        _exponents,
    ),
    Claim(
        "end_to_end",
        "scaling that is planted in prices is seen by our own network, from bars to verdict",
        "a *flat* or *inconclusive* on real prices could be blindness",
        "verdict scaling in every market",
        _planted,
    ),
    Claim(
        "end_to_end",
        "how much history and how many scored days the same takes, from bars to verdict",
        "what was seen with much data could be expected of SPY's own history",
        "",
        _reach,
    ),
    Claim(
        "end_to_end",
        "where the direction is a coin, or labels are of other years, no scaling is seen, from "
        "bars to verdict",
        "a *scaling* on real prices could be made by training or selection",
        "at most one of 20, for each market",
        _nothing,
    ),
    Claim(
        "oracle_checks",
        "no model beats the best possible forecast of an honest market",
        "the future would leak into features, labels or scores",
        "none with most of its seeds",
        _honest,
    ),
    Claim(
        "oracle_checks",
        "a feature that sees tomorrow is found out",
        "a leak could pass unseen",
        "all models that read features, and no other",
        _caught,
    ),
    Claim(
        "interval_coverage",
        "95 % intervals of a score hold the mean AUC of such windows at H = 21, where labels "
        "overlap",
        "models would differ by noise alone",
        "92 to 98 % of windows",
        _scores,
    ),
    Claim(
        "interval_coverage",
        "drawing days one by one fails there",
        "blocks would be a needless complication",
        "less than 92 %",
        _naive,
    ),
    Claim(
        "interval_coverage",
        "intervals of the difference between two models hold it, in every market",
        "the primary figure, skill over HAR, would be overconfident",
        "92 to 98 % of windows",
        _differences,
    ),
    Claim(
        "interval_coverage",
        "how often the same intervals hold the AUC of decades, of which two years are one regime",
        "a score of two years would be read as one of all times",
        "",
        _decades,
    ),
    Claim(
        "sensitivity",
        "the smallest gain, in nats per decade, that is called scaling in 80 % of samples",
        "nobody would know what *inconclusive* leaves open",
        "",
        _smallest,
    ),
    Claim(
        "bootstrap",
        "2,000 draws of AUC for 20 models on 500 dates, in seconds",
        "intervals would be left out because they cost too much",
        "less than 2 s on two cores",
        _seconds,
    ),
)  # fmt: skip
NAMES = tuple(dict.fromkeys(claim.benchmark for claim in CLAIMS))
