"""`mlxts scaling`: the ledger of runs, laws fitted to it, and the pre-registered verdict."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.output import JsonOption, counted, emit, note, number, say, table

if TYPE_CHECKING:
    import polars as pl

    from mlxts.scaling.loss_table import LossTable
    from mlxts.scaling.mixed_effects import Mixed
    from mlxts.scaling.verdict import Judged, Verdict

scaling = typer.Typer(
    name="scaling", help="Do losses fall with size? Ledger, laws, verdicts.", no_args_is_help=True
)


class AxisName(StrEnum):
    parameters = "parameters"
    samples = "samples"
    features = "features"


class FitAxis(StrEnum):
    parameters = "parameters"
    samples = "samples"
    features = "features"
    surface = "surface"


class Count(StrEnum):
    total = "total"
    body = "body"
    no_embedding = "no_embedding"


class SplitName(StrEnum):
    validation = "validation"
    test = "test"
    foreseen = "foreseen"


class FixedSplit(StrEnum):
    validation = "validation"
    test = "test"


class JudgedSplit(StrEnum):
    validation = "validation"
    foreseen = "foreseen"


Runs = Annotated[
    list[str] | None,
    typer.Argument(
        help="Run ids or their beginnings, folders, patterns, sweeps or studies; without any, all "
        "finished runs."
    ),
]
CountOption = Annotated[
    Count, typer.Option("--parameters", help="What N counts: a law is to be told under each.")
]
TunedOption = Annotated[
    list[str] | None,
    typer.Option("--tuned", help="A setting tuned at each size, e.g. training.weight_decay."),
]
AssetsOption = Annotated[
    bool,
    typer.Option(
        "--every-asset",
        help="Score every pooled asset, each a cell of its own, not the main symbol alone.",
    ),
]
NameOption = Annotated[str, typer.Option("--name", help="Folder under outputs/results.")]
DrawsOption = Annotated[int, typer.Option("--draws", min=50, max=100_000, help="Bootstrap draws.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the draws.")]
PhasesOption = Annotated[
    bool, typer.Option("--all-phases", help="Every phase of a timescale, not the canonical alone.")
]
SplitOption = Annotated[
    SplitName,
    typer.Option(
        "--split",
        help="test: rows that `evaluate` has opened, on record. foreseen: the windows of "
        "walk-forward runs (`evaluate --origins`), all origins together.",
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
    """Collect runs into one table, a row for each run and date, and write it as Parquet."""
    from mlxts.scaling import ledger as ledgers
    from mlxts.scaling import results

    if columns:
        table(
            "Columns of the ledger",
            ["column", "type", "meaning"],
            [[c.name, str(c.dtype), c.meaning] for c in ledgers.COLUMNS],
        )
        return
    path = results.folder(name) / "ledger.parquet"
    built = _ledger(runs, split, tuned, every_asset)
    ledgers.write(path, built)
    rows = ledgers.runs(built)
    if as_json:
        emit({"ledger": str(path), "rows": built.height, "runs": rows.to_dicts()})
        return
    table(
        f"{counted(rows.height, 'run')}, {split}",
        ["run\ndata", "N\nD", "F\nseed", "loss\nHAR\nlinear", "epochs\nFLOPs"],
        [
            [
                f"{row['run']}\n{row['data']} ({row['mode']})",
                f"{row['n_total']:,}\n{row['samples']:,}",
                f"{row['features']:,}\n{row['seed']}",
                f"{row['loss']:.5f}\n{_loss(row['loss_har'])}\n{_loss(row['loss_linear'])}",
                f"{row['epochs']:.1f}\n{row['flops']:.2g}",
            ]
            for row in rows.iter_rows(named=True)
        ],
    )
    note(
        f"{counted(built.height, 'row')} in {path}; `mlxts scaling ledger --columns` explains them"
    )


@scaling.command()
def fit(
    runs: Runs = None,
    axis: Annotated[FitAxis, typer.Option(help="Along which size.")] = FitAxis.parameters,
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
    """Fit every family of laws to each cell, choose one by extrapolation, draw it."""
    from mlxts.files import write_json
    from mlxts.report import law_figure
    from mlxts.report import laws as pictures
    from mlxts.scaling import axes, bootstrap, results, select, verdict

    folder = results.folder(name)
    built = _ledger(runs, split, tuned, every_asset)
    found = axes.tables(built, axis, parameters=parameters, all_phases=all_phases)
    weights = bootstrap.date_weights(found, draws=draws, seed=seed)
    rows: list[dict[str, Any]] = []
    for index, (cell, counts) in enumerate(zip(found, weights, strict=True)):
        drawn = bootstrap.draw(cell, counts, seed=seed + 1 + index, widen=cell.bootstrap.widening)
        chosen = select.select(cell, drawn)
        rows += results.laws(cell, chosen)
        path = folder / f"{axis}-{results.file_name(cell.name)}.png"
        if axis is FitAxis.surface:
            law_figure.draw_surface(path, pictures.surface(cell, drawn, split, chosen))
        else:
            gain = verdict.gains(cell.rungs[:, 0], drawn.rungs)[0]
            subtitle = f"{gain:+.4f} nats per decade of {axis}, {split}"
            unit = axes.AXES[axis].unit
            law_figure.draw(path, pictures.panel(cell, drawn, chosen, subtitle, unit))
        note(f"picture: {path}")
    write_json(folder / f"laws-{axis}.json", results.finite(rows))
    results.write_csv(folder / f"laws-{axis}.csv", results.flat_laws(rows))
    if as_json:
        emit({"axis": axis, "parameters": parameters, "split": split, "laws": rows})
        return
    for cell in found:
        _show_laws(cell, [row for row in rows if row["cell"] == cell.name], axis)
    note(
        "Coefficients are parts of the loss at the reference size; in brackets 95 % intervals. "
        "Error: of ln L at the largest size, left out. Chosen in: share of the draws."
    )


@scaling.command(name="verdict")
def verdict_(
    runs: Runs = None,
    axis: Annotated[AxisName, typer.Option(help="Along which size.")] = AxisName.parameters,
    parameters: CountOption = Count.total,
    split: Annotated[
        JudgedSplit,
        typer.Option(
            help="foreseen: the windows of walk-forward runs (`evaluate --origins`), all origins "
            "together."
        ),
    ] = JudgedSplit.validation,
    tuned: TunedOption = None,
    every_asset: AssetsOption = False,
    all_phases: PhasesOption = False,
    replicate: Annotated[
        bool, typer.Option(help="Ask for the same sign on the test split; recorded as a look.")
    ] = False,
    draws: DrawsOption = 2000,
    seed: SeedOption = 0,
    name: NameOption = "scaling",
    as_json: JsonOption = False,
) -> None:
    """Scaling, inverse, flat, inconclusive or not estimable: for each cell, and pooled."""
    from dataclasses import asdict

    from mlxts.errors import ConfigError
    from mlxts.files import write_json
    from mlxts.scaling import axes, multiple_comparison, results, verdict
    from mlxts.scaling import mixed_effects as mixed_model

    if replicate and split is JudgedSplit.foreseen:
        raise ConfigError(
            "--replicate asks the test split of runs on the fixed splits; leave --split out"
        )
    folder = results.folder(name)
    built = _ledger(runs, SplitName(split), tuned, every_asset)
    found = axes.tables(built, axis, parameters=parameters, all_phases=all_phases)
    test = None
    if replicate:
        opened = _ledger(runs, SplitName.test, tuned, every_asset)
        cells = axes.tables(opened, axis, parameters=parameters, all_phases=all_phases)
        test = {cell.name: cell for cell in cells}
    judged = verdict.judge(found, test=test, draws=draws, seed=seed)
    usable = [cell for cell in found if cell.name in judged.draws]
    compared = {
        cell.name: multiple_comparison.compare(cell, draws=draws, seed=seed) for cell in usable
    }
    mixed = None
    if axis == "parameters":
        mixed = mixed_model.over(built, found, judged, parameters=parameters, seed=seed)
    record = {
        "axis": axis,
        "split": split,
        "parameters": parameters,
        "draws": draws,
        "seed": seed,
        "pooled": asdict(judged.pooled),
        "pools": [asdict(pooled) for pooled in judged.pools.values()],
        "cells": [asdict(cell) for cell in judged.cells],
        "comparisons": {key: asdict(value) for key, value in compared.items()},
        "mixed": mixed and asdict(mixed),
    }
    write_json(folder / f"verdict-{axis}.json", results.finite(record))
    rows = results.flat_verdicts([*judged.cells, *judged.pools.values()])
    results.write_csv(folder / f"verdict-{axis}.csv", rows)
    if as_json:
        emit(record)
        return
    _show_verdicts(judged, axis)
    sizes = {cell.name: [f"{size:,.0f}" for size in cell.rungs[:, 0]] for cell in usable}
    table(
        "Against the reference, and against each other",
        ["cell", "p: none beats it", "beat it", "may be the best"],
        [
            [
                key,
                value.p_superior,
                ", ".join(sizes[key][index] for index in value.superior) or "none",
                ", ".join(sizes[key][index] for index in value.confidence_set),
            ]
            for key, value in compared.items()
        ],
    )
    if mixed is not None:
        _show_mixed(mixed)
    note(f"written to {folder}")
    for pooled in judged.pools.values():
        say(_sentence(pooled, axis))


def _ledger(
    runs: list[str] | None, split: SplitName, tuned: list[str] | None, every_asset: bool
) -> "pl.DataFrame":
    """Of the runs asked for, or of all finished ones; what it reads of test goes on record.

    Without names walk-forward runs are for their own split alone, where their windows are foreseen
    now if they have not been.
    """
    from mlxts.cli.selected_runs import complete_predictions, some_runs
    from mlxts.evaluation import test_split_log
    from mlxts.runs.folder import RunFolder
    from mlxts.scaling import ledger as ledgers
    from mlxts.scaling import walk_forward_ledger as foreseen

    chosen = some_runs(runs or ()).finished
    if not runs:
        walked = split is SplitName.foreseen
        chosen = [one for one in chosen if RunFolder(one).is_walk_forward == walked]
    complete_predictions(chosen)
    if split is SplitName.foreseen:
        return foreseen.join(chosen, tuned=tuned or (), every_asset=every_asset)
    built = ledgers.build(chosen, split=split, tuned=tuned or (), every_asset=every_asset)
    if split is SplitName.test:
        # On record before anything is computed or shown; without a record there is no look.
        looked = built.select("run", "symbol").unique().sort("run")
        count = max(test_split_log.record(run, symbol) for run, symbol in looked.iter_rows())
        note(f"look number {count} at the test split, recorded in {test_split_log.path()}")
    return built


def _loss(value: float | None) -> str:
    """A dash where the reference could not be fitted."""
    return number(None) if value is None else f"{value:.5f}"


def _show_laws(cell: "LossTable", rows: list[dict[str, Any]], axis: str) -> None:
    reference = ", ".join(f"{size:,.0f}" for size in rows[0]["reference"])
    table(
        f"{cell.name}: loss along {axis}\n"
        f"{counted(len(cell.rungs), 'size')}, {counted(len(cell.sizes), 'run')}, "
        f"{counted(len(cell.dates), 'date')}; "
        f"reference {reference}",
        ["law", "parameters", "error", "chosen in"],
        [
            [
                f"{'* ' if row['chosen'] else ''}{row['family']}\n{row['formula']}",
                "\n".join(
                    f"{key} {value:.4g} {_ends(row['intervals'][key], '.3g')}"
                    for key, value in row["parameters"].items()
                ),
                row["extrapolation_error"],
                f"{row['selection_frequency']:.0%}",
            ]
            for row in rows
        ],
    )


def _show_verdicts(judged: "Judged", axis: str) -> None:
    table(
        f"Verdicts along {axis}",
        ["cell", "gain per decade", "margin", "p\nq", "verdict"],
        [
            [
                f"{v.name}\n{v.sizes} sizes, {v.seeds}+ seeds, {v.dates} dates",
                f"{v.gain:+.4f} {v.unit}\n{_ends(v.interval, '+.4f')}",
                v.margin,
                f"{v.p:.4f}\n{v.q:.4f}",
                f"{v.said}\n{v.reason}",
            ]
            for v in (*judged.cells, *judged.pools.values())
        ],
    )


def _show_mixed(mixed: "Mixed") -> None:
    table(
        f"Mixed model over {counted(mixed.runs, 'run')} in {counted(mixed.cells, 'cell')}",
        ["other sizes at", "skill per decade of N", "95 % interval"],
        [[s.at, f"{s.slope:+.4f}", _ends(s.interval, "+.4f")] for s in mixed.slopes],
    )


def _sentence(pooled: "Verdict", axis: str) -> str:
    if pooled.word == "not estimable":
        return f"{pooled.name.capitalize()} along {axis}: not estimable: {pooled.reason}."
    return (
        f"{pooled.name.capitalize()} along {axis}: {pooled.said} ({pooled.gain:+.4f} skill per "
        f"decade, 95 % interval {_ends(pooled.interval, '+.4f')}, margin {pooled.margin:.4f}): "
        f"{pooled.reason}."
    )


def _ends(interval: Any, form: str) -> str:
    low, high = interval
    return f"[{low:{form}}, {high:{form}}]"
