"""`mlxts features`: build, list, describe, audit, plot and freeze the feature catalog."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxts import formats
from mlxts.cli.output import JsonOption, Part, note, render, write_document
from mlxts.tables import Column, Table

if TYPE_CHECKING:
    import polars as pl

    from mlxts.config.data import DataConfig
    from mlxts.features.audit import Audit
    from mlxts.features.feature import Feature

features = typer.Typer(help="Build and inspect the feature catalog.", no_args_is_help=True)

Symbols = Annotated[list[str] | None, typer.Argument(help="Registered symbols; default: SPY.")]
SymbolOption = Annotated[str, typer.Option("--symbol", help="A registered symbol.")]
SourceOption = Annotated[
    str, typer.Option("--source", help="auto (yahoo or files), yahoo, files, sample or simulated.")
]
TierOption = Annotated[int, typer.Option("--tier", help="20, 50, 100, 200, 500, 1000 or 2000.")]
NameArgument = Annotated[str, typer.Argument(help="A feature of `mlxts features list`.")]

_SHOWN = 15


@features.command()
def build(
    symbols: Symbols = None,
    tier: TierOption = 20,
    timescale: Annotated[str, typer.Option(help="e.g. daily or weekly.")] = "daily",
    source: SourceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Compute a tier's features for symbols and register them; unchanged ones are reused."""
    from time import perf_counter

    import polars as pl

    from mlxts.data import panel
    from mlxts.features import cache

    began = perf_counter()
    frame, built = cache.load(panel.load(_data(symbols, source, timescale)), tier, timescale)
    assert built is not None  # it is registered by default
    seconds = perf_counter() - began
    features = pl.exclude("date", "symbol")
    warmup = frame.select(pl.any_horizontal(features.is_null()).sum()).collect().item()
    sentence = (
        f"{built.dataset} version {built.version}: {len(built.schema) - 2} features x {built.rows} "
        f"bars ({warmup} in warm-up), {built.first} to {built.last}, {seconds:.2f} s"
    )
    result = built.to_dict() | {"seconds": seconds, "rows_in_warmup": warmup}
    render(result, as_json, [sentence, Path(built.path)])


@features.command(name="list")
def list_(
    tier: Annotated[
        int | None,
        typer.Option("--tier", help="Only features of this tier; default: all candidates."),
    ] = None,
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    relation: Annotated[str | None, typer.Option(help="Only this relation.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List features with family, relation, unit, warm-up and the first tier that holds them."""
    from mlxts.errors import ConfigError
    from mlxts.features import catalog, tiers

    names = tiers.tier(tier) if tier is not None else tuple(catalog.by_name())
    chosen = [catalog.get(name) for name in names]
    for key, wanted in (("family", family), ("relation", relation)):
        values = sorted({getattr(feature, key) for feature in map(catalog.get, catalog.by_name())})
        if wanted is not None and wanted not in values:
            raise ConfigError(f"--{key} {wanted} is none of {', '.join(values)}")
    chosen = [f for f in chosen if family in (None, f.family) and relation in (None, f.relation)]
    rows = [
        {
            "feature": feature.name,
            "family": feature.family,
            "relation": feature.relation,
            "unit": feature.unit,
            "warm-up": feature.warmup,
            "tier": tiers.smallest(feature.name),
        }
        for feature in chosen
    ]
    columns = ("feature", "family", "relation", "unit", "warm-up", "tier")
    title = formats.count(len(rows), "feature")
    render({"features": rows}, as_json, Table(title, columns, rows))


@features.command()
def describe(
    name: NameArgument,
    symbol: SymbolOption = "SPY",
    source: SourceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Describe a feature: formula, unit, warm-up, and its distribution on a symbol."""
    from mlxts.errors import DataError
    from mlxts.features import catalog, tiers

    feature = catalog.get(name)
    facts: dict[str, Any] = {
        "name": feature.name,
        "family": feature.family,
        "relation": feature.relation,
        "unit": feature.unit,
        "warmup": feature.warmup,
        "tier": tiers.smallest(name),
        "formula": feature.formula,
        "columns": {part.name: part.quantity.formula for part in feature.parts()},
    }
    try:
        facts["distribution"] = _distribution(feature, _bars(symbol, source))
        facts["symbol"] = symbol
    except DataError as error:
        facts["distribution"] = None
        note(f"no distribution: {error}")
    tier = f"from tier {facts['tier']} on" if facts["tier"] else "in no tier"
    from_when = f"no value on the first {feature.warmup} bars" if feature.warmup else "on every bar"
    screen: list[Part] = [
        f"{name}: {feature.relation}, in {feature.unit}, family {feature.family}",
        f"  {feature.formula}",
        *(f"    {part} = {text}" for part, text in facts["columns"].items() if part != text),
        f"  {from_when}; {tier}",
    ]
    if facts["distribution"]:
        rows = facts["distribution"].items()
        screen.append(Table.of(f"On {symbol}", ("statistic", "value"), rows))
    render(facts, as_json, screen)


@features.command()
def audit(
    symbols: Symbols = None,
    tier: TierOption = 20,
    source: SourceOption = "auto",
    splits: Annotated[str, typer.Option(help="protocol or sample: the years compared.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Check a tier on real bars: constants, duplicates, nulls, dimension, drift, look-ahead."""
    from mlxts import protocol
    from mlxts.errors import ConfigError, DataError
    from mlxts.features import audit as room
    from mlxts.features import tier_selection, tiers

    which = splits or ("sample" if source == "sample" else "protocol")
    if which not in protocol.SPLITS:
        raise ConfigError(f"splits: {which} is none of {', '.join(protocol.SPLITS)}")
    names = tiers.tier(tier)
    audits = []
    for symbol in symbols or ["SPY"]:
        bars = _bars(symbol, source)
        cuts = [bars.height * share // 10 for share in (3, 6, 9)] + [bars.height - 1]
        audits.append(room.audit(bars, names, protocol.SPLITS[which], cuts))
    current = tier_selection.candidates_hash() == tiers.header()["candidates"]
    result = {
        "tier": tier,
        "splits": which,
        "order_is_of_this_catalog": current,
        "symbols": {symbol_audit.symbol: _audit_record(symbol_audit) for symbol_audit in audits},
    }
    render(result, as_json, _audit_tables(audits, tier))
    if not (current or as_json):
        note("the frozen order was chosen from another catalog; run `mlxts features freeze`")
    wrong = [symbol_audit.symbol for symbol_audit in audits if not symbol_audit.ok]
    if wrong:
        raise DataError(f"features fail the audit on {', '.join(wrong)}; see its findings")


@features.command()
def plot(
    name: NameArgument,
    symbol: SymbolOption = "SPY",
    source: SourceOption = "auto",
    bars: Annotated[int, typer.Option(min=2, help="Number of most recent bars.")] = 750,
    output: Annotated[Path | None, typer.Option(help="A .png or .svg file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a feature under the price."""
    from mlxts import files
    from mlxts.features import catalog, engine
    from mlxts.report.feature_figure import draw

    feature = catalog.get(name)
    history = _bars(symbol, source)
    values = engine.build(history.lazy(), [name])
    target = output or files.outputs_folder() / "figures" / f"{symbol}_{name}.png"
    draw(history.tail(bars), values[name].tail(bars), feature.unit, target)
    render({"feature": name, "symbol": symbol, "path": str(target)}, as_json, target)


@features.command(name="freeze")
def freeze_(
    output: Annotated[
        Path | None, typer.Option(help="File to write; default: the package's own order.")
    ] = None,
    source: SourceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Recompute the tiers' order on the training years of a fixed set of symbols.

    It takes minutes, and changes what every tier means.
    """
    from mlxts.features import tier_selection, tiers
    from mlxts.files import write_text

    order = tier_selection.freeze(_data(list(tier_selection.SYMBOLS), source), note)
    path = output or tiers.ORDER
    write_text(path, order.text())
    result = {"path": str(path), "origin": order.origin, "names": order.names}
    sentence = f"{len(order.names)} features in {path} (origin {order.origin[:16]})"
    render(result, as_json, sentence)


@features.command()
def docs(
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("docs/feature_catalog.md"),
    as_json: JsonOption = False,
) -> None:
    """Render the catalog as Markdown."""
    from mlxts.features import catalog_document

    write_document(catalog_document.render, output, as_json)


def _data(symbols: list[str] | None, source: str, timescale: str = "daily") -> "DataConfig":
    from mlxts.config.loading import build_config

    chosen = tuple(symbol.upper() for symbol in symbols or ["SPY"])
    values = {"source": source, "symbols": chosen, "score_on": chosen[0]}
    experiment = {"name": "features", "mode": "exploratory", "data": values}
    return build_config({**experiment, "timescale": timescale}, origin="features").data


def _bars(symbol: str, source: str) -> "pl.DataFrame":
    from mlxts.data import panel

    return panel.load(_data([symbol], source)).frame.collect(engine="in-memory")


def _distribution(feature: "Feature", bars: "pl.DataFrame") -> dict[str, float | int | None]:
    from mlxts.features import engine

    values = engine.build(bars.lazy(), [feature.name])[feature.name]
    quantiles = {f"{share:.0%}": values.quantile(share) for share in (0.01, 0.25, 0.5, 0.75, 0.99)}
    return {
        "bars": len(values) - values.null_count(),
        "mean": values.mean(),
        "deviation": values.std(),
        "lowest": values.min(),
        **quantiles,
        "highest": values.max(),
    }  # ty: ignore[invalid-explicit-return]


def _audit_record(audit: "Audit") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(audit) | {
        "ok": audit.ok,
        "components": {str(k): v for k, v in audit.components.items()},
    }


def _audit_tables(audits: list["Audit"], tier: int) -> Iterator[Table]:
    findings: dict[str, list[Any]] = {
        "bars": [audit.bars for audit in audits],
        "constant": [len(audit.constant) for audit in audits],
        "over 99 % one value": [len(audit.one_value) for audit in audits],
        "not finite": [len(audit.infinite) for audit in audits],
        "nulls after the warm-up": [len(audit.late_nulls) for audit in audits],
        "look-ahead": [len(audit.look_ahead) for audit in audits],
        "planted look-ahead found": [audit.canary_caught for audit in audits],
        "null share": [audit.null_share for audit in audits],
        "pairs over 0.99": [len(audit.near_duplicates) for audit in audits],
    }
    for share in audits[0].components:
        findings[f"components for {share:.0%}"] = [audit.components[share] for audit in audits]
    rows = [(finding, *values) for finding, values in findings.items()]
    yield Table.of(f"Tier {tier}", ("finding", *(audit.symbol for audit in audits)), rows)
    columns = (
        "feature", Column("mean", "mean, deviations"), Column("scale", "log scale"),
        Column("distance", "KS distance"),
    )  # fmt: skip
    for audit in audits:
        if audit.shifts:
            title = f"{audit.symbol}: largest shifts from training to test years"
            yield Table(title, columns, [vars(shift) for shift in audit.shifts[:_SHOWN]])
