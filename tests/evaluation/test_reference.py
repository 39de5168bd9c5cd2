"""One suite for every baseline: causal, fitted on train alone, and on exactly the samples."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import polars as pl
import pytest

from mlxts import memo, predict
from mlxts.baselines import har as scale
from mlxts.baselines.registry import ALL, BASELINES
from mlxts.dataset.samples import Dataset, Samples, of_symbol, with_train
from mlxts.evaluation import score
from mlxts.evaluation.reference import fit_baselines
from mlxts.protocol import SPLITS, TASKS
from tests.evaluation import worlds

DAYS = 900
every_baseline = pytest.mark.parametrize("name", ALL)
every_kind = pytest.mark.parametrize("task", ["direction", "threshold_1pct", "regression"])


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return worlds.market(DAYS, seed=1, symbols=("A", "B"))


def featured(bars: pl.DataFrame, task: str = "threshold_1pct", horizon: int = 1) -> Dataset:
    """A world whose features are its day's log range and noise."""
    world = worlds.world(bars, task, horizon)
    log_range = np.log(bars["high"].to_numpy() / bars["low"].to_numpy())
    noise = np.random.default_rng(0).normal(size=bars.height)
    return replace(
        world, features=np.stack([log_range, noise], axis=1).astype(np.float32), names=("r", "n")
    )


def own(world: Dataset) -> Dataset:
    return of_symbol(world, world.score_on)


def spoken(world: Dataset, splits: tuple[str, ...], name: str) -> pl.DataFrame:
    return fit_baselines(world, splits, [name], ALL).tables[name]


@every_baseline
@every_kind
def test_it_speaks_about_exactly_the_samples(bars, name, task):
    world = featured(bars, task, horizon=3)
    table = spoken(world, ("train", "validation"), name)
    for split in ("train", "validation"):
        samples, rows = own(world).samples[split], table.filter(split=split)
        assert (rows["date"].to_numpy() == samples.dates).all()
        assert (rows["symbol"].to_numpy() == samples.symbols).all()
        assert (rows["target"].to_numpy() == samples.targets).all()
        assert np.isfinite(rows["logit"].to_numpy()).all()


@every_baseline
@every_kind
def test_targets_after_the_training_split_change_nothing(bars, name, task):
    world = featured(bars, task)
    honest = spoken(world, ("validation",), name)
    flipped = {
        split: samples if split == "train" else replace(samples, targets=1.0 - samples.targets)
        for split, samples in world.samples.items()
    }
    told = spoken(replace(world, samples=flipped), ("validation",), name)
    assert told["logit"].equals(honest["logit"])


@every_baseline
@every_kind
def test_later_bars_change_no_forecast(name, task):
    bars = worlds.market(DAYS, seed=2)
    world = featured(bars, task)
    seen = int(0.7 * DAYS)
    known = world.samples["validation"]
    known = Samples(**{f.name: getattr(known, f.name)[known.rows < seen] for f in fields(Samples)})
    prefix = replace(
        world,
        bars=bars.head(seen),
        daily=bars.head(seen),
        features=world.features[:seen],
        eligible=world.eligible[:seen],
    )
    assert len(known)
    full = ALL[name].fit(world)(known)
    assert (full == ALL[name].fit(prefix)(known)).all()


@every_baseline
def test_a_scale_of_prices_changes_no_forecast(bars, name):
    scaled = bars.with_columns(pl.col("open", "high", "low", "close") * 8.0)
    for task in ("threshold_1pct", "regression"):
        ours = spoken(featured(bars, task), ("validation",), name)
        theirs = spoken(featured(scaled, task), ("validation",), name)
        # Maximum likelihood (GARCH) ends a search, and ends it a little elsewhere.
        np.testing.assert_allclose(ours["logit"], theirs["logit"], rtol=1e-6, atol=1e-3)


@every_baseline
@every_kind
def test_bars_without_a_range_and_without_a_move_are_survived(name, task):
    bars = worlds.market(DAYS, seed=3)
    still = (pl.int_range(pl.len()) % 100).is_between(10, 45)
    for column in ("open", "high", "low", "close"):
        bars = bars.with_columns(pl.when(still).then(pl.lit(100.0)).otherwise(column).alias(column))
    logits = spoken(featured(bars, task), ("validation",), name)["logit"]
    # A constant stretch is the calmest there is, not an outlier of minus twenty deviations.
    assert (logits.abs() < 8.0).all()


@pytest.mark.parametrize("name", [name for name in ALL if name not in BASELINES])
def test_one_class_in_training_is_answered_with_its_rate(bars, name):
    calm = bars.with_columns(pl.lit(100.0).alias(c) for c in ("open", "high", "low", "close"))
    table = spoken(featured(calm), ("train", "validation"), name)
    assert (table["logit"] < -4.0).all()
    assert table["logit"].is_finite().all()


@every_kind
def test_a_symbol_without_training_days_of_its_own_borrows_those_of_all(bars, task):
    world = featured(bars, task)
    world = with_train(world, world.samples["train"].symbols == "B")
    found = fit_baselines(world, ("validation",), ALL, ALL, symbols=["A", "B"])
    ours, theirs = found.references["A"], found.references["B"]
    assert (ours.name, ours.losses) == (theirs.name, theirs.losses)
    assert "of A, at least 30" in str(ours.pooled)
    assert (ours.not_estimable, theirs.pooled) == (None, None)
    assert set(found.tables) == set(ALL)
    for table in found.tables.values():
        assert table.group_by("symbol").len().sort("symbol").rows() == [
            (symbol, (world.samples["validation"].symbols == symbol).sum()) for symbol in "AB"
        ]
        assert table["logit"].is_finite().all()


def test_what_is_pooled_is_fitted_once(bars):
    fitted = []
    for symbols in (["A"], ["A", "B"]):
        names = []
        fit_baselines(featured(bars), ("validation",), symbols=symbols, progress=names.append)
        fitted.append(Counter(names))
    assert (fitted[0]["har"], fitted[1]["har"]) == (1, 2)
    assert (fitted[0]["trees"], fitted[1]["trees"]) == (1, 1)


def test_runs_on_the_same_data_fit_their_references_once(bars, monkeypatch):
    fits = []
    regress = scale.regress
    monkeypatch.setattr(scale, "regress", lambda *given: fits.append(1) or regress(*given))
    memo.clear()
    first, of_first = predict.predict_references(featured(bars), ("validation",))
    count = len(fits)
    again, of_again = predict.predict_references(featured(bars), ("validation",))
    assert (len(fits), of_again) == (count, of_first)
    assert again.equals(first)
    other = featured(bars.with_columns(pl.col("high") * 1.001))
    predict.predict_references(other, ("validation",))
    assert len(fits) == 2 * count


@pytest.mark.parametrize("task", ["threshold_1pct", "direction", "regression"])
def test_too_few_training_days_make_no_reference(bars, task):
    world = featured(bars, task)
    ours = np.flatnonzero(world.samples["train"].symbols == "A")
    found = fit_baselines(with_train(world, ours[:8]), ("validation",), BASELINES)
    assert (found.references["A"].name, found.tables) == (None, {})
    assert "at least 30" in str(found.references["A"].not_estimable)
    enough = fit_baselines(with_train(world, ours), ("validation",))
    assert enough.references["A"].name in ("har", "linear")


def test_thirty_of_each_class_are_enough_and_twenty_nine_are_not(bars):
    world = featured(bars, "direction")
    train = world.samples["train"]
    ours = train.symbols == "A"
    rises, falls = (np.flatnonzero(ours & (train.targets == kind)) for kind in (1.0, 0.0))
    for count, known in ((29, False), (30, True)):
        few = with_train(world, np.sort(np.r_[rises[:count], falls]))
        assert (fit_baselines(few, ("validation",)).references["A"].name is not None) is known
        both = with_train(world, np.sort(np.r_[rises[:count], falls, np.flatnonzero(~ours)]))
        assert (fit_baselines(both, ("validation",)).references["A"].pooled is None) is known


def test_prices_that_never_move_make_no_reference(bars):
    calm = bars.with_columns(pl.lit(100.0).alias(c) for c in ("open", "high", "low", "close"))
    for task in ("direction", "regression"):
        found = fit_baselines(featured(calm, task), ("validation",), BASELINES)
        assert (found.references["A"].name, found.tables) == (None, {})


@pytest.mark.parametrize("task", ["threshold_1pct", "regression"])
def test_an_asset_has_the_same_references_alone_and_among_others(bars, task):
    noise = np.random.default_rng(0).normal(size=(bars.height, 2)).astype(np.float32)
    both = replace(worlds.world(bars, task), features=noise, names=("a", "b"))
    one = worlds.world(bars.filter(symbol="A"), task)
    one = replace(one, features=noise[: one.bars.height], names=("a", "b"))
    alone = fit_baselines(one, ("train", "validation"), BASELINES)
    among = fit_baselines(both, ("train", "validation"), BASELINES)
    assert among.references == alone.references
    for name, table in alone.tables.items():
        np.testing.assert_allclose(among.tables[name]["logit"], table["logit"], atol=1e-9)


def test_each_asset_has_references_of_its_own(bars):
    ours, theirs = (
        fit_baselines(featured(bars), ("validation",), symbols=[symbol]).tables["har"]
        for symbol in ("A", "B")
    )
    alone = fit_baselines(featured(bars.filter(symbol="B")), ("validation",)).tables["har"]
    assert set(ours["symbol"]) == {"A"}
    assert set(theirs["symbol"]) == {"B"}
    np.testing.assert_allclose(theirs["logit"], alone["logit"], atol=1e-9)


def test_volatility_baselines_find_volatility_and_the_base_rate_by_volatility_is_calibrated():
    bars = worlds.market(4000, seed=4)
    world = worlds.world(bars)
    scores = score.score(
        fit_baselines(world, ("train",)).tables, world.task, 1, "A", splits=("train",), draws=20
    )["train"]
    assert scores["har"]["auc"] > 0.6
    assert scores["volatility"]["auc"] > 0.6
    # A base rate by group is calibrated on the samples it was counted on.
    assert scores["base_rate_by_volatility"]["ece"] < 1e-6
    for name in BASELINES:
        assert scores[name]["log_loss"] < scores[name]["log_loss_prior"]


def test_the_training_mean_is_the_base_rate_of_returns(bars):
    world = worlds.world(bars, "regression")
    table = fit_baselines(world, ("validation",), ["base_rate_by_volatility"]).tables[
        "base_rate_by_volatility"
    ]
    assert table["logit"].unique().to_list() == [
        pytest.approx(own(world).samples["train"].targets.mean(dtype=np.float64))
    ]


def test_ranges_are_means_of_log_ranges():
    bars = worlds.market(60, seed=5)
    log_range = np.log(bars["high"].to_numpy() / bars["low"].to_numpy())
    found = scale.ranges(bars)
    for day in range(60):
        expected = [log_range[max(0, day - length + 1) : day + 1].mean() for length in (1, 5, 22)]
        np.testing.assert_allclose(found[day], expected)


def test_volatility_weighs_the_past_exponentially():
    bars = worlds.market(60, seed=6)
    returns = np.diff(np.log(bars["close"].to_numpy()))
    weights = 0.94 ** np.arange(59)[::-1]
    expected = np.sqrt(np.average(returns**2, weights=weights))
    assert scale.volatility(bars)[-1, 0] == pytest.approx(expected)


HAR_ON_SPY = {1: (501, 0.682, 0.4736), 2: (500, 0.644, 0.6232), 3: (499, 0.629, 0.6666)} | {
    5: (497, 0.608, 0.6540)
}


@pytest.mark.realdata
@pytest.mark.parametrize("horizon", HAR_ON_SPY)
def test_har_on_real_bars_reaches_the_known_figures(horizon, monkeypatch, realdata):
    path = realdata / "etf" / "SPY.parquet"
    columns = ("date", "open", "high", "low", "close", "volume")
    bars = pl.read_parquet(path, columns=list(columns)).with_columns(symbol=pl.lit("SPY"))
    monkeypatch.setattr(worlds, "splits", lambda days: SPLITS["protocol"])
    world = worlds.world(bars, "threshold_1pct", horizon)
    models = fit_baselines(world, ("train", "validation"), ["har"]).tables
    figures = score.score(models, TASKS["threshold_1pct"], horizon, "SPY", draws=10)
    har = figures["validation"]["har"]
    n, auc, log_loss = HAR_ON_SPY[horizon]
    assert har["n"] == n
    assert har["auc"] == pytest.approx(auc, abs=0.003)
    assert har["log_loss"] == pytest.approx(log_loss, abs=0.003)
