"""Planned memory against MLX's own count of it, and what is said when there is too little."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts.config.loading import build_config
from mlxts.config.model import ModelConfig
from mlxts.config.yamltext import overridden, parse_override
from mlxts.errors import BudgetError
from mlxts.model import flops, parameter_budget
from mlxts.platform import device
from mlxts.training import memory_plan
from mlxts.training.memory_plan import MemoryPlan
from mlxts.training.step_probe import Request, measure
from tests.training import worlds

MIB = 2**20


@pytest.mark.parametrize("channels", ["mixing", "independent"])
@pytest.mark.parametrize(("micro_batch", "parts"), [(32, 1), (16, 3)])
def test_the_formula_is_what_mlx_counts(channels: str, micro_batch: int, parts: int) -> None:
    settings = worlds.configuration(model__channels=channels)
    shape = parameter_budget.solve(settings.budget, 20, settings.model)
    counted = MemoryPlan.counted(settings, shape).peak(micro_batch, parts)
    measured = measure(settings, shape, Request(micro_batch, parts)).mlx_bytes
    assert counted / measured == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(
    "change", [{"gradient_checkpointing": True}, {"precision": "bfloat16"}], ids=str
)
def test_the_formula_knows_checkpoints_and_halves(change: dict[str, object]) -> None:
    settings = worlds.configuration(model__channels="independent", budget="0.2M")
    training = settings.training.model_copy(update=change)
    settings = settings.model_copy(update={"training": training})
    shape = parameter_budget.solve(settings.budget, 20, settings.model)
    counted = MemoryPlan.counted(settings, shape).peak(8)
    assert counted / measure(settings, shape, Request(8)).mlx_bytes == pytest.approx(1, abs=0.25)


def test_a_line_through_two_measurements_meets_a_third() -> None:
    settings = worlds.configuration(model__channels="independent")
    shape = parameter_budget.solve(settings.budget, 20, settings.model)
    small, large = (measure(settings, shape, Request(n, update=False)).mlx_bytes for n in (4, 8))
    whole = measure(settings, shape, Request(1)).mlx_bytes
    plan = MemoryPlan.fitted((4, small), (8, large), whole, shape)
    measured = measure(settings, shape, Request(32)).mlx_bytes
    # A few percent of what is measured depend on how far MLX allocates ahead.
    assert plan.peak(32) / measured == pytest.approx(1, abs=0.1)


def test_micro_batches_bound_the_memory_of_a_batch() -> None:
    settings = worlds.configuration()
    shape = parameter_budget.solve(settings.budget, 20, settings.model)
    one = measure(settings, shape, Request(16, parts=1)).mlx_bytes
    eight = measure(settings, shape, Request(16, parts=8)).mlx_bytes
    assert eight <= one + 2 * flops.gradient_bytes(shape)


def test_checkpointing_is_planned_with_less() -> None:
    plain = worlds.configuration()
    less = worlds.configuration(training__gradient_checkpointing=True)
    shape = parameter_budget.solve("200M", 20, ModelConfig(channels="independent"))
    plans = [MemoryPlan.counted(settings, shape) for settings in (plain, less)]
    assert plans[1].slope < plans[0].slope / 2
    assert plans[1].update == plans[0].update


@given(
    st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**9),
    st.integers(1, 200), st.floats(0, 1e10),
)  # fmt: skip
def test_what_is_said_to_fit_fits_and_what_is_left_out_does_not(
    update, fixed, slope, another, batch, room
):
    plan = MemoryPlan(update, fixed, slope, another)
    fitting = plan.fitting(batch, room)
    assert fitting == sorted(fitting, reverse=True)
    divisors = [size for size in range(1, batch + 1) if batch % size == 0]
    for size in divisors:
        assert (plan.peak(size, batch // size) <= room) == (size in fitting)


def test_a_run_that_does_not_fit_now_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available_memory", lambda: 500 * MIB)
    monkeypatch.setattr(device, "memory_outside_mlx", lambda: 100 * MIB)
    memory_plan.check(300 * MIB, 100 * MIB)
    with pytest.raises(BudgetError, match="can be had now"):
        memory_plan.check(301 * MIB, 100 * MIB)


def test_what_would_fit_is_named_and_does() -> None:
    settings = build_config(
        {
            "name": "large", "mode": "exploratory", "budget": "200M",
            "features": {"tier": 2000}, "model": {"channels": "independent"},
        }
    )  # fmt: skip
    shape = parameter_budget.solve("200M", 2000, settings.model)
    rows, room = 8000, 60 * 2**30
    features = 4 * rows * 2000
    found = memory_plan.alternatives(settings, shape, features, room)
    assert [text.partition("=")[0] for text in found] == [
        "training.gradient_checkpointing", "model.channels", "features.tier", "budget",
    ]  # fmt: skip
    for text in found:
        change = parse_override(text.partition(" (")[0])
        values = overridden(settings.model_dump(mode="json"), dict([change]))
        other = build_config(values)
        solved = parameter_budget.solve(other.budget, other.features.tier, other.model)
        assert MemoryPlan.counted(other, solved).peak(1, 64) <= room + features
    error = memory_plan.nothing_fits(settings, shape, features, 2**30)
    assert "what would fit: model.channels=mixing" not in str(error)
    assert "1.0 GiB can be had" in str(error)


def test_scoring_takes_no_more_than_training() -> None:
    for channels in ("mixing", "independent"):
        for features in (20, 2000):
            shape = parameter_budget.solve(
                "2M", features, ModelConfig.model_validate({"channels": channels})
            )
            for micro_batch in (1, 4, 64):
                at_once = flops.evaluation_batch(shape, micro_batch)
                assert at_once >= micro_batch
                if at_once > micro_batch:
                    step = flops.activation_bytes(shape, micro_batch)
                    assert flops.forward_bytes(shape, at_once) <= step
