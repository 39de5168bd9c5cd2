"""The linear reference: what it reads, how strongly it is held back, and whom it beats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from mlxts.baselines import cross_validation, har, linear
from mlxts.baselines.linear import Linear
from mlxts.config.loading import build_config
from mlxts.data import store
from mlxts.data.sources.files import FilesSource
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset, with_train
from mlxts.evaluation import score
from mlxts.evaluation.reference import fit_baselines
from mlxts.losses import sample_losses
from mlxts.runs import predictions
from tests.evaluation import worlds

DAYS = 1200


def market(task: str = "threshold_1pct", strength: float = 0.0, features: int = 3) -> Dataset:
    """A market of which a feature says something about tomorrow that ranges do not."""
    world = worlds.world(worlds.market(DAYS, seed=7), task)
    values = np.random.default_rng(0).normal(size=(DAYS, features)).astype(np.float32)
    targets = np.zeros(DAYS, dtype=np.float32)
    for samples in world.samples.values():
        targets[samples.rows] = samples.targets - samples.targets.mean()
    values[:, 0] += strength * targets / targets.std()
    return replace(world, features=values, names=tuple(f"f{i}" for i in range(features)))


def losses(world: Dataset, forecast, split: str = "validation") -> float:
    samples = world.samples[split]
    return float(sample_losses(forecast(samples), samples.targets, world.task).mean())


def standard(learned: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    return np.clip((inputs - learned.mean(axis=0)) / learned.std(axis=0), -10.0, 10.0)


def inputs_of(world: Dataset, split: str) -> np.ndarray:
    samples = world.samples[split]
    ranges = har.ranges(world.daily)[samples.daily_rows]
    return np.column_stack([np.log(ranges), world.features[samples.rows].astype(np.float64)])


@pytest.mark.parametrize("task", ["threshold_1pct", "regression"])
def test_it_is_a_ridge_on_standardised_log_ranges_and_features(task):
    world = market(task, strength=0.3)
    fitted = Linear().fit(world)
    learned, asked = inputs_of(world, "train"), inputs_of(world, "validation")
    targets = world.samples["train"].targets
    if task == "regression":
        oracle = Ridge(alpha=1.0 / fitted.penalty).fit(standard(learned, learned), targets)
        expected = oracle.predict(standard(learned, asked))
    else:
        model = LogisticRegression(C=fitted.penalty, tol=1e-8, max_iter=5000)
        model.fit(standard(learned, learned), targets > 0.5)
        expected = model.decision_function(standard(learned, asked))
    found = fitted(world.samples["validation"])
    np.testing.assert_allclose(found, expected, atol=2e-3 * float(np.std(expected)))


@pytest.mark.parametrize("task", ["threshold_1pct", "regression"])
def test_the_penalty_has_the_lowest_loss_of_a_search_that_leaves_nothing_out(task):
    """Of this market the path has one valley, so that leaving it early loses nothing."""
    world = market(task, strength=0.1)
    train, learned = world.samples["train"], inputs_of(world, "train")
    by_penalty = []
    for penalty in linear.PENALTIES:
        parts = []
        for rows, held_out in cross_validation.folds(train):
            inputs = standard(learned[rows], learned[rows])
            asked = standard(learned[rows], learned[held_out])
            if task == "regression":
                said = Ridge(alpha=1.0 / penalty).fit(inputs, train.targets[rows]).predict(asked)
            else:
                model = LogisticRegression(C=penalty, tol=1e-8, max_iter=5000)
                said = model.fit(inputs, train.targets[rows] > 0.5).decision_function(asked)
            parts.append(sample_losses(said, train.targets[held_out], world.task))
        by_penalty.append(np.concatenate(parts).mean())
    fitted = Linear().fit(world)
    assert fitted.penalty == linear.PENALTIES[int(np.argmin(by_penalty))]
    assert fitted.loss == pytest.approx(min(by_penalty), rel=1e-4)


def test_a_feature_that_knows_more_makes_it_the_reference_and_noise_makes_it_har():
    told = fit_baselines(market(strength=1.0), ("train", "validation"))
    assert told.references["A"].name == "linear"
    assert told.references["A"].losses["linear"] < told.references["A"].losses["har"]
    noise = fit_baselines(market(features=60), ("train", "validation"))
    assert noise.references["A"].name == "har"


def test_the_scored_days_do_not_choose_the_reference():
    world = market(strength=1.0)
    later = {
        name: samples if name == "train" else replace(samples, targets=1.0 - samples.targets)
        for name, samples in world.samples.items()
    }
    honest = fit_baselines(world, ("validation",)).references["A"]
    assert fit_baselines(replace(world, samples=later), ("validation",)).references["A"] == honest


def test_a_feature_that_sees_tomorrow_is_seen_through():
    """Whatever leaks into the features makes linear too good: it is the alarm of a leak."""
    world = market()
    ahead = world.features.copy()
    for samples in world.samples.values():
        ahead[samples.rows, 0] = samples.targets
    honest, told = (losses(w, Linear().fit(w)) for w in (world, replace(world, features=ahead)))
    assert told < 0.2 * honest


def test_it_reads_the_decision_bar_and_no_other():
    world = market(strength=0.5)
    asked = {row for samples in world.samples.values() for row in samples.rows}
    elsewhere = np.array([row for row in range(DAYS) if row not in asked])
    assert len(elsewhere)
    scrambled = world.features.copy()
    scrambled[elsewhere] = 1e6
    samples = world.samples["validation"]
    ours = Linear().fit(world)(samples)
    assert (Linear().fit(replace(world, features=scrambled))(samples) == ours).all()
    # The features of a bar belong to its own decision, not to the one before.
    moved_last = world.features.copy()
    moved_last[samples.rows[-1]] += 5.0
    moved = Linear().fit(replace(world, features=moved_last))(samples)
    assert (moved[:-1] == ours[:-1]).all()
    assert moved[-1] != ours[-1]


def test_the_same_data_give_the_same_bytes():
    first, second = (Linear().fit(market(strength=0.3)) for _ in range(2))
    samples = market().samples["validation"]
    assert (first(samples) == second(samples)).all()
    assert (first.penalty, first.loss) == (second.penalty, second.loss)


def test_features_that_never_moved_in_training_say_nothing_later():
    world = market()
    still = world.features.copy()
    still[:, 1] = 0.1
    jumped = still.copy()
    jumped[world.samples["validation"].rows, 1] = 3.0
    samples = world.samples["validation"]
    ours, theirs = (Linear().fit(replace(world, features=f))(samples) for f in (still, jumped))
    assert (ours == theirs).all()


def test_what_beats_har_and_not_linear_does_not_beat_the_reference():
    """The kind of claim that a linear model undoes."""
    world = market(strength=1.0)
    splits = ("train", "validation")
    found = fit_baselines(world, splits)
    between = found.tables["har"].with_columns(
        logit=0.5 * (found.tables["har"]["logit"] + found.tables["linear"]["logit"])
    )
    models = {"m": between, **found.tables}
    asked = worlds.scored_task(world)
    own = score.score_models(models, asked, splits[1:], found.references["A"])["validation"]["m"]
    assert own["reference"] == "linear"
    assert own["log_loss_difference_har"] < 0.0 < own["log_loss_difference"]
    assert own["interval"]["log_loss_difference_har"][1] < 0.0
    assert own["verdict"] == "loses"
    assert own["log_loss_skill_har"] > 0.0 > own["log_loss_skill"]
    assert own["log_loss_difference"] == own["log_loss_difference_linear"]


def test_a_model_without_a_reference_claims_nothing():
    world = market()
    few = with_train(world, np.arange(1))
    said = pl.concat(
        predictions.table(
            "patchtst", few.samples[split], split, 5.0 * (few.samples[split].targets - 0.5)
        )
        for split in ("train", "validation")
    )
    scores, reference = worlds.score_run(said, few)
    own = scores["validation"]["patchtst"]
    assert reference.name is None
    assert (own["verdict"], own["estimable"]) == ("not estimable", False)
    assert own["not_estimable"] == reference.not_estimable
    assert "log_loss_difference" not in own


def test_constant_returns_are_not_estimable():
    world = worlds.world(worlds.market(DAYS, seed=7), "regression")
    samples = world.samples["validation"]
    still = replace(samples, targets=np.zeros_like(samples.targets))
    world = replace(world, samples={**world.samples, "validation": still})
    said = pl.concat(
        predictions.table(
            "patchtst", world.samples[split], split, 0.001 * np.ones(len(world.samples[split]))
        )
        for split in ("train", "validation")
    )
    own = worlds.score_run(said, world)[0]["validation"]["patchtst"]
    assert own["not_estimable"] == "every log return is the same"
    assert own["verdict"] == "not estimable"


@pytest.mark.realdata
def test_on_spy_it_scores_what_is_known_whatever_else_is_pooled(realdata, tmp_path, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    register(realdata, "SPY", "DIA", "QQQ", "KO")
    found = []
    for symbols in (["SPY"], ["SPY", "DIA", "QQQ", "KO"]):
        values = {"name": "t", "mode": "exploratory", "data": {"symbols": symbols}}
        data = build_dataset(build_config(values), register=False)
        beside = fit_baselines(data, ("train", "validation"))
        asked = worlds.scored_task(data)
        scores = score.score_models(beside.tables, asked, ("validation",), beside.references["SPY"])
        figures = scores["validation"]
        assert figures["linear"]["n"] == 501
        assert figures["linear"]["log_loss"] == pytest.approx(0.4528, abs=0.003)
        assert figures["har"]["log_loss"] == pytest.approx(0.473531, abs=1e-5)
        assert beside.references["SPY"].name == "linear"
        found.append(beside.tables)
    for name in ("har", "lhar", "linear"):
        alone, among = (tables[name]["logit"].to_numpy() for tables in found)
        np.testing.assert_allclose(alone, among, atol=1e-6)


@pytest.mark.realdata
def test_on_six_windows_of_spy_it_and_har_score_what_is_known(realdata, tmp_path, monkeypatch):
    """2013-14 to 2023-24, each trained on all that is older but the two years before it."""
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    register(realdata, "SPY")
    losses: dict[str, list[np.ndarray]] = {"har": [], "lhar": [], "linear": []}
    for window in range(6, 0, -1):
        data = {"symbols": ["SPY"], "walk_forward_window": window}
        built = build_dataset(build_config({"name": "t", "mode": "exploratory", "data": data}))
        for name, table in fit_baselines(built, ("test",), losses).tables.items():
            logits, targets = table["logit"].to_numpy(), table["target"].to_numpy()
            losses[name].append(sample_losses(logits, targets, built.task))
    whole = {name: np.concatenate(parts) for name, parts in losses.items()}
    assert len(whole["har"]) == 3014
    assert whole["har"].mean() == pytest.approx(0.4256, abs=1e-4)
    assert whole["linear"].mean() == pytest.approx(0.4111, abs=1e-3)
    assert whole["lhar"].mean() == pytest.approx(0.4128, abs=1e-3)


def register(realdata: Path, *symbols: str) -> None:
    for symbol in symbols:
        (path,) = realdata.glob(f"*/{symbol}.parquet")
        bars = FilesSource(path).fetch(symbol).frame
        store.register_raw(bars, source="files", symbol=symbol, parameters={})
