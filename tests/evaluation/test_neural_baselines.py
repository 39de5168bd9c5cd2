"""Networks as baselines: trained by the loop, on the configuration's terms."""

import numpy as np
import pytest

from mlxts.baselines.registry import ALL, BASELINES
from mlxts.errors import ConfigError
from mlxts.evaluation import baseline_selection
from mlxts.evaluation.neural_baselines import NETWORKS, NeuralBaseline
from mlxts.evaluation.reference import fit_baselines
from tests.training import worlds

networks = pytest.mark.parametrize("name", NETWORKS)


def loss(table, split: str) -> float:
    rows = table.filter(split=split)
    z, y = rows["logit"].to_numpy(), rows["target"].to_numpy()
    return float(np.mean(np.logaddexp(0.0, z) - y * z))


@networks
def test_it_learns_what_there_is_to_learn_and_says_how_it_goes(name):
    data, said = worlds.dataset(), []
    config = worlds.configuration(training__max_epochs=20, training__learning_rate=0.02)
    known = {name: NeuralBaseline(name, config, said.append)}
    table = fit_baselines(data, ("train", "validation"), [name], known).tables[name]
    rate = data.samples["train"].targets.mean()
    prior = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    assert loss(table, "validation") < prior - 0.1
    assert "validation loss" in said[0]
    assert "best validation loss" in said[-1]
    again = fit_baselines(data, ("train", "validation"), [name], known).tables[name]
    assert again.equals(table)


@networks
def test_returns_are_spoken_in_their_own_units(name):
    data = worlds.dataset("regression")
    config = worlds.configuration(task="regression", training__max_epochs=10)
    fitted = NeuralBaseline(name, config).fit(data)(data.samples["validation"])
    assert fitted.std() < 2 * data.samples["train"].targets.std()


def test_the_default_is_what_needs_no_training_loop():
    config = worlds.configuration()
    default = baseline_selection.choose(config)
    assert set(default.chosen) == set(ALL)
    assert default.left_out == tuple(NETWORKS)
    every = baseline_selection.choose(config, everything=True)
    assert tuple(every.chosen) == baseline_selection.NAMES
    asked = baseline_selection.choose(config, names=["trees"])
    assert set(asked.chosen) == {*BASELINES, "trees"}
    with pytest.raises(ConfigError, match="baseline magic is none of base_rate_by_volatility"):
        baseline_selection.choose(config, names=["magic"])
