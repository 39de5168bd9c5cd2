"""The engine computes what is asked for, each symbol by itself, and never on the slow path."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from mlxts.errors import ConfigError
from mlxts.features import catalog, engine, tiers
from mlxts.features.feature import closure
from tests.features.bars import path


def test_the_result_is_date_symbol_and_the_features_in_the_order_asked_for() -> None:
    names = ["rsi_14_level", "sma_20_distance_atr", "close_run"]
    result = engine.build(path(300, seed=0).lazy(), names)
    assert result.columns == ["date", "symbol", *names]
    assert result.schema.dtypes()[2:] == [pl.Float32] * 3
    assert result.height == 300


def test_symbols_do_not_touch_each_other() -> None:
    names = tiers.tier(20)
    first, second = path(300, seed=1, symbol="AAA"), path(200, seed=2, symbol="BBB")
    together = engine.build(pl.concat([first, second]).lazy(), names)
    apart = pl.concat([engine.build(one.lazy(), names) for one in (first, second)])
    assert_frame_equal(together, apart, check_exact=True)


def test_only_what_the_features_need_is_computed() -> None:
    (part,) = engine.plan((catalog.get("sma_20_distance_pct"),))
    computed = [expr.meta.output_name() for stage in part.stages for expr in stage]
    assert sorted(computed) == sorted(
        [
            "sma_20",
            "percent_per_price",
            "(close - sma_20)",
            "((close - sma_20) * percent_per_price)",
        ]
    )
    assert len(part.wanted) == 1


def test_a_column_is_computed_once_and_after_what_it_reads() -> None:
    features = tuple(catalog.by_name().values())
    stage_of = closure([feature.quantity for feature in features])
    assert len({column.name for column in stage_of}) == len(stage_of)
    for column, stage in stage_of.items():
        assert all(stage_of[read] < stage for read in column.quantity.columns)


def test_a_column_is_computed_once_and_dropped_after_the_last_part_that_reads_it() -> None:
    parts = engine.plan(tuple(catalog.get(name) for name in tiers.tier(2000)))
    computed = [expr.meta.output_name() for p in parts for stage in p.stages for expr in stage]
    assert len(computed) == len(set(computed))
    assert len(parts) > 1
    assert parts[-1].carried == []
    assert max(len(part.carried) for part in parts) < len(computed) / 5


def test_results_come_in_the_order_of_their_tables_and_only_a_few_are_ahead() -> None:
    begun: list[int] = []

    def compute(table: pl.DataFrame) -> pl.DataFrame:
        begun.append(table.item())
        return table

    results = engine.ahead(compute, (pl.DataFrame({"x": [number]}) for number in range(9)))
    assert next(results).item() == 0
    assert max(begun) <= 2
    assert [table.item() for table in results] == [*range(1, 9)]


def test_an_unknown_feature_is_named() -> None:
    with pytest.raises(ConfigError, match="no feature is named nonsense"):
        engine.build(path(10, seed=0).lazy(), ["nonsense"])


def test_fewer_bars_than_the_warm_up_give_nulls() -> None:
    result = engine.build(path(5, seed=0).lazy(), ["sma_200_distance_pct"])
    assert result["sma_200_distance_pct"].null_count() == 5


def test_no_bars_give_no_rows() -> None:
    assert engine.build(path(5, seed=0).head(0).lazy(), tiers.tier(20)).height == 0


def test_the_streaming_engine_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default engine streams, which takes a hundred times as long on this plan."""
    asked: list[str] = []
    collect = pl.LazyFrame.collect

    def spy(self: pl.LazyFrame, *, engine: str = "auto", **options: object) -> object:
        asked.append(engine)
        return collect(self, engine=engine, **options)  # ty: ignore

    monkeypatch.setattr(pl.LazyFrame, "collect", spy)
    engine.build(path(50, seed=0).lazy(), tiers.tier(20))
    assert asked
    assert set(asked) == {"in-memory"}


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), flat=st.sampled_from([0.0, 0.1, 0.7, 1.0]))
def test_values_are_finite_and_null_in_the_declared_warm_up_alone(seed: int, flat: float) -> None:
    """Whatever the bars do: flat ones, standstill, bars without a trade."""
    features = catalog.by_name()
    matrix = engine.build(path(320, seed, flat=flat).lazy(), list(features)).drop("date", "symbol")
    null = np.column_stack([column.is_null().to_numpy() for column in matrix])
    warmup = np.array([feature.warmup for feature in features.values()])
    wrong = (null != (np.arange(320)[:, None] < warmup)).any(axis=0)
    assert [name for name, off in zip(features, wrong, strict=True) if off] == []
    assert np.isfinite(matrix.fill_null(0.0).to_numpy()).all()
