"""What is declared is what is sampled, and what is sampled is what is trained."""

from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts import protocol
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.errors import BudgetError, ConfigError
from mlxts.model import parameter_budget
from mlxts.model.patchtst import PatchTST
from mlxts.search import space
from mlxts.training import step
from mlxts.training.sampler import Batches
from tests.search import studies

EVERY: dict[str, Any] = {
    "depth": {"low": 1, "high": 3},
    "heads": [1, 2, 4],
    "ffn_ratio": [1.0, 4.0],
    "patch_length": [8, 16],
    "stride": [4, 8],
    "context": [64, 80],
    "dropout": {"low": 0.0, "high": 0.6},
    "head_dropout": {"low": 0.0, "high": 0.2},
    "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
    "weight_decay": {"low": 1e-4, "high": 1.0, "log": True},
    "warmup_steps": {"low": 0, "high": 100, "step": 10},
    "micro_batch": [8, 16],
    "accumulation": {"low": 1, "high": 3},
}


def _drawn(seed: int, searched: dict[str, Any]) -> tuple[ExperimentConfig, space.Values]:
    base = studies.experiment(searched, settings={"budget": "0.06M"})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    values = space.suggest(study.ask(), space.read(base).space)
    return base, values


def test_the_test_below_knows_every_dimension() -> None:
    assert set(EVERY) == set(space.Space.model_fields)


@pytest.mark.parametrize("seed", range(6))
def test_every_sampled_value_is_read_back_from_the_built_model_and_optimizer(seed: int) -> None:
    base, values = _drawn(seed, EVERY)
    assert set(values) == set(EVERY)
    chosen = space.configure(base, values)
    shape = parameter_budget.solve(chosen.budget, 20, chosen.model)
    model = PatchTST(shape, seed=0)
    optimizer = step.make_optimizer(chosen.training)
    layers = model.encoder.layers
    assert len(layers) == values["depth"]
    assert model.position.shape[0] == shape.patches
    assert shape.heads == values["heads"]
    assert shape.d_model % values["heads"] == 0
    length, stride = values["patch_length"], values["stride"]
    assert shape.patches == (values["context"] - length) // stride + 1
    assert (model.shape.patch_length, model.shape.stride) == (length, stride)
    assert model.shape.context == values["context"]
    assert model.shape.dropout == values["dropout"]
    assert model.shape.head_dropout == values["head_dropout"]
    decayed, spared = optimizer.optimizers
    assert decayed.weight_decay == values["weight_decay"]
    assert spared.weight_decay == 0.0
    warm = step.learning_rate(chosen.training, chosen.training.warmup_steps)
    assert warm == values["learning_rate"]
    if values["warmup_steps"]:
        first = step.learning_rate(chosen.training, 0)
        assert first == pytest.approx(values["learning_rate"] / values["warmup_steps"])
    micro_batch = chosen.training.micro_batch
    assert micro_batch is not None
    batch = Batches(np.arange(400), np.zeros(400), chosen.training.batch_size, micro_batch, 0).at(0)
    assert batch.rows.shape == (values["accumulation"], values["micro_batch"])


@given(seed=st.integers(0, 10_000))
def test_every_shape_of_a_search_meets_the_budget(seed: int) -> None:
    searched = {key: EVERY[key] for key in ("depth", "heads", "ffn_ratio", "patch_length")}
    base, values = _drawn(seed, searched)
    chosen = space.configure(base, values)
    try:
        shape = parameter_budget.solve(chosen.budget, 20, chosen.model)
    except BudgetError:
        return
    target = protocol.BUDGETS[chosen.budget].parameters
    assert abs(PatchTST(shape).counts().total / target - 1) <= 0.01
    assert (shape.depth, shape.heads) == (values["depth"], values["heads"])


def test_what_is_not_searched_stays_as_the_experiment_says() -> None:
    base = studies.experiment({"depth": [1, 2]}, settings={"seed": 7})
    chosen = space.configure(base, {"depth": 2})
    assert chosen.model.depth == 2
    assert chosen.model_copy(update={"model": base.model}) == base.model_copy(
        update={"search": None}
    )


def test_a_declared_search_changes_no_run() -> None:
    searched = studies.experiment()
    plain = searched.model_copy(update={"search": None})
    assert searched.hash == plain.hash
    assert searched.to_yaml() == plain.to_yaml()
    assert "search" not in searched.to_yaml()


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"depth": {"low": 3, "high": 3}}, "search.space.depth: low 3 is not below high 3"),
        ({"weight_decay": {"low": 0, "high": 1, "log": True}}, "low 0 has no logarithm"),
        ({"dropout": {"low": 0.1, "high": 0.5, "log": True, "step": 0.1}}, "step cannot be"),
        ({"depth": {"low": 0, "high": 3}}, "depth: 0 cannot be"),
        ({"dropout": [0.1, 1.0]}, "dropout: 1 cannot be"),
        ({"heads": [4]}, "search.space.heads: Tuple should have at least 2 items"),
        ({"heads": [4, 4]}, "heads: a choice is named twice"),
        ({"heads": [2.5, 4]}, "search.space.heads.0"),
        ({"width": [64, 128]}, "unknown key search.space.width"),
        ({"micro_batch": [8, 16]}, "give both"),
        ({"accumulation": [0, 1], "micro_batch": [8, 16]}, "accumulation: 0 cannot be"),
        ({}, "empty; name some of depth, heads"),
    ],
)
def test_a_mistake_in_the_space_is_one_line_that_names_the_key(
    declared: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        space.read(studies.experiment(declared))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_experiment_without_a_search_says_how_to_declare_one() -> None:
    with pytest.raises(ConfigError, match="add a section `search:`"):
        space.read(build_config({"name": "x"}))


@pytest.mark.parametrize("name", sorted(vars(protocol.FIXED)))
def test_strict_mode_searches_nothing_that_the_protocol_fixes(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"search\.space\.{name}: fixed at"):
        space.read(
            studies.experiment(
                {name: EVERY[name]},
                settings={
                    "mode": "strict",
                    "budget": "2M",
                    "data": {"source": "auto"},
                    "training": {"learning_rate": 1e-4},
                },
            )
        )


def test_for_how_long_to_search_makes_no_other_study() -> None:
    def identity(**search: Any) -> dict[str, Any]:
        return space.read(studies.experiment(**search)).identity()

    assert identity() == identity(trials=100, patience=3, timeout=60.0)
    others = [{"seed": 1}, {"sampler": "random"}, {"pruner": "median"}, {"min_epochs": 2}]
    assert identity() not in [identity(**other) for other in others]
