"""Features as a file: computed once for a panel, a tier and a timescale, then read."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from mlxts import code_version
from mlxts.data import store
from mlxts.data.panel import Panel
from mlxts.data.store import ProcessedArtifact
from mlxts.features import catalog, engine, exogenous, tiers, timescales
from mlxts.features.feature import closure
from mlxts.files import canonical_hash


def load(
    panel: Panel, tier: int, timescale: str, *, register: bool = True
) -> tuple[pl.LazyFrame, ProcessedArtifact | None]:
    """The features of a panel, from the registered file if nothing that decides them changed.

    What has to be computed is written symbol by symbol, so that the symbols are never all in
    memory. A column of the result is read from the file where it is asked for.

    Args:
        register: keep what had to be computed; without it nothing is written, and everything is
            in memory.

    Returns:
        date, symbol and the features (Float32, null in warm-up; see `timescales.build` for how
        many), then those of the exogenous series; a row for each row of `bars.build`, in its
        order. And the artifact that holds them, None where there is none.

    Raises:
        ConfigError: no such tier.
        IntegrityError: the registered file was changed.
        StorageError: the file could not be written.
    """
    made = recipe(panel, tier, timescale) | {"code": code_version.of(code_version.FEATURES)}
    dataset = dataset_name(panel, tier, timescale)
    artifact = store.find_processed(dataset, sources=panel.artifacts, parameters=made)
    if artifact is None or not artifact.file.exists():
        tables = _compute(panel, tier, timescale)
        if not register:
            return pl.concat(tables, rechunk=False).lazy(), None
        artifact = store.register_processed(
            tables, dataset=dataset, tier=tier, sources=panel.artifacts, parameters=made
        )
    return store.scan(artifact), artifact


def _compute(panel: Panel, tier: int, timescale: str) -> Iterator[pl.DataFrame]:
    """The features of one symbol after the other."""

    def compute(days: pl.DataFrame) -> pl.DataFrame:
        table = timescales.build(days.lazy(), tier, timescale)
        return exogenous.append(table, panel.releases)

    days = panel.frame.select("symbol", *engine.BARS).collect(engine="in-memory")
    return engine.ahead(compute, days.partition_by("symbol"))


def recipe(panel: Panel, tier: int, timescale: str) -> dict[str, Any]:
    """What decides the features besides the bars and the code that computes them."""
    return {
        "timescale": timescale,
        "symbols": sorted(panel.symbols),
        "definitions": definitions_hash(tiers.tier(tier)),
        **timescales.recipe(panel, timescale),
        **exogenous.recipe(panel.releases),
    }


def dataset_name(panel: Panel, tier: int, timescale: str) -> str:
    """`SPY_t20_daily`, `SPY_t20x2_daily` with two series; four symbols or more are counted."""
    symbols = sorted(panel.symbols)
    who = "-".join(symbols) if len(symbols) <= 3 else f"{len(symbols)}symbols"
    outside = f"x{len(panel.releases)}" if panel.releases else ""
    return f"{who}_t{tier}{outside}_{timescale}"


def definitions_hash(names: tuple[str, ...]) -> str:
    """SHA-256 of the formulas of features and of every column that they are computed from."""
    features = [catalog.get(name) for name in names]
    columns = closure([feature.quantity for feature in features])
    return canonical_hash(
        {
            "revision": engine.REVISION,
            "features": [(feature.name, feature.quantity.formula) for feature in features],
            "columns": sorted((column.name, column.quantity.formula) for column in columns),
        }
    )
