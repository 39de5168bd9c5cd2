"""The stored probabilities of every market against the frequencies of long paths."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlxts.data.sources.base import PLANTED, oracle_column
from mlxts.errors import ConfigError
from mlxts.evaluation import metrics
from mlxts.simulation import bayes_scores
from mlxts.simulation.base import HORIZONS
from mlxts.simulation.markets import MARKETS, default_parameters, make
from mlxts.simulation.source import SimulatedSource
from tests.simulation import paths

LIMIT = 4.2  # standard errors; 720 comparisons with fixed seeds
RARE = 30  # events expected on the whole path
every_market = pytest.mark.parametrize("kind", MARKETS)


def pair(kind: str, task, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """What happened, and the probability that was stored for it."""
    frame = paths.bars(kind)
    true = paths.outcomes(frame, task, horizon)
    return true, frame[oracle_column(task.name, horizon)].to_numpy()[: len(true)]


@every_market
@pytest.mark.parametrize("task", paths.BINARY, ids=lambda t: t.name)
def test_events_happen_as_often_as_their_probabilities_say(kind: str, task) -> None:
    """On average, and where the probability is high or low: y - p is unrelated to p."""
    for horizon in HORIZONS:
        true, stored = pair(kind, task, horizon)
        if stored.sum() < RARE:
            assert true.sum() <= RARE  # three times in two centuries has no standard error
            continue
        assert paths.deviations(true - stored) < LIMIT
        if np.ptp(stored) > 0:
            tilt = (stored - stored.mean()) / stored.std()
            assert paths.deviations((true - stored) * tilt) < LIMIT


@every_market
@pytest.mark.parametrize("horizon", [1, 5])
def test_the_bayes_figures_are_those_of_the_outcomes(kind: str, horizon: int) -> None:
    for task in (paths.BINARY[0], paths.BINARY[2]):
        true, stored = pair(kind, task, horizon)
        forecast = metrics.Forecast(np.log(stored / (1 - stored)), true.astype(float))
        assert paths.deviations(forecast.losses - bayes_scores.entropy(stored)) < LIMIT
        blocks = len(true) // 2000
        excess = [
            metrics.auc(metrics.Forecast(z, y), np.ones((2000, 1)))[0] - bayes_scores.auc(p)
            for z, y, p in zip(
                forecast.logits[: blocks * 2000].reshape(blocks, -1),
                forecast.targets[: blocks * 2000].reshape(blocks, -1),
                stored[: blocks * 2000].reshape(blocks, -1),
                strict=True,
            )
        ]
        spread = np.std(excess, ddof=1) / np.sqrt(blocks)
        # Labels that overlap within a block move its AUC a little towards one half.
        assert abs(np.mean(excess)) < LIMIT * spread + (0.002 if horizon > 1 else 1e-9)


@every_market
def test_extremes_bound_the_bar_and_days_open_where_they_closed(kind: str) -> None:
    bars = paths.bars(kind)
    body = bars.select(
        top=pl.max_horizontal("open", "close"), low=pl.min_horizontal("open", "close")
    )
    assert (bars["high"] >= body["top"]).all()
    assert (bars["low"] <= body["low"]).all()
    assert bars["open"][1:].to_list() == bars["close"][:-1].to_list()


@pytest.mark.parametrize("kind", [kind for kind in MARKETS if kind != "canary"])
def test_a_longer_path_begins_with_the_shorter_one(kind: str) -> None:
    short = SimulatedSource(kind, last=date(1994, 6, 30)).fetch("A").frame
    long = SimulatedSource(kind, last=date(1995, 6, 30)).fetch("A").frame
    assert_frame_equal(long[: short.height], short)


@every_market
def test_seed_and_symbol_pick_independent_paths(kind: str) -> None:
    def returns(seed: int, symbol: str) -> np.ndarray:
        frame = SimulatedSource(kind, seed, last=date(2003, 12, 31)).fetch(symbol).frame
        return np.diff(np.log(frame["close"].to_numpy()))

    paths_ = [returns(0, "A"), returns(1, "A"), returns(0, "B"), returns(1, "B")]
    correlation = np.corrcoef(paths_) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(len(paths_[0]))
    np.testing.assert_array_equal(returns(0, "A"), paths_[0])


@every_market
def test_the_manifest_says_what_decides_the_path_and_what_bayes_scores(kind: str) -> None:
    source = SimulatedSource(kind, 3, last=date(1995, 6, 30))
    fetched = source.fetch("A", start=date(1994, 1, 3))
    said = fetched.parameters
    assert (said["kind"], said["seed"], said["dials"]) == (kind, 3, default_parameters(kind))
    assert said["bayes"] == bayes_scores.of_bars(fetched.frame)
    assert set(said["bayes"]) == {f"{t.name}_h{h}" for t in paths.BINARY for h in HORIZONS}
    again = SimulatedSource(kind, 3, last=date(1995, 6, 30), dials=said["dials"])
    assert_frame_equal(again.fetch("A", start=date(1994, 1, 3)).frame, fetched.frame)


def test_features_stand_beside_the_bars_of_the_markets_that_have_some() -> None:
    widths = {}
    for kind in MARKETS:
        frame = SimulatedSource(kind, last=date(1993, 6, 30)).fetch("A").frame
        if PLANTED in frame.columns:
            widths[kind] = frame[PLANTED].to_numpy().shape[1]
    assert widths == {"canary": 20, "zipf": 20, "teacher": 2000}


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("heston", {}, "no market is named heston; choose from gbm, sv"),
        ("zipf", {"exponent": True}, "exponent of zipf is True"),
        ("gbm", {"drift": 0.1}, "gbm has no parameter drift; it has volatility"),
        ("zipf", {"exponent": 0.0}, "exponent of zipf is 0.0; it must be above 0"),
        ("regimes", {"stay": 1.0}, "stay of regimes is 1.0; it must be above 0 and below 1"),
        ("canary", {"leak": "much"}, "leak of canary is much"),
    ],
)
def test_a_dial_that_does_not_turn_so_far_is_refused(kind: str, values: dict, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        make(kind, values)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
