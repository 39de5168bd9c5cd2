"""`mlxts report`: the results of runs, on one page and in files for a paper."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from mlxts.api.selected_runs import complete_predictions, some_runs
from mlxts.cli.hpo import StorageOption
from mlxts.cli.output import JsonOption, Note, note, render
from mlxts.cli.scaling import DrawsOption, FixedSplit, SeedOption, TunedOption


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Run ids or their beginnings, folders, patterns, sweeps or studies; "
            "without any, all finished runs."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: outputs/results/report.")
    ] = None,
    paper: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Instead of the page: tables for a paper as Markdown, and their figures as JSON. "
            "Of walk-forward runs and of runs on the fixed splits each replace their own figures; "
            "without runs, rendered again from that JSON.",
        ),
    ] = None,
    plan: Annotated[
        list[Path] | None,
        typer.Option(
            help="What a sweep that has not been run will cost: the file of `mlxts sweep plan "
            "SWEEP --json`. May be given several times.",
        ),
    ] = None,
    split: Annotated[
        FixedSplit, typer.Option(help="test: rows opened by `evaluate --split test`.")
    ] = FixedSplit.validation,
    tuned: TunedOption = None,
    draws: DrawsOption = 2000,
    seed: SeedOption = 0,
    storage: StorageOption = None,
    summary: Annotated[
        bool,
        typer.Option("--summary", help="Name (and open) the one-page summary that lies beside it."),
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the report: one HTML page, every figure as SVG, PDF and CSV, tables as CSV, LaTeX."""
    from mlxts.evaluation import test_split_log
    from mlxts.report import answers, collect, page, sections
    from mlxts.report import paper as papers
    from mlxts.scaling import results

    if paper and not runs and papers.figures_of(paper).exists():
        note(f"rendered again from {papers.figures_of(paper)}: {papers.rewrite(paper)}")
        return
    picked = some_runs(runs or (), note, storage)
    if split is FixedSplit.test:
        # Recorded before anything is read; without a record there is no test-set evaluation.
        count = max(
            test_split_log.record(*evaluation)
            for evaluation in collect.scored_symbols(picked.finished)
        )
        note(f"test-set evaluation {count}, recorded in {test_split_log.path()}")
    complete_predictions(picked.finished, note)
    plans = [answers.plan_row(one) for one in plan or ()]
    if paper:
        before = papers.read(paper) if papers.figures_of(paper).exists() else None
        record = papers.collect(
            picked.finished, split=split, draws=draws, seed=seed, plans=plans, before=before
        )
        note(f"written: {papers.write(record, paper)}, figures in {papers.figures_of(paper)}")
        return
    gathered = collect.gather(
        picked.finished,
        split=split,
        tuned=tuned or (),
        draws=draws,
        seed=seed,
        plans=plans,
        unfinished=picked.unfinished,
        progress=lambda text: note(f"{text} ..."),
    )
    folder = out or results.folder("report")
    written = page.write(
        gathered, folder, storage_url=storage, progress=lambda text: note(f"{text} ...")
    )
    shown = written.with_name(page.SUMMARY) if summary else written
    answered = sections.answers(gathered)
    result = {
        "page": str(written),
        "summary": str(written.with_name(page.SUMMARY)),
        "runs": [run.id for run in gathered.runs],
        "answers": answered,
    }
    texts = [answer.replace("**", "") for answer in answered]
    render(result, as_json, [Note(f"written: {shown}"), *texts])
    if open_ and not webbrowser.open(shown.resolve().as_uri()):
        note("no browser could be started here; open that file by hand")
