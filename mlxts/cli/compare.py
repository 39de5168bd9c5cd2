"""`mlxts compare A B`: which of two forecasts is better, and what could have been seen."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.output import JsonOption, Note, Part, note, render
from mlxts.tables import Column, Table, ranged, with_ends

if TYPE_CHECKING:
    from mlxts.api.comparison import Comparison
    from mlxts.evaluation.paired_comparison import Difference


class ComparedSplit(StrEnum):
    validation = "validation"
    test = "test"
    walk_forward = "walk-forward"


_HELP = (
    "A run, several (a sweep, study or pattern), RUN:MODEL for another model in its predictions "
    "(linear, har, reference), or a file of forecasts."
)


def compare(
    a: Annotated[str, typer.Argument(help=_HELP)],
    b: Annotated[str, typer.Argument(help="Likewise; what A is compared with.")],
    split: Annotated[
        ComparedSplit | None,
        typer.Option(
            "--split",
            help="Whose rows; test is recorded in a log. By default the windows of walk-forward "
            "runs, else validation.",
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="RUN", help="Two files: a run that says what they forecast."),
    ] = None,
    mean_of_seeds: Annotated[
        bool, typer.Option("--mean-of-seeds", help="The mean logit of several seeds is a model.")
    ] = False,
    assets: Annotated[
        bool, typer.Option("--assets", help="Also each asset by itself, without a claim.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Test two forecasts on the days that both predict: panel Diebold-Mariano, paired by date."""
    from mlxts.api.comparison import compare_named

    compared = compare_named(
        a, b, split.value if split else None,
        on=on, mean_of_seeds=mean_of_seeds, assets=assets, notify=note,
    )  # fmt: skip
    render(compared.to_dict(), as_json, _screen(compared))


def _screen(compared: "Comparison") -> Iterator[Part]:
    from mlxts import formats

    scored_task = compared.scored_task
    where = f"{scored_task.task.name}, H = {scored_task.horizon}, {compared.split}"
    yield from differences_tables(f"{compared.a} − {compared.b}: {where}", compared.differences)
    if compared.assets:
        yield from differences_tables("Each asset by itself, without a claim", compared.assets)
    if compared.unpaired_rows:
        rows = formats.count(compared.unpaired_rows, "row")
        yield Note(f"Left out: {rows} that only one of them predicts.")
    yield Note(HOW_TO_READ)
    yield from compared.sentences()


HOW_TO_READ = (
    "Difference: mean loss of the first minus that of the second, below zero the first is better; "
    "in brackets 95 % block-bootstrap intervals, dates drawn with all their assets. t and p: "
    "Diebold-Mariano on the dates' means over assets, Newey-West variance. Detectable: a true "
    "difference that is seen with 80 % power at 5 %, 2.80 standard errors. n_eff: as how many "
    "independent dates or assets these count."
)


def differences_tables(title: str, differences: "Mapping[str, Difference]") -> Iterator[Table]:
    """A row for each estimand, or asset; and what they rest on."""
    from mlxts import formats

    rows = [_row(name, difference) for name, difference in differences.items()]
    yield Table(
        title,
        (
            "scored",
            (Column("loss_a", "loss", formats.loss), Column("loss_b", "the other's", formats.loss)),
            ranged("difference", "", "+.5f"),
            (Column("statistic", "t", "+.2f"), Column("p_value", "p", formats.p_value)),
            Column("smallest_detectable", "detectable", ".5f"),
        ),
        rows,
    )
    yield Table(
        "What that rests on",
        (
            "scored",
            "dates",
            Column("n_eff", "n_eff", ",.0f"),
            "assets",
            Column("n_eff_assets", "n_eff", ".1f"),
            Column("standard_error", "SE", ".5f"),
            "lags",
        ),
        rows,
    )


def _row(name: str, difference: "Difference") -> dict[str, Any]:
    figures = difference.to_dict()
    return {"scored": name} | with_ends(figures | {"interval": {"difference": difference.interval}})
