"""`mlxts base-rates`: what there is to predict, at every timescale."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts.cli.output import JsonOption, Note, Part, render
from mlxts.formats import UNKNOWN
from mlxts.tables import Column, Table

if TYPE_CHECKING:
    from mlxts.dataset.samples import Dataset
    from mlxts.evaluation.base_rates import Rate


def base_rates(
    symbol: Annotated[str, typer.Option(help="Symbol to count.")] = "SPY",
    source: Annotated[str, typer.Option(help="auto, yahoo, files, sample or simulated.")] = "auto",
    tier: Annotated[
        int, typer.Option(help="Feature tier; its warm-up delays the first sample.")
    ] = 20,
    splits: Annotated[str, typer.Option(help="protocol or sample.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Base rates of the tasks and numbers of samples at every timescale.

    An asterisk marks what is not estimable: too few samples of a class or too few separate moves.
    """
    from mlxts import protocol
    from mlxts.errors import EmptySplitError
    from mlxts.evaluation.base_rates import rates

    rates_by_timescale: dict[str, tuple[Dataset, list[Rate]]] = {}
    empty: dict[str, str] = {}
    for timescale in protocol.TIMESCALES:
        try:
            data = _dataset(timescale, symbol.upper(), source, tier, splits)
        except EmptySplitError as error:
            empty[timescale] = str(error)
        else:
            rates_by_timescale[timescale] = (data, rates(data))
    result = {
        "timescales": {n: _record(*rates_by_timescale[n]) for n in rates_by_timescale},
        "without_samples": empty,
    }
    tables = [*screen(rates_by_timescale, symbol.upper())] if rates_by_timescale else []
    notes = [Note(f"{timescale}: {why}") for timescale, why in empty.items()]
    render(result, as_json, [*tables, *notes])


def _dataset(timescale: str, symbol: str, source: str, tier: int, splits: str) -> "Dataset":
    from mlxts.config.loading import build_config
    from mlxts.dataset.build import build_dataset

    data = {"source": source, "symbols": [symbol], "score_on": symbol}
    data["splits"] = splits or ("sample" if source == "sample" else "protocol")
    values = {"name": "targets", "mode": "exploratory", "timescale": timescale, "data": data}
    configuration = build_config({**values, "features": {"tier": tier}}, origin="base-rates")
    return build_dataset(configuration, register=False)


def _record(data: "Dataset", rates: "list[Rate]") -> dict[str, Any]:
    from dataclasses import asdict

    from mlxts.evaluation import base_rates

    return {
        "horizon": data.horizon,
        "rates": [asdict(rate) for rate in rates],
        "samples": base_rates.counts(data),
    }


def screen(
    rates_by_timescale: "dict[str, tuple[Dataset, list[Rate]]]", symbol: str
) -> Iterator[Part]:
    from mlxts import protocol
    from mlxts.evaluation import base_rates

    short = {"direction": "up", "regression": "return"}
    heads = [
        Column(name, short.get(name, name.replace("threshold_", ">"))) for name in protocol.TASKS
    ]
    labels = sum(task.binary for task in protocol.TASKS.values())
    # A terminal has 80 columns: some share one.
    columns = (("bars", "n"), "H", *heads[:labels], tuple(heads[labels:]))
    sections = {
        "training samples, all phases": ("train", False),
        "validation, canonical phase": ("validation", True),
        "validation, all phases": ("validation", False),
    }
    for title, (split, canonical) in sections.items():
        rows = []
        for timescale, (data, rates) in rates_by_timescale.items():
            # Where there is one phase, all phases are the canonical one.
            chosen = {r.task: r for r in rates if r.split == split and r.canonical == canonical}
            chosen = chosen or {r.task: r for r in rates if r.split == split}
            cells = {task: _cell(chosen[task]) for task in protocol.TASKS}
            n = next(iter(chosen.values())).n
            rows.append({"bars": timescale, "n": f"{n:,}", "H": data.horizon} | cells)
        yield Table(f"{symbol}: {title}", columns, rows)
    counts = [
        {"bars": timescale} | row
        for timescale, (data, _) in rates_by_timescale.items()
        for row in base_rates.counts(data)
    ]
    yield Table("Samples in each phase", ("bars", "phase", *protocol.SPLIT_NAMES), counts)
    yield Note(
        "Base rates (up: direction); return and range: deviation of the log returns and of the "
        "log(log range)s that regression and range predict. *: not estimable, excluded from all "
        "claims."
    )


def _cell(rate: "Rate") -> str:
    value = rate.deviation if rate.rate is None else rate.rate
    if value is None:
        return UNKNOWN
    # Without the zero in front: with all marks, and samples in the ten thousands, 80 columns do.
    return f"{value:.3f}".removeprefix("0") + ("*" if rate.not_estimable else "")
