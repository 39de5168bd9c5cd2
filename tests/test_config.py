"""What a configuration accepts, refuses, and is remembered by."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxts import config, protocol
from mlxts.errors import ConfigError

ROOT = Path(__file__).parents[1]


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda p: p.name)
def test_every_shipped_configuration_is_valid_and_named_after_its_file(path: Path) -> None:
    assert config.load(path).name == path.stem


def test_phase1_has_a_strict_configuration_for_every_budget_and_task() -> None:
    names = {path.stem for path in (ROOT / "configs" / "phase1").glob("*.yaml")}
    strict = [b.name for b in protocol.BUDGETS.values() if b.strict]
    assert names == {f"{b}-daily-{t}" for b in strict for t in protocol.TASKS}
    for path in (ROOT / "configs" / "phase1").glob("*.yaml"):
        loaded = config.load(path)
        assert loaded.mode == "strict"
        assert f"{loaded.budget}-{loaded.timescale}-{loaded.task}" == path.stem


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001", "1E-4"])
def test_a_small_number_may_be_written_as_people_write_it(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, f"training: {{learning_rate: {text}}}")
    assert config.load(path).training.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bugdet: 2M", "unknown key bugdet"),
        ("model: {dept: 3}", "unknown key model.dept"),
        ("seed: many", "seed"),
        ("training: {batch_size: 0}", "training.batch_size"),
        ("training: {learning_rate: .nan}", "training.learning_rate"),
        ("training: {batch_size: 64, micro_batch: 5}", "micro_batch: 5 does not divide"),
        ("budget: 3M", "budget: 3M is none of"),
        ("budget: 6M", "not a protocol budget"),
        ("task: up", "task: up is none of"),
        ("timescale: hourly", "timescale: hourly is none of"),
        ("horizon: 7", "horizon: 7 is fixed at 1, 2, 3, 5 in strict mode"),
        ("model: {dropout: 0.1}", "model.dropout: 0.1 is fixed at 0.5 in strict mode"),
        ("training: {learning_rate: 1e-3}", "training.learning_rate"),
        ("model: {context: 60}", "model.context: 60"),
        ("model: {revin: {statistics_to_head: true}}", "statistics_to_head"),
        ("data: {splits: sample}", "data.splits: sample"),
        ("features: {tier: 30}", "tier: 30 is none of 20, 50"),
        ("data: {symbols: [QQQ]}", "score_on: SPY is not among symbols"),
        ("data: {symbols: [SPY, SPY]}", "named twice"),
        ("model: {patch_length: 90}", "longer than context"),
        ("- a list", "holds no mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(_write(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration at"):
        config.load(tmp_path / "absent.yaml")


def test_exploratory_mode_opens_what_strict_mode_fixes(tmp_path: Path) -> None:
    text = "{mode: exploratory, budget: 6M, horizon: 7, model: {dropout: 0.1, context: 60}}"
    loaded = config.load(_write(tmp_path, text))
    assert (loaded.budget, loaded.horizon, loaded.model.dropout) == ("6M", 7, 0.1)


@pytest.mark.parametrize("name", protocol.TIMESCALES)
def test_the_horizon_follows_the_timescale(name: str) -> None:
    loaded = config.build({"name": "x", "timescale": name})
    assert loaded.horizon == protocol.TIMESCALES[name].horizon


def test_overrides_reach_any_depth_and_keep_their_type(tmp_path: Path) -> None:
    overrides = dict(
        map(config.parse_override, ["seed=3", "model.depth=6", "data.symbols=[SPY, QQQ]"])
    )
    loaded = config.load(_write(tmp_path, "model: {ffn_ratio: 2}"), overrides)
    assert (loaded.seed, loaded.model.depth, loaded.model.ffn_ratio) == (3, 6, 2.0)
    assert loaded.data.symbols == ("SPY", "QQQ")


@pytest.mark.parametrize("text", ["seed", "=3", "seed=["])
def test_a_malformed_override_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        config.parse_override(text)


def test_an_override_cannot_go_through_a_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed is a value, not a section"):
        config.load(_write(tmp_path, "seed: 1"), {"seed.deeper": 2})


@given(seed=st.integers(0, 2**32 - 1), tier=st.sampled_from(protocol.TIERS))
def test_what_is_written_reads_back_as_the_same_experiment(seed: int, tier: int) -> None:
    first = config.build({"name": "x", "seed": seed, "features": {"tier": tier}})
    again = config.build(config.parse_yaml(first.to_yaml()))
    assert again == first
    assert again.hash == first.hash


def test_the_hash_knows_what_decides_the_numbers_and_nothing_else() -> None:
    base = {"name": "x"}
    same = [
        {"name": "y"},
        {"name": "x", "thermal": {"sensor": "off"}},
        {"name": "x", "checkpoint": {"every_seconds": 1}},
        {"name": "x", "horizon": 1},
    ]
    other = [{"seed": 1}, {"horizon": 2}, {"task": "direction"}, {"training": {"beta1": 0.8}}]
    reference = config.build(base).hash
    assert {config.build(values).hash for values in same} == {reference}
    assert reference not in {config.build({**base, **values}).hash for values in other}
