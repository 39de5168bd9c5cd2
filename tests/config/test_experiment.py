"""What a configuration accepts, refuses, and is remembered by."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mlxts import protocol
from mlxts.config import dataset_matrix
from mlxts.config.data import DataConfig
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config, load_config
from mlxts.config.yamltext import overridden, parse_override, parse_yaml
from mlxts.errors import ConfigError

ROOT = Path(__file__).parents[2]


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return path


SHIPPED = sorted(
    set((ROOT / "configs").rglob("*.yaml")) - set((ROOT / "configs" / "sweeps").iterdir())
)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_every_shipped_configuration_is_valid_and_named_after_its_file(path: Path) -> None:
    assert load_config(path).name == path.stem


def test_phase1_has_a_strict_configuration_for_every_budget_and_task() -> None:
    names = {path.stem for path in (ROOT / "configs" / "phase1").glob("*.yaml")}
    strict = [b.name for b in protocol.BUDGETS.values() if b.strict]
    assert names == {f"{b}-daily-{t}" for b in strict for t in protocol.TASKS if t != "range"}
    for path in (ROOT / "configs" / "phase1").glob("*.yaml"):
        loaded = load_config(path)
        assert loaded.mode == "strict"
        assert f"{loaded.budget}-{loaded.timescale}-{loaded.task}" == path.stem


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001", "1E-4"])
def test_a_small_number_may_be_written_as_people_write_it(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, f"training: {{learning_rate: {text}}}")
    assert load_config(path).training.learning_rate == 1e-4


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
        (
            "data: {splits: {train_end: 2010-12-31, validation_end: 2014-12-31}}",
            "data.splits: 2010-12-31/2014-12-31/open is fixed at protocol in strict mode",
        ),
        ("data: {splits: {train: 0.7}}", "data.splits: {train} is no kind of splits"),
        ("model: {last_bar_to_head: true}", "model.last_bar_to_head: True is fixed at False"),
        ("model: {asset_embedding: true}", "model.asset_embedding: True is fixed at False"),
        ("training: {stop_on: panel}", "training.stop_on: panel is fixed at samples"),
        ("data: {train_symbols: [SPY]}", "data.train_symbols: ('SPY',) is fixed at None"),
        ("training: {ema_decay: 0.99}", "training.ema_decay: 0.99 is fixed at None"),
        ("training: {ema_decay: 1.0}", "training.ema_decay"),
        ("features: {tier: 30}", "tier: 30 is none of 20, 50"),
        ("data: {symbols: [QQQ]}", "score_on: SPY is not among symbols"),
        ("data: {symbols: [SPY, SPY]}", "named twice"),
        ("model: {patch_length: 90}", "longer than context"),
        ("- a list", "holds no mapping"),
        ("a: [", "is not YAML: line 1"),
        ("seed: 1\nseed: 2", "line 2: the key seed occurs twice"),
        ('seed: "1"', "seed: should be a whole number"),
        ("seed: 1.0", "(got 1.0)"),
        ("seed: yes", '(got "yes")'),
        ("seed: true", "(got true)"),
        ("training: {max_epochs: 1e1}", "training.max_epochs: should be a whole number"),
        ("{mode: exploratory, horizon: 99999999999}", "horizon: "),
        ("{mode: exploratory, data: {walk_forward_window: 2000}}", "data.walk_forward_window: "),
        ('training: {weight_decay: "0.1"}', "training.weight_decay: should be a number"),
        ("model: {res_attention: 1}", "model.res_attention: should be true or false"),
        ("model: {res_attention: on}", "model.res_attention: should be true or false"),
        ("budget: 2", "budget: should be text"),
        ("training:", "training: should be a section"),
        ("data: {symbols: SPY}", "data.symbols: should be a list"),
        ("data: {symbols: [1]}", "data.symbols.0: should be text"),
        ("data: {cell: Cb, symbols: null}", "data.symbols: should be a list"),
        ("data: {cell: Cb, exogenous: 3}", "data.exogenous: should be a list"),
        ("data: {cell: Cb, symbols: {SPY: 1}}", "data.symbols: should be a list"),
        ("timescale: [daily]", "timescale: should be text"),
        ('"": 1', "unknown key (empty)"),
        ("1: 2", "a key is 1, not text"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration at"):
        load_config(tmp_path / "absent.yaml")


def test_exploratory_mode_opens_what_strict_mode_fixes(tmp_path: Path) -> None:
    text = "{mode: exploratory, budget: 6M, horizon: 7, model: {dropout: 0.1, context: 60}}"
    loaded = load_config(_write(tmp_path, text))
    assert (loaded.budget, loaded.horizon, loaded.model.dropout) == ("6M", 7, 0.1)


@pytest.mark.parametrize("name", protocol.TIMESCALES)
def test_the_horizon_follows_the_timescale(name: str) -> None:
    loaded = build_config({"name": "x", "timescale": name})
    assert loaded.horizon == protocol.TIMESCALES[name].horizon


def test_overrides_reach_any_depth_and_keep_their_type(tmp_path: Path) -> None:
    overrides = dict(map(parse_override, ["seed=3", "model.depth=6", "data.symbols=[SPY, QQQ]"]))
    loaded = load_config(_write(tmp_path, "{mode: exploratory, model: {ffn_ratio: 2}}"), overrides)
    assert (loaded.seed, loaded.model.depth, loaded.model.ffn_ratio) == (3, 6, 2.0)
    assert loaded.data.symbols == ("SPY", "QQQ")


def _keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{before}{name}.")


ODD = [
    None, True, 0, -1, 1, 2**31, 10**299, 1.5, -1.0, 1e308, math.nan, math.inf, "", "x", "a\nb",
    "\udcff", "x" * 500, [], ["x"], [None], [1], [[]], {}, {"x": 1}, {"": {"": 1}}, [{"a": 1}],
]  # fmt: skip


@pytest.mark.parametrize("key", [*_keys(ExperimentConfig), "x", "data.x", "model.revin.x"])
def test_whatever_a_key_is_given_is_taken_or_refused_in_one_line(key: str) -> None:
    bases = ({}, {"mode": "exploratory"}, {"mode": "exploratory", "data": {"cell": "Cb"}})
    for base, value in itertools.product(bases, ODD):
        try:
            built = build_config(overridden({"name": "x", **base}, {key: value}))
        except ConfigError as error:
            assert "\n" not in str(error)
            assert len(str(error).encode()) < 400
        else:
            assert build_config(parse_yaml(built.to_yaml())).hash == built.hash


@pytest.mark.parametrize("text", ["seed", "=3", "seed=[", ".seed=1", "data.=1", "data..cell=Aa"])
def test_a_malformed_override_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        parse_override(text)


def test_an_override_cannot_go_through_a_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed is a value, not a section"):
        load_config(_write(tmp_path, "seed: 1"), {"seed.deeper": 2})


def test_each_forecast_origin_draws_random_numbers_of_its_own() -> None:
    def drawn(seed: int, window: int | None) -> int:
        data = {"walk_forward_window": window}
        return build_config(
            {"name": "x", "mode": "exploratory", "seed": seed, "data": data}
        ).training_seed

    assert [drawn(seed, None) for seed in range(3)] == [0, 1, 2]
    windows = range(1, protocol.ORIGINS["protocol"] + 1)
    seeds = {drawn(seed, window) for seed in range(5) for window in windows}
    assert len(seeds) == 5 * len(windows)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert drawn(0, 1) == drawn(0, 1)


@given(seed=st.integers(0, 2**32 - 1), tier=st.sampled_from(protocol.TIERS))
def test_what_is_written_reads_back_as_the_same_experiment(seed: int, tier: int) -> None:
    first = build_config({"name": "x", "seed": seed, "features": {"tier": tier}})
    again = build_config(parse_yaml(first.to_yaml()))
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
    reference = build_config(base).hash
    assert {build_config(values).hash for values in same} == {reference}
    assert reference not in {build_config({**base, **values}).hash for values in other}


def _data(**values: object) -> DataConfig:
    return build_config({"name": "x", "mode": "exploratory", "data": values}).data


def test_a_cell_holds_all_that_the_rows_and_columns_before_it_hold() -> None:
    rows, columns = "ABCDE", "abcd"
    cells = {r + c: dataset_matrix.cell(r + c) for r in rows for c in columns}
    assert cells["Aa"] == dataset_matrix.Cell("Aa", ("SPY",), ())
    assert cells["Cb"] == dataset_matrix.Cell(
        "Cb", ("SPY", "DIA", "QQQ"), ("SFFED_NEWS_SENTIMENT",)
    )
    for row, column in ((r, c) for r in rows for c in columns):
        for before in (rows[max(rows.index(row) - 1, 0)] + column,
                       row + columns[max(columns.index(column) - 1, 0)]):  # fmt: skip
            assert set(cells[before].symbols) <= set(cells[row + column].symbols)
            assert set(cells[before].exogenous) <= set(cells[row + column].exogenous)
    assert cells["Da"].symbols == cells["Ea"].symbols
    assert not cells["Da"].exogenous
    assert len(cells["Ea"].exogenous) == 14


def test_a_cell_decides_symbols_and_series_and_survives_a_round_trip(tmp_path: Path) -> None:
    loaded = build_config({"name": "x", "data": {"cell": "Dc", "symbols": ["SPY"]}})
    assert loaded.data.symbols == dataset_matrix.cell("Dc").symbols
    assert loaded.data.exogenous == ("SFFED_NEWS_SENTIMENT", "VIX")
    assert load_config(_write(tmp_path, loaded.to_yaml())) == loaded
    assert loaded.data.title == "Dc"


def test_a_cell_and_other_contents_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match=r"symbols: cell Cb holds SPY, DIA, QQQ; leave symbols"):
        _data(cell="Cb", symbols=["SPY", "AAPL"])
    with pytest.raises(ConfigError, match="exogenous: cell Ca holds none"):
        _data(cell="Ca", exogenous=["VIX"])


@pytest.mark.parametrize("cell", ["", "A", "Fa", "Ae", "aA", "Cb "])
def test_what_is_no_cell_is_refused(cell: str) -> None:
    with pytest.raises(ConfigError, match="no cell of the dataset matrix"):
        _data(cell=cell)


def test_strict_mode_reads_cells_only() -> None:
    strict = {"name": "x", "mode": "strict"}
    for values in ({"symbols": ["SPY", "QQQ"]}, {"exogenous": ["VIX"]}):
        with pytest.raises(ConfigError, match=r"give data\.cell instead"):
            build_config({**strict, "data": values})
    assert build_config({**strict, "data": {"cell": "Ec"}}).data.cell == "Ec"
    with pytest.raises(ConfigError, match=r"data\.score_on: QQQ is fixed at SPY"):
        build_config({**strict, "data": {"cell": "Cb", "score_on": "QQQ"}})


def test_the_hash_is_that_of_a_cells_contents() -> None:
    def hash_of(**data: object) -> str:
        return build_config({"name": "x", "mode": "exploratory", "data": data}).hash

    assert hash_of(cell="Aa") == hash_of() == hash_of(symbols=["SPY"], exogenous=[])
    assert hash_of(cell="Ac") == hash_of(exogenous=["SFFED_NEWS_SENTIMENT", "VIX"])
    assert len({hash_of(cell=cell) for cell in ("Aa", "Ba", "Ab", "Bb")}) == 4


def test_switches_that_came_later_count_where_they_are_on() -> None:
    def hash_of(**training: object) -> str:
        return build_config({"name": "x", "training": training}).hash

    assert hash_of(precision="float32", gradient_checkpointing=False, ema_decay=None) == hash_of()
    assert (
        len({hash_of(), hash_of(precision="bfloat16"), hash_of(gradient_checkpointing=True)}) == 3
    )
    with pytest.raises(ConfigError, match=r"training\.precision"):
        hash_of(precision="float16")


def test_without_a_cell_the_hash_is_what_it_was_before_there_were_cells() -> None:
    loaded = load_config(ROOT / "configs" / "phase1" / "2M-daily-direction.yaml")
    assert loaded.former_hash == "7cc1cc0a272fb0cf8942a854fa94a3f6f73658d05484e7e7148384c68fde02d9"


def test_a_share_of_the_training_dates_is_another_experiment_and_pinned_bytes_are_not() -> None:
    def hash_of(**data: object) -> str:
        return build_config({"name": "x", "mode": "exploratory", "data": data}).hash

    same = [
        hash_of(train_fraction=1),
        hash_of(train_symbols=None),
        hash_of(train_blocks_seed=3),
        hash_of(artifact_sha256={"SPY": "a"}),
    ]
    assert set(same) == {hash_of()}
    other = [hash_of(train_fraction=0.5), hash_of(train_fraction=0.5, train_blocks_seed=3)]
    assert len({hash_of(), *other}) == 3
    with pytest.raises(ConfigError, match="train_fraction"):
        build_config({"name": "x", "data": {"train_fraction": 0.5}})


def test_a_bare_off_in_yaml_turns_the_sensor_off(tmp_path: Path) -> None:
    path = tmp_path / "quiet.yaml"
    path.write_text("thermal: {sensor: off}\n")
    assert load_config(path).thermal.sensor == "off"


def test_a_range_is_exploratory_and_learned_by_its_squared_error() -> None:
    with pytest.raises(ConfigError, match="task: range is not a task of the protocol"):
        build_config({"name": "t", "task": "range"})
    training = {"huber_delta": 0.5}
    loaded = [
        build_config({"name": "t", "mode": "exploratory", "task": task, "training": training})
        for task in ("regression", "range")
    ]
    assert [one.training_of_task.huber_delta for one in loaded] == [0.5, 1000.0]
    assert [one.training.huber_delta for one in loaded] == [0.5, 0.5]
