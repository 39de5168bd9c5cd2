"""The sections of the report, in order: what each holds, or what to run so that it holds something.

A section without data has one line on how to get them; it is never left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from matplotlib.axes import Axes

from mlxts.formats import MINUS, difference, listing
from mlxts.protocol import BASELINE
from mlxts.report import (
    compute_frontier,
    labels,
    law_figure,
    law_panels,
    paper_walk_forward,
    provenance,
    reliability,
    result_tables,
    sensitivity_figure,
    skill,
    walk_forward_figure,
)
from mlxts.report.answers import sentences
from mlxts.report.axis_analysis import AxisAnalysis
from mlxts.report.collect import ReportData, SurfaceAnalysis
from mlxts.report.figure import Picture, legend_below
from mlxts.report.section import Section
from mlxts.report.walk_forward_study import WalkForwardAnalysis
from mlxts.scaling import axes
from mlxts.scaling.verdict import NOT_ESTIMABLE, Verdict
from mlxts.scaling.walk_forward_ledger import SPLIT as WALK_FORWARD
from mlxts.tables import Table

HAR = BASELINE.upper()
_LETTER = {"parameters": "N", "features": "F", "history": "D", "assets": "A"}
_SWEEP = {
    "parameters": "`mlxts sweep run configs/sweeps/study_parameters.yaml` trains several budgets",
    "history": "`mlxts sweep run configs/sweeps/study_history.yaml` trains on parts of the history",
    "assets": "`mlxts sweep run configs/sweeps/study_assets.yaml` pools more assets",
    "features": "`mlxts sweep run configs/sweeps/study_features.yaml` trains several tiers",
}


def question() -> str:
    return "Does skill increase with parameters, features or data?"


def answers(report: ReportData) -> list[str]:
    """What the runs answer: of walk-forward runs a sentence an axis, of those on the fixed splits
    one over all axes. `**` marks what stands out."""
    walked = sentences(report.verdict_rows, report.plans) if report.walked else []
    if report.split == WALK_FORWARD:
        return walked
    parts = [_part(axis, report.along[axis]) for axis in _LETTER]
    mode = {scores.mode for scores in report.scored}
    mark = "" if mode == {"strict"} else " (with exploratory runs)" * (len(mode) > 1)
    if mode == {"exploratory"}:
        mark = " (exploratory)"
    return [*walked, f"On {report.split}{mark}: {'; '.join(parts)}."]


def _part(axis: str, along: AxisAnalysis) -> str:
    if along.judged is None:
        return f"{axis}: not varied"
    pooled = along.judged.pooled
    several = len(along.judged.pools) > 1  # only the primary one is reported
    question = axis + (f", {along.judged.primary.title}" if several else "")
    if pooled.word == NOT_ESTIMABLE:
        return f"{question}: not estimable ({pooled.reason})"
    return (
        f"{question}: {pooled.label} ({_percent(pooled.gain)} skill per tenfold {axis}, 95 % "
        f"interval {_percent(pooled.interval[0])} to {_percent(pooled.interval[1])})"
    )


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def sections(report: ReportData, *, storage_url: str | None = None) -> list[Section]:
    """All of them, in the order of the page."""
    makers: Sequence[Callable[[ReportData], Section]] = (
        *((_walked,) * bool(report.walked)),
        _verdicts,
        *(partial(_along, axis=axis) for axis in _LETTER),
        _skill,
        _sensitivity,
        _reliability,
        _years,
        *((_walked,) * (not report.walked)),
        _surfaces,
        _frontier,
        _evidence,
        partial(_tried, storage_url=storage_url),
        _runs,
        _provenance,
    )
    return [make(report) for make in makers]


def _verdicts(report: ReportData) -> Section:
    judged = [axis for axis in _LETTER if report.along[axis].judged]
    others = [axis for axis in _LETTER if axis not in judged]
    tables = [result_tables.verdict(report.along[axis]) for axis in judged]
    if report.comparisons:
        tables.append(result_tables.comparisons(report))
    tables += result_tables.ensembles(report.along["parameters"], report.draws, report.seed)
    return Section(
        "verdicts",
        "Verdicts",
        text=(
            "Rules fixed beforehand. Scaling: the gain's 95 % interval lies above 0 and a power "
            "law predicts the largest size better than a constant. Inverse: the same with the "
            "opposite sign. Flat: the 90 % interval lies inside the margin. Otherwise "
            "inconclusive, or not estimable.",
        ),
        tables=tables,
        missing=[f"Not varied: {listing(others)}; their sections name the sweeps that do."]
        if others
        else (),
    )


def _along(report: ReportData, axis: str) -> Section:
    along, title = report.along[axis], f"Loss against {axis} ({_LETTER[axis]})"
    if along.judged is None:
        return Section(axis, title, missing=[f"Not varied: {_SWEEP[axis]}."])
    words_of = {cell.name: cell for cell in along.judged.cells}
    pictures = [
        _law_picture(along, index, words_of[table.name], report.split)
        for index, table in enumerate(along.tables)
        if table.name in along.judged.draws
    ]
    skipped = [cell for cell in along.judged.cells if cell.word == NOT_ESTIMABLE]
    return Section(
        axis,
        title,
        pictures=pictures,
        tables=[result_tables.laws(report, axis)] if pictures else (),
        missing=[
            f"Not estimable and not drawn: {len(skipped)} of {len(along.tables)} cells; their "
            "reasons are given under Verdicts."
        ]
        if skipped
        else (),
    )


def _law_picture(along: AxisAnalysis, index: int, verdict: Verdict, split: str) -> Picture:
    table, judged = along.tables[index], along.judged
    assert judged is not None
    gain = difference(verdict.gain).replace("-", MINUS)
    title, settings = labels.title_and_settings(table.name)
    shown = f"**{verdict.label}**, gain {gain} {table.unit} per tenfold {along.axis}, {split}"
    panel = law_panels.panel(
        table,
        judged.draws[table.name],
        judged.selections[table.name],
        "",
        axes.AXES[along.axis].unit,
    )
    return Picture(
        name=labels.slug("loss", along.axis, table.name),
        title=title,
        settings=f"{settings}: {shown}" if settings else shown,
        caption=(
            "Squares: mean over seeds with 95 % intervals paired with the reference; dots beside "
            "them: runs. Blue: the law chosen by the one-standard-error rule, with its band; "
            "dashed beyond the largest size. In brackets how often each law is chosen over "
            "bootstrap draws. A level far from what is drawn is only named."
        ),
        data=law_panels.panel_data(panel),
        draw=partial(_draw, panel=panel),
        size=(4.8, 4.2),
    )


def _draw(axes: Axes, panel: law_figure.LawPanel | law_figure.LawSurface) -> None:
    law_figure.draw(axes, panel)
    legend_below(axes)


def _skill(report: ReportData) -> Section:
    return Section(
        "skill",
        "Skill over the reference by cell",
        text=(
            "The reference is the better of two simple models by cross-validation within the "
            f"training days. {HAR} is a logistic (of numbers a linear) regression on three log "
            "ranges; linear is a ridge regression on these and on the network's own features at "
            "the decision bar. A network that does not beat it has learned nothing that needs a "
            "network.",
        ),
        pictures=skill.heat_map(report.scored),
        tables=[result_tables.skill(report.scored)],
    )


def _sensitivity(report: ReportData) -> Section:
    record = sensitivity_figure.newest()
    title = "Minimum detectable effect"
    if record is None:
        return Section(
            "sensitivity",
            title,
            missing=[
                "Not measured in this workspace: the repository's benchmark `sensitivity` finds "
                "the smallest effect that the verdict detects as scaling."
            ],
        )
    return Section(
        "sensitivity",
        title,
        text=[*record.get("notes", ())],
        pictures=[sensitivity_figure.picture(record)],
        tables=[sensitivity_figure.table(record)],
    )


def _reliability(report: ReportData) -> Section:
    pictures = reliability.diagrams(report.scored)
    return Section(
        "reliability",
        "Reliability",
        pictures=pictures,
        missing=()
        if pictures
        else [
            "No binary cell is estimable: train one with more samples of both classes, e.g. "
            "`mlxts train CONFIG --set task=threshold_1pct`."
        ],
    )


def _years(report: ReportData) -> Section:
    pictures = skill.by_year(report.scored)
    return Section(
        "years",
        "Skill by year",
        pictures=pictures,
        tables=[result_tables.years(report)] if pictures else (),
        missing=()
        if pictures
        else [
            "No cell is estimable in two years: more years of data are needed (`mlxts data "
            "download`)."
        ],
    )


def _walked(report: ReportData) -> Section:
    title, walked = "Walk-forward: out-of-sample windows", report.walked
    if walked is None:
        return Section(
            "walked",
            title,
            missing=[
                "No walk-forward runs: `mlxts sweep run configs/sweeps/study_parameters.yaml` "
                "trains at ten forecast origins."
            ],
        )
    return Section(
        "walked",
        title,
        text=(
            "At every origin each model is trained on earlier data, stopped early on one window "
            "and scored on the next; the references are refitted at each origin. The windows of "
            "a model are scored together.",
        ),
        pictures=walk_forward_figure.pictures(report.verdict_rows),
        tables=[
            paper_walk_forward.verdicts(report.verdict_rows),
            *result_tables.ensembles(
                walked.along["parameters"], walked.draws, walked.seed, WALK_FORWARD
            ),
            *([] if report.split == WALK_FORWARD else [_walked_skill(walked)]),
        ],
    )


def _walked_skill(walked: WalkForwardAnalysis) -> Table:
    return result_tables.skill(walked.scored, WALK_FORWARD)


def _surfaces(report: ReportData) -> Section:
    samples, features = (report.surfaces[name] for name in ("surface", "features_surface"))
    missing = []
    if not samples:
        missing.append(
            "Parameters × samples: no cell has two sizes of each; add `train_fraction: [0.25, "
            "0.5, 1.0]` to the axes of a sweep over budgets."
        )
    if not features:
        missing.append(
            "Parameters × features: no cell has two sizes of each; add `tier: [20, 100, 500]` to "
            "the axes of a sweep over budgets."
        )
    tables = [result_tables.mixed(report)]
    if samples:
        tables.append(result_tables.surface_laws(report))
    return Section(
        "surfaces",
        "Parameters by samples and by features",
        pictures=[
            *(_surface_picture(surface, report.split, "samples") for surface in samples),
            *(_surface_picture(surface, report.split, "features") for surface in features),
        ],
        tables=[table for table in tables if table],
        missing=missing,
    )


def _surface_picture(analysis: SurfaceAnalysis, split: str, second: str) -> Picture:
    surface = law_panels.surface(
        analysis.table,
        analysis.drawn,
        "",
        analysis.selection,
        steps=lambda size: f"{size:,.0f} {second}",
    )

    drawn_as, selection = "lines connect the means, no law is fitted", analysis.selection
    if selection:
        share = selection.frequencies[selection.chosen]
        drawn_as = f"curves: {selection.chosen}, the law chosen in {share:.0%} of the draws"
    title, settings = labels.title_and_settings(analysis.table.name)
    return Picture(
        name=labels.slug("surface", second, analysis.table.name),
        title=title,
        settings=", ".join(filter(None, (settings, split))),
        caption=f"Means over seeds with 95 % intervals paired with the reference; {drawn_as}.",
        data=law_panels.surface_data(surface, second),
        draw=partial(_draw, panel=replace(surface, subtitle="")),
        size=(4.8, 4.0),
    )


def _frontier(report: ReportData) -> Section:
    pictures = compute_frontier.frontiers(report.scored)
    return Section(
        "frontier",
        "Compute frontier",
        text=(
            "Operations are counted from the shapes (matrix products and attention), not timed, "
            "so a machine that throttles does not change them.",
        ),
        pictures=pictures,
        missing=()
        if pictures
        else [
            "No estimable cell has two configurations: train another budget, e.g. `mlxts train "
            "CONFIG --set budget=0.2M`."
        ],
    )


def _evidence(report: ReportData) -> Section:
    return Section(
        "evidence",
        "Base rates and estimability",
        tables=[result_tables.evidence(report)],
    )


def _tried(report: ReportData, storage_url: str | None) -> Section:
    searched, looked = provenance.studies(storage_url), provenance.test_set_evaluations()
    return Section(
        "tried",
        "Multiple testing",
        text=[provenance.multiple_testing(report, searched)],
        tables=[table for table in (searched, looked) if table.rows],
    )


def _runs(report: ReportData) -> Section:
    return Section("runs", "Every run", tables=[result_tables.every_run(report)])


def _provenance(report: ReportData) -> Section:
    return Section(
        "provenance",
        "Data, versions, temperature",
        text=[provenance.flags(report)],
        tables=[
            provenance.data(report),
            provenance.machines(report),
            provenance.temperatures(report),
        ],
    )
