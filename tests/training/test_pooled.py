"""Several assets as one data set: whose loss stops training, and what an asset is told to be."""

import mlx.core as mx
import numpy as np
import pytest

from mlxts import experiment, predict
from mlxts.baselines import har
from mlxts.baselines.linear import Linear
from mlxts.config.loading import load_config
from mlxts.data import store
from mlxts.dataset.samples import of_symbol
from mlxts.errors import ConfigError, DataError
from mlxts.losses import sample_losses
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.scaling import ledger
from mlxts.simulation.source import SimulatedSource
from mlxts.training import inputs, residual_reference, run
from mlxts.training.events import StopEvent
from mlxts.training.losses import TargetScale
from mlxts.training.plan import Plan, make_plan
from tests import homes

POOLED = {"data.symbols": ["SPY", "LATE"], "training.max_epochs": 1}


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = homes.simulated(tmp_path, monkeypatch)
    late = SimulatedSource("gbm", first=homes.date(2020, 1, 2), last=homes.date(2025, 3, 31))
    bars = late.fetch("LATE")
    store.register_raw(bars.frame, source="simulated", symbol="LATE", parameters=bars.parameters)
    return home


def plan(home, **changes) -> Plan:
    return make_plan(load_config(home / "small.yaml", POOLED | changes))


def execute(planned: Plan, **options) -> dict:
    return experiment.run_experiment(planned, emit=lambda event: None, **options)


@pytest.mark.parametrize("stop_on", ["samples", "scored", "panel"])
def test_the_best_loss_of_a_run_is_that_of_the_samples_it_stops_on(home, stop_on):
    planned = plan(home, **{"training.stop_on": stop_on})
    summary = execute(planned)
    assert summary["stop_on"] == stop_on
    assert RunFolder(planned.folder).metadata(("stop_on",))["stop_on"] == stop_on
    rows = RunFolder(planned.folder).predictions().filter(model=NETWORK, split="validation")
    losses = sample_losses(
        rows["logit"].to_numpy(), rows["target"].to_numpy(), planned.dataset.task
    )
    symbols = rows["symbol"].to_numpy()
    own = {symbol: losses[symbols == symbol].mean() for symbol in ("SPY", "LATE")}
    expected = {
        "samples": losses.mean(), "scored": own["SPY"], "panel": np.mean(list(own.values())),
    }  # fmt: skip
    assert summary["best_loss"] == pytest.approx(expected[stop_on], abs=1e-6)


TOLD = {"model.asset_embedding": True, "training.learning_rate": 0.01}


@pytest.mark.parametrize("channels", ["mixing", "independent"])
def test_a_network_that_is_told_the_asset_meets_its_budget_and_is_loaded_as_it_was(home, channels):
    head = {"model.last_bar_to_head": True, "model.residual_of": "linear"}
    planned = plan(home, **TOLD, **head, **{"model.channels": channels})
    assert (planned.shape.assets, planned.shape.last_bar) == (2, 4)
    assert planned.to_dict()["n_total"] == pytest.approx(20_000, rel=0.01)
    assert execute(planned)["status"] in experiment.FINISHED
    loaded = run.load(planned.folder)
    last = mx.load(str(planned.folder / "checkpoint" / "last" / "weights.safetensors"))
    vectors = np.array(last["asset_embedding"])  # ty: ignore[invalid-argument-type]
    assert vectors.shape == (2, planned.shape.d_model)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3
    written = RunFolder(planned.folder).predictions().filter(model=NETWORK, split="validation")
    again = predict.predict_network(loaded, ("validation",))
    assert again["logit"].equals(written["logit"])
    day = written.filter(symbol="LATE")[-1]
    said = experiment.forecast(planned.folder, day["date"][0], "LATE")["probability"]
    assert said == pytest.approx(1 / (1 + np.exp(-day["logit"][0])), rel=1e-4)


def test_a_stopped_training_goes_on_to_the_same_bytes(home, tmp_path, monkeypatch):
    def weights(planned: Plan) -> bytes:
        return (planned.folder / "checkpoint" / "best" / "weights.safetensors").read_bytes()

    straight = plan(home, **TOLD)
    execute(straight)
    expected = weights(straight)
    straight.folder.rename(tmp_path / "straight")
    execute(straight, gate=lambda step: StopEvent(step, "stopped", "asked") if step == 5 else None)
    execute(straight, resume=True)
    assert weights(straight) == expected


def test_an_asset_that_the_network_was_not_built_for_is_named(home):
    data = plan(home).dataset
    assert set(inputs.asset_numbers(data, ("LATE", "SPY"))) == {0, 1}
    late = (data.bars["symbol"] == "LATE").to_numpy()
    assert (inputs.asset_numbers(data, ("SPY", "LATE")) == late).all()
    with pytest.raises(DataError, match=r"LATE is none of the assets .*model\.asset_embedding"):
        inputs.asset_numbers(data, ("SPY", "QQQ"))


@pytest.mark.parametrize("timescale", ["daily", "weekly"])
def test_behind_the_features_stand_log_ranges_the_reference_and_the_asset(home, timescale):
    settings = {"model.last_bar_to_head": True, "model.residual_of": "har", "timescale": timescale}
    planned = plan(home, **settings, **TOLD)
    data, scale = planned.dataset, TargetScale.fit(planned.dataset)
    reference = residual_reference.fit(data, "har")
    columns = inputs.inputs(data, planned.config, reference, scale)
    known = len(data.names)
    assert columns.shape[1] == known + 6
    assert np.array_equal(columns[:, :known], data.features)
    for samples in data.samples.values():
        ranges = har.ranges(data.daily)[samples.daily_rows]
        logs = columns[samples.rows, known : known + 3]
        np.testing.assert_allclose(logs, np.log(ranges / 0.01), rtol=1e-5, atol=1e-5)
    assert np.array_equal(columns[:, -3], columns[:, -1])
    np.testing.assert_allclose(columns[:, -1], reference(data), rtol=1e-6)
    assert np.array_equal(columns[:, -2], inputs.asset_numbers(data, planned.config.assets))


def test_an_asset_that_is_scored_alone_teaches_nothing_and_has_its_own_reference(home):
    settings = {"model.residual_of": "linear", "training.stop_on": "panel"}
    alone = plan(home, **settings, **{"data.symbols": ["SPY"]})
    scored = plan(home, **settings, **{"data.train_symbols": ["SPY"]})
    assert scored.total_steps == alone.total_steps
    execute(alone)
    execute(scored)
    weights = [p.folder / "checkpoint" / "best" / "weights.safetensors" for p in (alone, scored)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    data, folder = scored.dataset, RunFolder(scored.folder)
    assert folder.metadata(("samples",))["samples"]["train"] == len(alone.dataset.samples["train"])
    rows = folder.predictions().filter(split="validation", symbol="LATE")
    own = of_symbol(data, "LATE")
    expected = Linear().fit(own)(own.samples["validation"])
    assert folder.references()["LATE"].pooled is None
    np.testing.assert_allclose(rows.filter(model="linear")["logit"], expected, atol=1e-9)
    network = rows.filter(model=NETWORK)["logit"].to_numpy()
    assert 0 < np.abs(network - expected).max() < 1
    ((assets, name),) = ledger.build([scored.folder]).select("assets", "data").unique().rows()
    assert (assets, name) == (1, "SPY, LATE, trained on SPY")


@pytest.mark.parametrize("symbol", ["NONE", "SPY"])
def test_assets_to_train_on_are_some_of_those_that_are_read(home, symbol):
    with pytest.raises(ConfigError, match=r"train_symbols: (NONE is not among|one is named)"):
        plan(home, **{"data.train_symbols": ["SPY", symbol]})
