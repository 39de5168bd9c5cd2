"""FLOPs and bytes against counting loops."""

import pytest

from mlxts.config.model import ModelConfig
from mlxts.model import flops, parameter_budget
from mlxts.model.patchtst import Shape


def test_forward_flops_are_twice_the_multiplications_of_every_product() -> None:
    s = Shape("mixing", 20, 80, 16, 8, 32, 2, 4, 96, 7)
    products = [(80, 20, 7), (9, 16 * 7, 32), (1, 9 * 32, 1)]
    for _ in range(s.depth):
        products += [(9, 32, 96), (9, 32, 32), (9, 32, 96), (9, 96, 32)]
        products += [(9, 8, 9), (9, 9, 8)] * s.heads
    assert flops.forward_flops(s) == 2 * sum(m * k * n for m, k, n in products)


def test_independent_channels_cost_one_encoder_pass_each() -> None:
    few = parameter_budget.solve("2M", 20, ModelConfig(channels="independent"))
    many = parameter_budget.solve("2M", 2000, ModelConfig(channels="independent"))
    assert flops.forward_flops(many) / flops.forward_flops(few) == pytest.approx(100, rel=0.01)


def test_activations_grow_with_the_micro_batch_and_shrink_with_checkpoints_and_halves() -> None:
    for channels in ("mixing", "independent"):
        shape = parameter_budget.solve(
            "20M", 20, ModelConfig.model_validate({"channels": channels})
        )
        one = flops.activation_bytes(shape, 1)
        assert flops.activation_bytes(shape, 64) == 64 * one
        assert flops.activation_bytes(shape, 1, precision="bfloat16") == one // 2
        assert flops.activation_bytes(shape, 1, checkpointing=True) < one


def test_a_resting_model_is_weights_and_two_moments() -> None:
    shape = parameter_budget.solve("2M", 20, ModelConfig())
    weights = 4 * parameter_budget.count(shape).total
    assert flops.resting_bytes(shape) == 3 * weights
    assert flops.resting_bytes(shape, "bfloat16") == 4 * weights
    assert flops.update_bytes(shape) == round(4.4 * weights)


def test_a_step_never_waits_for_memory_before_it_holds_twice_the_activations_counted() -> None:
    for budget, samples in (("2M", 64), ("200M", 16)):
        shape = parameter_budget.solve(budget, 20, ModelConfig())
        weights = 4 * parameter_budget.count(shape).total
        passes = 3 * weights + 2 * flops.activation_bytes(shape, samples)
        largest = flops.largest_bytes(shape, samples)
        assert largest == max(passes, flops.update_bytes(shape))
        assert flops.largest_bytes(shape, samples, 2) == max(passes + 2 * weights, largest)
