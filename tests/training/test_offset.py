"""A network on top of HAR: the same HAR in training, scoring, loading and forecasting."""

import json

import numpy as np
import polars as pl
import pytest

from mlxts import experiment, predict
from mlxts.baselines import har as scale
from mlxts.baselines.registry import BASELINES
from mlxts.config.loading import build_config, load_config
from mlxts.dataset.samples import with_train
from mlxts.errors import CheckpointError, ConfigError, DataError
from mlxts.evaluation.reference import fit_baselines
from mlxts.model import residual
from mlxts.model.initialisation import build_model
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder
from mlxts.training import offset, run
from mlxts.training.distributed import ALONE
from mlxts.training.losses import TargetScale
from mlxts.training.offset import Offset
from mlxts.training.plan import Plan, make_plan
from tests import homes
from tests.evaluation import worlds


@pytest.fixture
def home(tmp_path, monkeypatch):
    return homes.simulated(tmp_path, monkeypatch)


def plan(home, **changes) -> Plan:
    return make_plan(load_config(home / "small.yaml", {"model.residual_of": "har"} | changes))


def execute(plan: Plan, **options) -> dict:
    return experiment.execute(plan, emit=lambda event: None, **options)


def test_before_its_first_step_it_says_what_har_says(home):
    untrained = plan(home)
    data = untrained.dataset
    har = BASELINES["har"].fit(data)(data.samples["validation"])
    baseline = offset.load_or_fit(home, "har", data, ALONE)
    model = build_model(untrained.config, untrained.shape, data)
    trained = run.Trained(untrained, model, TargetScale.fit(data), offset=baseline)
    # An output layer that starts near zero, on a bias of zero.
    assert np.abs(trained.outputs("validation") - har).max() < 0.6
    assert np.corrcoef(trained.outputs("validation"), har)[0, 1] > 0.9


@pytest.mark.parametrize("task", ["threshold_1pct", "regression"])
def test_a_finished_run_is_loaded_and_forecasts_on_the_same_offset(home, task):
    planned = plan(home, task=task)
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
    assert set(stored) == {data.score_on}
    assert Offset.from_dict(stored)(data) == pytest.approx(
        Offset.from_dict(offset.fit(data, "har").to_dict())(data)
    )


def test_loading_reads_the_stored_offset_and_does_not_fit_it_again(home):
    planned = plan(home)
    execute(planned)
    before = run.load(planned.folder).outputs("validation")
    path = planned.folder / layout.OFFSET
    stored = json.loads(path.read_text())
    ((symbol, own),) = stored.items()
    path.write_text(json.dumps({symbol: {**own, "bias": own["bias"] + 1.0}}))
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
    days = np.arange(data.daily.height, dtype=np.float64)
    beside = residual.append_offset(data, days)
    assert (beside[:, :-1] == data.features).all()
    for samples in data.samples.values():
        assert (beside[samples.rows, -1] == samples.daily_rows).all()
    dates = data.daily["date"].gather(data.samples["train"].daily_rows)
    assert dates.equals(pl.Series("date", data.samples["train"].dates))


@pytest.fixture(scope="module")
def pooled():
    return worlds.world(worlds.market(1500, seed=21, symbols=("A", "B")))


def test_each_asset_stands_on_its_own_regression_whatever_it_is_pooled_with(pooled):
    alone = worlds.world(worlds.market(1500, seed=21, symbols=("A", "B")).filter(symbols=["B"]))
    ours = offset.fit(pooled, "har")(pooled)[pooled.daily["symbol"].to_numpy() == "B"]
    np.testing.assert_allclose(ours, offset.fit(alone, "har")(alone), atol=1e-9)
    har = fit_baselines(pooled, ("validation",), ["har"], symbols=["B"]).tables["har"]
    samples = pooled.samples["validation"]
    said = offset.fit(pooled, "har")(pooled)[samples.daily_rows]
    np.testing.assert_allclose(said[samples.symbols == "B"], har["logit"], atol=1e-9)


def test_what_an_older_run_wrote_down_goes_on_under_every_asset(pooled, tmp_path):
    older = scale.fit(pooled, "har")
    (tmp_path / layout.OFFSET).write_text(json.dumps(older.to_dict()))
    read = offset.load(tmp_path, "har")
    assert read is not None
    np.testing.assert_allclose(read(pooled), older(pooled.daily), atol=1e-12)


def test_an_asset_with_too_few_training_days_is_named(pooled):
    train = pooled.samples["train"]
    few = (train.symbols == "A") | (np.cumsum(train.symbols == "B") <= 8)
    with pytest.raises(DataError, match=r"not estimable.* of B, .*leave B out"):
        offset.fit(with_train(pooled, few), "har")


def test_an_asset_that_none_was_fitted_for_is_named(pooled):
    alone = worlds.world(worlds.market(1500, seed=21, symbols=("A", "B")).filter(symbols=["B"]))
    with pytest.raises(DataError, match="no offset was fitted for A"):
        offset.fit(alone, "har")(pooled)
