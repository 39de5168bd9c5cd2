"""`mlxts scaling`: the ledger of runs, laws fitted to it, and the pre-registered verdict."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, Note, Part, note, render, show
from mlxts.config.renamed_keys import current_with_notice
from mlxts.tables import Column, Table

if TYPE_CHECKING:
    import polars as pl

    from mlxts.scaling.loss_table import LossTable
    from mlxts.scaling.verdict import Verdict

scaling = typer.Typer(
    name="scaling", help="Scaling laws: loss tables, fits, verdicts.", no_args_is_help=True
)


class AxisName(StrEnum):
    parameters = "parameters"
    compute = "compute"
    features = "features"
    history = "history"
    assets = "assets"
    columns = "columns"


class FitAxis(StrEnum):
    parameters = "parameters"
    compute = "compute"
    features = "features"
    history = "history"
    assets = "assets"
    surface = "surface"


class Count(StrEnum):
    total = "total"
    body = "body"
    no_embedding = "no_embedding"


class SplitName(StrEnum):
    validation = "validation"
    test = "test"
    walk_forward = "walk-forward"


class FixedSplit(StrEnum):
    validation = "validation"
    test = "test"


class JudgedSplit(StrEnum):
    validation = "validation"
    walk_forward = "walk-forward"


Runs = Annotated[
    list[str] | None,
    typer.Argument(
        help="Run ids or their beginnings, folders, patterns, sweeps or studies; without any, all "
        "finished runs."
    ),
]
CountOption = Annotated[
    Count, typer.Option("--parameters", help="Which parameters N counts; report a law under each.")
]


def _current_settings(keys: list[str] | None) -> list[str]:
    return list(current_with_notice(dict.fromkeys(keys or ()), "--ignore-setting"))


TunedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-setting",
        help="A setting that may differ between sizes, e.g. a tuned training.weight_decay.",
        callback=_current_settings,
    ),
]
AssetsOption = Annotated[
    bool,
    typer.Option(
        "--all-assets",
        help="Score every pooled asset as a cell of its own, not only the main symbol.",
    ),
]
PanelOption = Annotated[
    bool,
    typer.Option(
        "--panel", help="Also the mean over all assets that the runs score, dates drawn with all."
    ),
]
NameOption = Annotated[str, typer.Option("--name", help="Folder under outputs/results.")]
DrawsOption = Annotated[int, typer.Option("--draws", min=50, max=100_000, help="Bootstrap draws.")]
SeedOption = Annotated[int, typer.Option("--seed", help="For the bootstrap.")]
PhasesOption = Annotated[
    bool,
    typer.Option("--all-phases", help="All phases of a timescale, not only the canonical one."),
]
SplitOption = Annotated[
    SplitName,
    typer.Option(
        "--split",
        help="test: rows that `evaluate` has opened, on record. walk-forward: the windows of "
        "`mlxts walk-forward`, all origins together.",
    ),
]


@scaling.command()
def ledger(
    runs: Runs = None,
    split: SplitOption = SplitName.validation,
    tuned: TunedOption = None,
    every_asset: AssetsOption = False,
    name: NameOption = "scaling",
    columns: Annotated[bool, typer.Option("--columns", help="Explain the columns.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the losses of runs as Parquet: a row for each run and date."""
    from mlxts.scaling import ledger as ledgers
    from mlxts.scaling import results

    if columns:
        headings = (Column("name", "column"), Column("dtype", "type"), "meaning")
        show(Table("Columns of the ledger", headings, [vars(c) for c in ledgers.COLUMNS]))
        return
    path = results.folder(name) / "ledger.parquet"
    built = _ledger(runs, split, tuned, every_asset)
    ledgers.write(path, built)
    rows = ledgers.runs(built)
    table_columns = (
        ("run", "data"),
        (Column("n_total", "N"), Column("samples", "D")),
        (Column("features", "F"), "seed"),
        (
            Column("loss", "loss", ".5f"),
            Column("loss_har", "HAR", ".5f"),
            Column("loss_linear", "linear", ".5f"),
        ),
        (Column("epochs", "epochs", ".1f"), Column("flops", "FLOPs", ".2g"), "mode"),
    )
    result = {"ledger": str(path), "rows": built.height, "runs": rows.to_dicts()}
    count = formats.count(built.height, "row")
    advice = f"{count} in {path}; `mlxts scaling ledger --columns` explains them"
    table = Table(f"{formats.count(rows.height, 'run')}, {split}", table_columns, result["runs"])
    render(result, as_json, [table, Note(advice)])


@scaling.command()
def fit(
    runs: Runs = None,
    axis: Annotated[FitAxis, typer.Option(help="Size to vary.")] = FitAxis.parameters,
    parameters: CountOption = Count.total,
    split: SplitOption = SplitName.validation,
    tuned: TunedOption = None,
    every_asset: AssetsOption = False,
    all_phases: PhasesOption = False,
    draws: DrawsOption = 2000,
    seed: SeedOption = 0,
    name: NameOption = "scaling",
    as_json: JsonOption = False,
) -> None:
    """Fit every family of laws to each cell, choose one by extrapolation and draw it."""
    from mlxts.files import SCHEMA, finite, write_json, write_text
    from mlxts.report import law_figure, law_panels
    from mlxts.scaling import axes, bootstrap, results, select, verdict

    folder = results.folder(name)
    built = _ledger(runs, split, tuned, every_asset)
    loss_tables = axes.tables(built, axis, parameters=parameters, all_phases=all_phases)
    weights = bootstrap.date_weights(loss_tables, draws=draws, seed=seed)
    rows: list[dict[str, Any]] = []
    for index, (cell, counts) in enumerate(zip(loss_tables, weights, strict=True)):
        replicates = bootstrap.draw(
            cell, counts, seed=seed + 1 + index, widen=cell.bootstrap.widening
        )
        chosen = select.select(cell, replicates)
        rows += results.laws(cell, chosen)
        path = folder / f"{axis}-{results.file_name(cell.name)}.png"
        if axis is FitAxis.surface:
            law_figure.write(path, law_panels.surface(cell, replicates, split, chosen))
        else:
            gain = verdict.gains(cell.rungs[:, 0], replicates.rungs)[0]
            subtitle = f"{gain:+.4f} {cell.unit} per decade of {axis}, {split}"
            unit = axes.AXES[axis].unit
            law_figure.write(path, law_panels.panel(cell, replicates, chosen, subtitle, unit))
        note(f"picture: {path}")
    result = {
        "schema": SCHEMA,
        "axis": axis,
        "parameters": parameters,
        "split": split,
        "laws": rows,
    }
    write_json(folder / f"laws-{axis}.json", finite(result))
    write_text(folder / f"laws-{axis}.csv", Table("", (), results.flat_laws(rows)).csv())
    tables = [
        _laws(cell, [row for row in rows if row["cell"] == cell.name], axis) for cell in loss_tables
    ]
    how_to_read = Note(
        "Coefficients are parts of the loss at the reference size; in brackets 95 % intervals. "
        f"Error: of ln L at the largest size, left out. {results.CHOICE} Chosen in: share of the "
        "draws."
    )
    render(result, as_json, [*tables, how_to_read])


@scaling.command(name="verdict")
def verdict_(
    runs: Runs = None,
    axis: Annotated[AxisName, typer.Option(help="Size to vary.")] = AxisName.parameters,
    parameters: CountOption = Count.total,
    split: Annotated[
        JudgedSplit,
        typer.Option(
            help="walk-forward: the windows of `mlxts walk-forward`, all origins together."
        ),
    ] = JudgedSplit.validation,
    tuned: TunedOption = None,
    every_asset: AssetsOption = False,
    panel: PanelOption = False,
    all_phases: PhasesOption = False,
    replicate: Annotated[
        bool,
        typer.Option(help="Require the same sign on the test split; recorded as an evaluation."),
    ] = False,
    draws: DrawsOption = 2000,
    seed: SeedOption = 0,
    name: NameOption = "scaling",
    as_json: JsonOption = False,
) -> None:
    """Scaling, inverse, flat, inconclusive or not estimable: for each cell, and pooled."""
    from dataclasses import asdict
    from functools import partial

    from mlxts.errors import ConfigError
    from mlxts.files import SCHEMA, finite, write_json, write_text
    from mlxts.scaling import axes, multiple_comparison, results, seed_ensembles, verdict
    from mlxts.scaling import mixed_effects as mixed_model

    if replicate and split is JudgedSplit.walk_forward:
        raise ConfigError(
            "--replicate asks the test split of runs on the fixed splits; leave --split out"
        )
    folder = results.folder(name)

    def cells_of(split: SplitName) -> tuple["pl.DataFrame", list["LossTable"]]:
        cut = partial(axes.tables, axis=axis, parameters=parameters, all_phases=all_phases)
        built = _ledger(runs, split, tuned, every_asset, alike=False)
        cells = cut(built)
        if panel:
            pooled = built if every_asset else _ledger(runs, split, tuned, True, alike=False)
            cells += cut(pooled, panel=True)
        return built, cells

    built, tables = cells_of(SplitName(split))
    test = None
    if replicate:
        test = {cell.name: cell for cell in cells_of(SplitName.test)[1]}
    judged = verdict.judge(tables, test=test, draws=draws, seed=seed)
    usable = [cell for cell in tables if cell.name in judged.draws]
    compared = {
        cell.name: multiple_comparison.compare(cell, draws=draws, seed=seed) for cell in usable
    }
    ensembles = seed_ensembles.rows(tables, draws, seed)
    mixed = None
    if axis == "parameters":
        mixed = mixed_model.over(built, tables, judged, parameters=parameters, seed=seed)
    record = {
        "schema": SCHEMA,
        "axis": axis,
        "split": split,
        "parameters": parameters,
        "draws": draws,
        "seed": seed,
        "pooled": judged.pooled.to_dict(),
        "pools": [pooled.to_dict() for pooled in judged.pools.values()],
        "cells": [cell.to_dict() for cell in judged.cells],
        "comparisons": {key: asdict(value) for key, value in compared.items()},
        "seed_ensembles": ensembles,
        "mixed": mixed and asdict(mixed),
    }
    write_json(folder / f"verdict-{axis}.json", finite(record))
    verdicts = results.verdicts(judged, axis)
    write_text(folder / f"verdict-{axis}.csv", verdicts.csv())
    screen: list[Part] = [verdicts, results.comparisons(compared, usable)]
    screen += [seed_ensembles.table(ensembles, axis)] * bool(ensembles)
    if mixed is not None:
        mode = "strict" if all(pool.strict for pool in judged.pools) else "exploratory"
        screen.append(results.mixed_slopes(mixed, mode))
    screen.append(Note(f"written to {folder}"))
    screen += [_sentence(claim, axis) for claim in verdict.claims(judged, tables)]
    render(record, as_json, screen)


def _ledger(
    runs: list[str] | None,
    split: SplitName,
    tuned: list[str] | None,
    every_asset: bool,
    *,
    alike: bool = True,
) -> "pl.DataFrame":
    """The ledger of the named runs or of all finished ones; reading test rows is recorded.

    Without names walk-forward runs are for their own split alone, where their windows are predicted
    now if they have not been.
    """
    from mlxts.api.selected_runs import complete_predictions, some_runs
    from mlxts.evaluation import test_split_log
    from mlxts.runs.folder import RunFolder
    from mlxts.scaling import ledger as ledgers
    from mlxts.scaling import walk_forward_ledger

    chosen = some_runs(runs or (), note).finished
    if not runs:
        walked = split is SplitName.walk_forward
        chosen = [folder for folder in chosen if RunFolder(folder).is_walk_forward == walked]
    complete_predictions(chosen, note)
    if split is SplitName.walk_forward:
        return walk_forward_ledger.join(
            chosen, tuned=tuned or (), every_asset=every_asset, alike=alike
        )
    built = ledgers.build(chosen, split=split, tuned=tuned or (), every_asset=every_asset)
    if split is SplitName.test:
        # Recorded before anything is computed; without a record there is no test-set evaluation.
        looked = built.select("run", "symbol").unique().sort("run")
        count = max(test_split_log.record(run, symbol) for run, symbol in looked.iter_rows())
        note(f"test-set evaluation {count}, recorded in {test_split_log.path()}")
    return built


def _laws(cell: "LossTable", rows: list[dict[str, Any]], axis: str) -> Table:
    reference = ", ".join(f"{size:,.0f}" for size in rows[0]["reference"])
    columns = [
        row
        | {
            "law": f"{'* ' if row['chosen'] else ''}{row['family']}",
            "parameters": "\n".join(
                f"{key} {value:.4g} {formats.interval(*row['intervals'][key], '.3g')}"
                for key, value in row["parameters"].items()
            ),
        }
        for row in rows
    ]
    return Table(
        f"{cell.name}: loss along {axis}\n"
        f"{formats.count(len(cell.rungs), 'size')}, {formats.count(len(cell.sizes), 'run')}, "
        f"{formats.count(len(cell.dates), 'date')}; "
        f"reference {reference}",
        (
            ("law", "formula"),
            "parameters",
            Column("extrapolation_error", "error"),
            Column("selection_frequency", "chosen in", ".0%"),
        ),
        columns,
    )


def _sentence(claim: "Verdict", axis: str) -> str:
    from mlxts.scaling.verdict import POOLED

    named = claim.name.replace(POOLED, POOLED.capitalize(), 1)
    per = "" if claim.paired else " per decade"
    if claim.word == "not estimable":
        return f"{named} along {axis}: not estimable: {claim.reason}."
    reference = f", over {claim.reference}" if claim.unit == "skill" and claim.reference else ""
    unit = f"{claim.unit}{per}{reference}"
    return (
        f"{named} along {axis}: {claim.label} ({claim.gain:+.4f} {unit}, "
        f"95 % interval {formats.interval(*claim.interval, '+.4f')}, margin {claim.margin:.4f}; "
        f"{claim.seen:.4f} would have been seen with 80 %): {claim.reason}."
    )
