"""The report in two minutes: a verdict a question, how the networks compare, and one figure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlxts.evaluation import comparison, test_split_log
from mlxts.formats import MINUS, count, difference, interval, listing, loss, number
from mlxts.report import answers, labels
from mlxts.report.collect import ReportData
from mlxts.report.figure import Picture
from mlxts.report.walk_forward_study import AXES
from mlxts.scaling.configuration_scores import ConfigurationScores
from mlxts.scaling.verdict import Verdict
from mlxts.tables import Column, Table, ranged

_FIGURES = ("walk-forward", "loss", "skill")  # the first kind that there is


@dataclass(frozen=True)
class Summary:
    """What the page holds.

    Attributes:
        verdicts: one row a question. sentences: of the networks and of what they rest on.
        picture: the figure that shows most, or None.
    """

    verdicts: Table
    sentences: Sequence[str]
    picture: Picture | None


def summarise(report: ReportData, pictures: Sequence[Picture]) -> Summary:
    """Of a gathered report and the figures of its page."""
    picture = next((p for kind in _FIGURES for p in pictures if p.name.startswith(kind)), None)
    rows = [*_walked(report), *_fixed(report)]
    return Summary(
        Table(
            "Does the loss fall with size?",
            (
                Column("question", "with more"),
                "verdict",
                ranged("gain", "gain per tenfold size", difference),
                Column("seen", "detectable from", loss),
                "on",
            ),
            rows,
        ),
        [sentence for sentence in (_best(report), _against(report), _basis(report)) if sentence],
        picture,
    )


def _walked(report: ReportData) -> Iterator[dict]:
    if not report.walked:
        return
    for axis, claimed in answers.claims(report.verdict_rows).items():
        title = answers.TITLES[axis].lower()
        if not claimed:
            yield {"question": title, "verdict": "not run", "on": ""}
        for row in claimed:
            sizes = answers.sizes(row)
            yield {
                "question": title,
                "verdict": row["label"],
                **{name: row[name] for name in ("gain", "gain_low", "gain_high", "seen")},
                "on": f"{answers.where(row)}, {sizes}, {count(row['origins'], 'origin')}",
            }


def _fixed(report: ReportData) -> Iterator[dict]:
    """Of runs on the fixed splits the primary claim of each axis."""
    if report.split == "walk-forward":
        return
    for axis in (axis for axis in AXES if axis in report.along):
        judged = report.along[axis].judged
        if judged is None:
            yield {"question": axis, "verdict": "not run", "on": ""}
            continue
        claim: Verdict = judged.pooled
        yield {
            "question": axis,
            "verdict": claim.label,
            "gain": claim.gain,
            "gain_low": claim.interval[0],
            "gain_high": claim.interval[1],
            "seen": claim.seen,
            "on": f"{report.split}, {count(len(judged.cells), 'cell')}, {claim.dates:,} days",
        }


def _best(report: ReportData) -> str:
    """The configuration of the highest skill that is estimable."""
    rows = [(scores, scores.row()) for scores in report.scored if not scores.obstacle]
    if not rows:
        return "No cell holds enough events for a claim."
    best, row = max(rows, key=lambda pair: pair[1]["skill"])
    surely = ", not significantly" if row["verdict"] == comparison.SAME else ""
    return (
        f"**The best network** is {_named(best, report)}: skill {_percent(row['skill'])} "
        f"{interval(row['skill_low'], row['skill_high'], _percent)} over "
        f"{comparison.title(best.reference)}{surely}. The best of several is optimistic."
    )


def _named(scores: ConfigurationScores, report: ReportData) -> str:
    common = labels.common_settings([one.key for one in report.scored])
    return f"{labels.configuration(scores.key, common)} for {labels.cell(scores.key)}"


def _percent(share: float) -> str:
    return number(100 * share, "+.1f").replace("-", MINUS) + " %"


def _against(report: ReportData) -> str:
    """How many configurations beat their reference."""
    verdicts = Counter(scores.row()["verdict"] for scores in report.scored)
    words = {
        comparison.BEATS: "beat it",
        comparison.SAME: "do not differ significantly from it",
        comparison.LOSES: "lose to it",
        comparison.NOT_ESTIMABLE: "are not estimable",
    }
    parts = [f"{verdicts[word]} {text}" for word, text in words.items() if verdicts[word]]
    return (
        f"**Against the reference**, the better of HAR and a linear model: of "
        f"{count(len(report.scored), 'configuration')} {listing(parts)}."
    )


def _basis(report: ReportData) -> str:
    """Runs, days and test-set evaluations."""
    dates = report.ledger["date"]
    seeds = report.run_rows["seed"].n_unique()
    evaluations = len(test_split_log.history())
    tested = f"the test split was evaluated {count(evaluations, 'time')}"
    return (
        f"**It rests on** {count(len(report.runs), 'run')} with {count(seeds, 'seed')}, "
        f"{report.split} days from {dates.min()} to {dates.max()}; "
        f"{tested if evaluations else 'the test split has not been evaluated'}."
    )
