"""Each axis varies one thing; the panel is the mean of its assets, dates with all of them."""

import numpy as np
import polars as pl
import pytest

from mlxts.errors import RunError
from mlxts.scaling import axes, verdict
from mlxts.scaling.loss_table import LossTable
from tests.scaling.ledgers import rows

DAYS = 400
BUDGETS = ("0.02M", "0.2M", "2M")


def noise(*key: int) -> np.ndarray:
    return np.random.default_rng(key).normal(scale=0.02, size=DAYS)


def ladder(gain: float, *, seeds: int = 2, **changes) -> list[pl.DataFrame]:
    """Runs of three budgets whose loss falls by `gain` a decade."""
    return [
        rows(0.45 - gain * k + noise(k, seed), budget=budget, seed=seed, **changes)
        for k, budget in enumerate(BUDGETS)
        for seed in range(seeds)
    ]


def only(ledger: list[pl.DataFrame], axis: str, **asked) -> LossTable:
    (table,) = axes.tables(pl.concat(ledger), axis, **asked)
    return table


def test_the_panel_is_the_mean_over_the_assets_that_all_runs_score() -> None:
    """Against a plain loop over dates, runs and assets; one run knows an asset of its own."""
    ledger, planted = [], {}
    for k, budget in enumerate(BUDGETS):
        for seed in range(2):
            assets = ("SPY", "DIA", "QQQ", *(("XLE",) if (k, seed) == (0, 0) else ()))
            for number, symbol in enumerate(assets):
                losses = 0.4 - 0.01 * k + 0.05 * number + noise(k, seed, number)
                planted[k, seed, symbol] = losses
                ledger.append(rows(losses, budget=budget, seed=seed, symbol=symbol))
    table = only(ledger, "parameters", panel=True)
    expected = np.empty((DAYS, 6))
    for day in range(DAYS):
        for column, (k, seed) in enumerate((k, s) for k in range(3) for s in range(2)):
            own = [planted[k, seed, symbol][day] for symbol in ("SPY", "DIA", "QQQ")]
            expected[day, column] = sum(own) / 3
    np.testing.assert_allclose(table.losses, expected)
    assert (table.assets, table.pool.estimand) == (3, "panel")
    assert table.name.endswith(", panel")
    gain = verdict.judge([table], draws=100).cells[0].gain
    per_asset = [
        verdict.judge([one], draws=100).cells[0].gain
        for one in axes.tables(pl.concat(ledger), "parameters")
        if "XLE" not in one.name
    ]
    assert gain == pytest.approx(np.mean(per_asset))


@pytest.mark.parametrize(("shared", "expected"), [(0.0, 6.0), (1.0, 1.0)])
def test_assets_that_say_the_same_count_as_one(shared: float, expected: float) -> None:
    """And independent ones as many: of differences between sizes, not of losses."""
    ledger = [
        rows(
            0.45 + shared * noise(k, seed) + (1 - shared) * noise(k, seed, 9, number),
            budget=budget, seed=seed, symbol=f"S{number}",
        )
        for k, budget in enumerate(BUDGETS)
        for seed in range(2)
        for number in range(6)
    ]  # fmt: skip
    found = only(ledger, "parameters", panel=True).n_eff_assets
    assert found == pytest.approx(expected, rel=0.15)


def test_assets_that_cannot_be_estimated_take_no_part_in_the_panel() -> None:
    known = [*ladder(0.01), *ladder(0.01, symbol="DIA")]
    missing = ladder(0.01, symbol="QQQ", not_estimable="too short")
    table = only([*known, *missing], "parameters", panel=True)
    assert (table.assets, table.obstacle) == (2, None)
    alone = only([*ladder(0.01), *missing], "parameters", panel=True)
    assert alone.obstacle == "1 of 2 assets can be estimated"
    with pytest.raises(RunError):
        axes.tables(pl.concat(ladder(0.01)), "parameters", panel=True)


def test_history_and_assets_are_two_axes() -> None:
    shares = [
        rows(
            0.45 + noise(seed), seed=seed, fraction=share, samples=int(4000 * share), artifacts="Aa"
        )
        for share in (0.25, 1.0)
        for seed in range(2)
    ]
    cells = [
        rows(
            0.45 + noise(assets, seed), seed=seed, data=cell, assets=assets, artifacts=cell,
            samples=4000 * assets,
        )
        for cell, assets in (("Aa", 1), ("Da", 19))
        for seed in range(2)
    ]  # fmt: skip
    both = [*shares[:2], *cells]
    assert only(both, "history").rungs.ravel().tolist() == [1000.0, 4000.0]
    assert only(both, "assets").rungs.ravel().tolist() == [1.0, 19.0]
    other = [*cells[:2], *(c.with_columns(exogenous=pl.lit("VIX")) for c in cells[2:])]
    with pytest.raises(RunError, match="differ in pooled assets"):
        axes.tables(pl.concat(other), "assets")


def test_along_features_what_the_network_adds_is_told_apart_from_what_features_add() -> None:
    """The reference gains 0.02 a decade of features, the network 0.01 more."""
    ledger = []
    for k, features in enumerate((20, 200, 2000)):
        reference = 0.45 - 0.02 * k + noise(7)
        for seed in range(3):
            ledger.append(
                rows(
                    reference - 0.01 * k + 0.05 * noise(k, seed),
                    seed=seed, features=features, reference=reference,
                )
            )  # fmt: skip
    judged = verdict.judge(axes.tables(pl.concat(ledger), "features"), draws=200)
    found = {cell.name.partition("(exploratory)")[2]: cell for cell in judged.cells}
    whole, over, alone = (
        found[key] for key in ("", ", network over its reference", ", reference alone")
    )
    assert (whole.gain, over.gain) == pytest.approx((0.03, 0.01), abs=1e-3)
    assert alone.gain == pytest.approx(0.02)
    assert whole.gain == pytest.approx(over.gain + alone.gain)
    assert alone.word == verdict.SCALING  # no seed could change it
    assert len(judged.pools) == 3


def test_compute_is_that_of_one_origin_and_the_same_for_all_seeds() -> None:
    ledger = [
        frame.with_columns(
            flops=pl.lit(10.0 ** (9 + k) * (1 + 0.1 * seed)), origin=pl.lit(origin, pl.Int64)
        )
        for k, budget in enumerate(BUDGETS)
        for seed in range(2)
        for origin in (1, 2)
        for frame in [rows(noise(k, seed) + 0.4, budget=budget, seed=seed, first=origin * DAYS)]
    ]
    table = only(ledger, "compute")
    assert table.rungs.ravel() == pytest.approx([1.05 * 10.0 ** (9 + k) / 2 for k in range(3)])
    assert table.seeds.tolist() == [2, 2, 2]


def test_a_size_that_was_trained_at_few_origins_takes_none_from_the_others() -> None:
    def at(origin: int, **own) -> pl.DataFrame:
        frame = rows(0.45 + noise(origin, own["seed"]), first=origin * DAYS, **own)
        return frame.with_columns(origin=pl.lit(origin, pl.Int64))

    ledger = [
        at(origin, budget=budget, seed=seed)
        for budget, origins in (("0.02M", (1, 2, 3)), ("0.2M", (1, 2, 3)), ("20M", (2,)))
        for origin in origins
        for seed in range(2)
    ]
    found = axes.tables(pl.concat(ledger), "parameters")
    assert [(len(t.rungs), len(t.dates), t.pool.estimand) for t in found] == [
        (2, 3 * DAYS, ""),
        (3, DAYS, "at 1 origin"),
    ]
    assert found[0].origins is not None
    assert set(found[0].origins) == {1, 2, 3}
    # One more seed that is not there everywhere keeps its size from the origins it lacks.
    started = axes.tables(pl.concat([*ledger, at(1, budget="0.2M", seed=2)]), "parameters")
    assert [(len(t.rungs), len(t.dates)) for t in started] == [(2, DAYS)]


def column(
    gain: float, cell: str, exogenous: str, of_reference: float, **own
) -> list[pl.DataFrame]:
    """Three seeds of a cell whose reference gains `of_reference` and whose network gains `gain`."""
    reference = 0.45 - of_reference + 0.5 * noise(7)
    return [
        rows(
            reference + of_reference - gain + 0.05 * noise(seed, len(cell + exogenous)),
            seed=seed, data=cell, exogenous=exogenous, artifacts=cell, reference=reference,
            features=20 + len(exogenous), **own,
        )
        for seed in range(3)
    ]  # fmt: skip


def test_columns_are_compared_cell_against_the_next_cell() -> None:
    cells = [
        *column(0.0, "Aa", "", 0.0),
        *column(0.0, "Ab", "NEWS", 0.0),
        *column(0.02, "Ac", "NEWS, VIX", 0.015),
        *column(-0.02, "Ea", "CPI", 0.0, assets=19),
        *column(0.0, "Da", "", 0.0, assets=19),
        *column(0.0, "Ab", "NEWS", 0.0, tier=100),
    ]
    judged = verdict.judge(axes.tables(pl.concat(cells), axes.COLUMNS), draws=200)
    found = {cell.name.partition("(exploratory), ")[2]: cell for cell in judged.cells}
    assert {key: cell.word for key, cell in found.items()} == {
        "Aa → Ab": verdict.FLAT,
        "Ab → Ac": verdict.BETTER,
        "Ab → Ac, network over its reference": verdict.BETTER,
        "Ab → Ac, reference alone": verdict.BETTER,
        "Da → Ea": verdict.WORSE,
    }
    gains = [found[f"Ab → Ac{part}"].gain for part in ("", ", network over its reference")]
    assert gains == pytest.approx([0.02, 0.005], abs=1e-3)
    with pytest.raises(RunError, match="joined series alone"):
        axes.tables(pl.concat(cells[:3]), axes.COLUMNS)
