"""A network on top of a reference: the same one in training, scoring, loading, forecasting."""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import polars as pl
import pytest

from mlxts import experiment, predict
from mlxts.baselines import har as scale
from mlxts.baselines import out_of_fold
from mlxts.baselines.registry import BASELINES
from mlxts.config.loading import build_config, load_config
from mlxts.dataset.samples import of_symbol, with_train
from mlxts.errors import CheckpointError, ConfigError, DataError
from mlxts.evaluation.reference import fit_baselines
from mlxts.model.initialisation import build_model
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.training import residual_reference, run
from mlxts.training.distributed import ALONE
from mlxts.training.inputs import inputs
from mlxts.training.losses import TargetScale
from mlxts.training.plan import Plan, make_plan
from mlxts.training.residual_reference import ResidualReference
from tests import homes
from tests.evaluation import worlds


@pytest.fixture
def home(tmp_path, monkeypatch):
    return homes.simulated(tmp_path, monkeypatch)


def plan(home, **changes) -> Plan:
    return make_plan(load_config(home / "small.yaml", {"model.residual_of": "har"} | changes))


def execute(plan: Plan, **options) -> dict:
    return experiment.run_experiment(plan, emit=lambda event: None, **options)


@pytest.mark.parametrize(
    ("task", "of"),
    [("threshold_1pct", "har"), ("threshold_1pct", "linear"), ("regression", "linear")],
)
def test_before_its_first_step_it_forecasts_what_its_reference_does_to_the_bit(home, task, of):
    untrained = plan(home, task=task, **{"model.residual_of": of})
    data, scale = untrained.dataset, TargetScale.fit(untrained.dataset)
    reference = residual_reference.load_or_fit(home, of, data, ALONE)
    model = build_model(untrained.config, untrained.shape, data)
    trained = run.Trained(untrained, model, scale, reference=reference)
    assert reference is not None
    forecasts = scale.scaled(reference(data)[data.samples["validation"].rows])
    expected = scale.unscaled(forecasts.astype(np.float32).astype(np.float64))
    assert np.array_equal(trained.outputs("validation"), expected)
    baseline = BASELINES[of].fit(data)(data.samples["validation"])
    np.testing.assert_allclose(expected, baseline, atol=1e-6)


def test_a_network_that_never_improves_on_its_reference_is_the_reference(home):
    # No validation is better by ten nats.
    settings = {"training.min_delta": 10.0, "training.patience": 2}
    planned = plan(home, **settings)
    summary = execute(planned)
    assert (summary["status"], summary["best_step"]) == ("early_stop", 0)
    assert summary["initial_loss"] == summary["best_loss"]
    assert summary["message"].endswith("at step 0, the reference forecast itself")
    predicted = predict.read_or_predict(planned.folder)
    network, har = (predicted.filter(model=m, split="validation") for m in ("patchtst", "har"))
    np.testing.assert_allclose(network["logit"], har["logit"], rtol=1e-6)


@pytest.mark.parametrize(
    ("task", "of"),
    [("threshold_1pct", "har"), ("threshold_1pct", "linear"), ("regression", "linear")],
)
def test_a_finished_run_is_loaded_and_forecasts_on_the_same_reference(home, task, of):
    planned = plan(home, task=task, **{"model.residual_of": of})
    assert execute(planned)["status"] in experiment.FINISHED
    written = RunFolder(planned.folder).predictions().filter(model="patchtst")
    again = predict.predict_network(run.load(planned.folder), ("validation",))
    assert again["logit"].equals(written.filter(split="validation")["logit"])
    day = written.filter(split="validation")["date"][-1]
    said = experiment.forecast(planned.folder, day)
    logit = written.filter(split="validation", date=day)["logit"][0]
    if task == "regression":
        assert said["log_return"] == pytest.approx(logit, rel=1e-4)
    else:
        assert said["probability"] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-4)
    stored = json.loads((planned.folder / layout.OFFSET).read_text())
    data = planned.dataset
    assert set(stored["models"]) == {data.score_on}
    assert tuple(stored["names"]) == (data.names if of == "linear" else ())
    again = residual_reference.fit(data, of)
    assert np.array_equal(ResidualReference.from_dict(stored)(data), again(data))


def test_loading_reads_the_stored_reference_and_does_not_fit_it_again(home):
    planned = plan(home)
    execute(planned)
    before = run.load(planned.folder).outputs("validation")
    path = planned.folder / layout.OFFSET
    stored = json.loads(path.read_text())
    (own,) = stored["models"].values()
    own["whole"]["bias"] += 1.0
    path.write_text(json.dumps(stored))
    moved = run.load(planned.folder).outputs("validation")
    np.testing.assert_allclose(moved - before, 1.0, atol=1e-5)
    path.unlink()
    with pytest.raises(CheckpointError, match="train the run again"):
        run.load(planned.folder)


def test_an_offset_names_another_run_and_no_offset_names_the_old_one(home):
    plain = load_config(home / "small.yaml")
    with_it = load_config(home / "small.yaml", {"model.residual_of": "har"})
    assert plain.hash != with_it.hash
    assert plain.hash == load_config(home / "small.yaml", {"model.residual_of": None}).hash
    with pytest.raises(ConfigError, match=r"model\.residual_of"):
        build_config({"name": "a", "model": {"residual_of": "har"}})


def test_every_bar_stands_on_the_offset_of_its_day(home):
    data = plan(home, timescale="weekly").dataset
    forecasts = residual_reference.fit(data, "har")(data)
    scale, told = TargetScale.fit(data), plan(home, **{"model.asset_embedding": True}).config
    beside = inputs(data, told, residual_reference.fit(data, "har"), scale)
    assert (beside[:, :-2] == data.features).all()
    assert (beside[:, -2] == 0).all()  # the number of the only asset
    assert np.array_equal(beside[:, -1], forecasts.astype(np.float32))
    validation = data.samples["validation"]
    expected = BASELINES["har"].fit(data)(validation)
    np.testing.assert_allclose(beside[validation.rows, -1], expected, rtol=1e-6)
    dates = data.daily["date"].gather(data.samples["train"].daily_rows)
    assert dates.equals(pl.Series("date", data.samples["train"].dates))


@pytest.fixture(scope="module")
def pooled():
    return worlds.world(worlds.market(1500, seed=21, symbols=("A", "B")))


def test_each_asset_stands_on_its_own_regression_whatever_it_is_pooled_with(pooled):
    alone = worlds.world(worlds.market(1500, seed=21, symbols=("A", "B")).filter(symbol="B"))
    fitted = residual_reference.fit(pooled, "har")
    ours = fitted(pooled)[pooled.daily["symbol"].to_numpy() == "B"]
    np.testing.assert_allclose(ours, residual_reference.fit(alone, "har")(alone), atol=1e-9)
    assert fitted.notice(pooled) is None
    har = fit_baselines(pooled, ("validation",), ["har"], symbols=["B"]).tables["har"]
    samples = pooled.samples["validation"]
    said = fitted(pooled)[samples.rows]
    np.testing.assert_allclose(said[samples.symbols == "B"], har["logit"], atol=1e-9)


def test_what_an_older_run_wrote_down_goes_on_under_every_asset(pooled, tmp_path):
    older, ranges = scale.fit(pooled, "har"), scale.ranges(pooled.daily)
    for written in (asdict(older), {symbol: asdict(older) for symbol in ("A", "B")}):
        (tmp_path / layout.OFFSET).write_text(json.dumps(written))
        read = residual_reference.load(tmp_path, "har")
        assert read is not None
        np.testing.assert_allclose(read(pooled), older(ranges), atol=1e-12)


def test_an_asset_with_too_few_training_days_stands_on_all_assets_and_is_named(pooled):
    train = pooled.samples["train"]
    few = with_train(pooled, (train.symbols == "A") | (np.cumsum(train.symbols == "B") <= 8))
    fitted = residual_reference.fit(few, "linear")
    assert "samples of B:" in str(fitted.notice(few))
    validation = few.samples["validation"]
    for symbol, data in (("A", of_symbol(few, "A")), ("B", few)):
        own = validation.symbols == symbol
        expected = BASELINES["linear"].fit(data)(validation)[own]
        np.testing.assert_allclose(fitted(few)[validation.rows[own]], expected, atol=1e-9)


def test_too_few_training_days_of_all_assets_are_an_error(pooled):
    few = np.cumsum(pooled.samples["train"].symbols == "B") <= 8
    with pytest.raises(DataError, match=r"not estimable.* of A, .*leave A out"):
        residual_reference.fit(with_train(pooled, few), "har")


def test_an_asset_that_none_was_fitted_for_is_named(pooled):
    alone = worlds.world(worlds.market(1500, seed=21, symbols=("A", "B")).filter(symbol="B"))
    with pytest.raises(DataError, match="no reference was fitted for A"):
        residual_reference.fit(alone, "har")(pooled)


@pytest.mark.parametrize("of", ["har", "linear"])
def test_training_rows_stand_on_forecasts_that_have_not_seen_their_labels(pooled, of):
    fitted = residual_reference.fit(pooled, of)(pooled)
    train = pooled.samples["train"]
    own = train.symbols == "B"
    first, last, learned = out_of_fold.blocks(of_symbol(pooled, "B").samples["train"])[2]
    within = own & (train.dates >= first) & (train.dates <= last)
    others = with_train(pooled, np.flatnonzero(own)[learned])
    block = replace(train, **{f.name: getattr(train, f.name)[within] for f in fields(train)})
    np.testing.assert_allclose(fitted[block.rows], BASELINES[of].fit(others)(block), atol=1e-9)
    in_sample = BASELINES[of].fit(of_symbol(pooled, "B"))(block)
    assert np.abs(fitted[block.rows] - in_sample).max() > 1e-3


def test_bars_that_come_later_change_no_value(pooled):
    fitted = residual_reference.fit(pooled, "linear")
    bars = pooled.bars.with_row_index("row").filter(pl.col("date") < pl.date(2004, 6, 1))
    rows = bars["row"].to_numpy()
    earlier = bars.drop("row")
    before = replace(
        pooled,
        features=pooled.features[rows],
        bars=earlier,
        daily=earlier,
        eligible=pooled.eligible[rows],
        samples={},
    )
    assert len(rows) < pooled.bars.height
    assert np.array_equal(fitted(before), fitted(pooled)[rows])


def test_data_with_other_features_are_refused(pooled):
    fitted = residual_reference.fit(pooled, "linear")
    with pytest.raises(DataError, match="other features"):
        fitted(replace(pooled, names=("other",)))
