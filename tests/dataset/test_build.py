"""From a configuration to arrays: aligned, causal, purged, and complete."""

import itertools
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts import memo
from mlxts.config.loading import build_config
from mlxts.data import bars as timescale_bars
from mlxts.data import calendar, store
from mlxts.data.exogenous_catalog import SERIES
from mlxts.data.sources.files import FilesSource
from mlxts.dataset import labels as targets
from mlxts.dataset.build import BAR_COLUMNS, build_dataset, feature_array
from mlxts.dataset.rotated_labels import rotate_labels
from mlxts.dataset.samples import Dataset, Samples, eligible_rows, subsample_dates
from mlxts.errors import EmptySplitError
from mlxts.features import engine, tiers
from mlxts.platform import device
from mlxts.protocol import SPLIT_NAMES, SPLITS, TASKS, TIMESCALES
from mlxts.simulation.source import SimulatedSource

modest = settings(max_examples=60, deadline=None)


def settings_of(**data):
    return build_config(
        {
            "name": "t",
            "horizon": 3,
            "data": {"source": "simulated", "symbols": ["SPY", "DIA"]} | data,
        }
        | {"mode": "exploratory"}
    )


def register(*symbols: str, first: date, last: date, seed: int = 0) -> None:
    source = SimulatedSource("sv", seed=seed, first=first, last=last)
    for symbol in symbols:
        fetched = source.fetch(symbol)
        store.register_raw(
            fetched.frame, source="simulated", symbol=symbol, parameters=fetched.parameters
        )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(tmp_path_factory.mktemp("home")))
        register("SPY", "DIA", first=date(2019, 1, 2), last=date(2025, 6, 30))
        return build_dataset(settings_of())


def complete(built: Dataset) -> np.ndarray:
    """(rows,) bool: every feature is past its warm-up."""
    raw = engine.build(built.bars.lazy(), built.names)
    return raw.select(pl.all_horizontal(pl.col(built.names).is_not_null())).to_series().to_numpy()


@modest
@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=30), min_size=1, max_size=3),
    st.integers(1, 8),
)
def test_a_window_is_eligible_when_all_its_rows_are_complete_and_of_one_symbol(series, context):
    symbols = np.array([f"S{number}" for number, flags in enumerate(series) for _ in flags])
    whole = np.array([flag for flags in series for flag in flags])
    expected = [
        t + 1 >= context
        and len(set(symbols[t + 1 - context : t + 1])) == 1
        and bool(whole[t + 1 - context : t + 1].all())
        for t in range(len(symbols))
    ]
    assert eligible_rows(symbols, whole, context).tolist() == expected


def test_what_another_seed_reads_is_equal_to_the_last_byte(tmp_path, monkeypatch):
    """So that whatever is fitted on it is the same (`memo.py`)."""
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    register("SPY", "DIA", first=date(2019, 1, 2), last=date(2025, 6, 30))
    computed, read = (build_dataset(settings_of().model_copy(update={"seed": n})) for n in (0, 1))
    assert memo.fingerprint(computed) == memo.fingerprint(read)


def test_every_window_lies_in_one_symbol_past_the_warm_up(built):
    known, symbols = complete(built), built.bars["symbol"].to_numpy()
    for samples in built.samples.values():
        windows = samples.rows[:, None] - np.arange(built.context)
        assert known[windows].all()
        assert (symbols[windows] == samples.symbols[:, None]).all()


def test_features_and_bars_share_their_rows(built):
    raw = engine.build(built.bars.lazy(), tiers.tier(20))
    assert built.names == tiers.tier(20)
    assert built.features.dtype == np.float32
    assert built.features.flags.c_contiguous
    assert not built.features.flags.writeable
    assert (built.features == raw.select(built.names).fill_null(0.0).to_numpy()).all()
    assert built.bars.columns[:7] == list(BAR_COLUMNS)
    assert "oracle_threshold_1pct_h3" in built.bars.columns


def test_the_features_stand_once_for_host_and_device(built):
    import mlx.core as mx

    if device.device() == "cuda":
        pytest.skip("the memory of this device is its own")
    mx.clear_cache()  # a buffer from there may be larger than what it is used for
    before = mx.get_active_memory()
    array, _ = feature_array(engine.build(built.bars.lazy(), built.names).lazy(), built.names)
    assert mx.sum(device.on_device(array)).item() != 0
    assert mx.get_active_memory() - before == array.nbytes


def test_samples_carry_the_dates_symbols_and_targets_of_their_rows(built):
    labels = targets.compute(built.bars, TASKS["threshold_1pct"], 3)
    for samples in built.samples.values():
        rows = labels[samples.rows.tolist()]
        assert (rows["date"].to_numpy() == samples.dates).all()
        assert rows["symbol"].to_list() == samples.symbols.tolist()
        assert (rows["target"].to_numpy() == samples.targets).all()
        assert (rows["label_end"].to_numpy() == samples.label_end).all()
        order = sorted(zip(samples.dates.tolist(), samples.symbols.tolist(), strict=True))
        assert order == list(zip(samples.dates.tolist(), samples.symbols.tolist(), strict=True))


def test_every_eligible_decision_is_in_one_split_or_lost_to_the_purge(built):
    fits = eligible_rows(built.bars["symbol"].to_numpy(), complete(built), built.context)
    assert (fits == built.eligible).all()
    used = np.concatenate([built.samples[name].rows for name in SPLIT_NAMES])
    assert len(np.unique(used)) == len(used)
    left_out = set(np.flatnonzero(fits)) - set(used.tolist())
    # Two borders and the end of the data, three decisions before each, two symbols.
    assert len(left_out) == 3 * built.horizon * 2
    borders = SPLITS["protocol"]
    for row in left_out:
        day = built.bars["date"][int(row)]
        assert (
            borders.train[1].replace(day=20) < day <= borders.train[1]
            or borders.validation[1].replace(day=20) < day <= borders.validation[1]
            or day > date(2025, 6, 20)
        )


def test_context_reaches_back_over_the_border(built):
    first = built.samples["validation"].rows.min()
    window = built.bars["date"][int(first) - built.context + 1]
    assert built.bars["date"][int(first)] == date(2023, 1, 3)
    assert window < date(2022, 12, 31)


def test_the_same_data_hash_alike_and_other_bars_do_not(built, tmp_path, monkeypatch):
    span = {"first": date(2019, 1, 2), "last": date(2025, 6, 30)}
    hashes = []
    for home, seed in (("again", 0), ("other", 1)):
        monkeypatch.setenv("MLXTS_HOME", str(tmp_path / home))
        register("SPY", "DIA", **span, seed=seed)
        hashes.append(build_dataset(settings_of()).data_hash)
    assert hashes[0] == built.data_hash != hashes[1]


def test_bars_that_end_before_validation_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    register("SPY", first=date(2019, 1, 2), last=date(2022, 6, 30))
    with pytest.raises(EmptySplitError, match="validation split") as refusal:
        build_dataset(settings_of(symbols=["SPY"]))
    assert "\n" not in str(refusal.value)


def test_bars_that_begin_after_training_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    register("SPY", first=date(2023, 1, 3), last=date(2025, 6, 30))
    with pytest.raises(EmptySplitError, match="train split"):
        build_dataset(settings_of(symbols=["SPY"]))


def test_an_empty_test_split_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    register("SPY", first=date(2019, 1, 2), last=date(2023, 6, 30))
    samples = build_dataset(settings_of(symbols=["SPY"])).samples
    assert len(samples["test"]) == 0 < len(samples["validation"])


def test_a_joined_series_is_known_on_a_share_of_the_scored_assets_training_days(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    register("SPY", first=date(2019, 1, 2), last=date(2024, 12, 31))
    register("DIA", first=date(2021, 1, 4), last=date(2024, 12, 31))
    days = calendar.sessions(date(2022, 1, 3), date(2024, 12, 31))
    values = pl.DataFrame({"date": days, "value": np.linspace(10.0, 30.0, len(days))})
    store.register_raw(values, source="files", symbol="VIX", parameters={})
    built = build_dataset(settings_of(symbols=["SPY", "DIA"], exogenous=["VIX"]))
    train = built.samples["train"]
    own = train.dates[train.symbols == "SPY"]
    known = own >= np.datetime64("2022-01-03") + SERIES["VIX"].lag_days
    assert built.coverage == {"VIX": pytest.approx(known.mean())}
    assert 0.2 < known.mean() < 0.5


@pytest.fixture(scope="module", params=[name for name in TIMESCALES if name != "daily"])
def scaled(request, tmp_path_factory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(tmp_path_factory.mktemp("home")))
        register("SPY", first=date(2004, 1, 2), last=date(2025, 6, 30))
        register("DIA", first=date(2005, 3, 9), last=date(2025, 6, 30))
        values = {"name": "t", "mode": "exploratory", "timescale": request.param}
        data = {"source": "simulated", "symbols": ["SPY", "DIA"]}
        return build_dataset(build_config(values | {"data": data}))


def test_a_sample_is_a_day_with_that_days_target(scaled):
    assert scaled.horizon == scaled.timescale.horizon
    labels = targets.compute(scaled.daily, scaled.task, scaled.horizon)
    for samples in scaled.samples.values():
        days, bars = labels[samples.daily_rows.tolist()], scaled.bars[samples.rows.tolist()]
        for table in (days, bars):
            assert (table["date"].to_numpy() == samples.dates).all()
            assert table["symbol"].to_list() == samples.symbols.tolist()
        assert (days["target"].to_numpy() == samples.targets).all()
        assert (days["label_end"].to_numpy() == samples.label_end).all()
        assert (bars["phase"].to_numpy() == samples.phases).all()
        closes = scaled.daily["close"].to_numpy()[samples.daily_rows]
        assert (bars["close"].to_numpy() == closes).all()


def test_no_day_is_sampled_twice_and_no_window_leaves_its_phase(scaled):
    used = np.concatenate([scaled.samples[name].daily_rows for name in SPLIT_NAMES])
    assert len(np.unique(used)) == len(used)
    series = scaled.bars.select(pl.struct("symbol", "phase").rank("dense")).to_series().to_numpy()
    assert scaled.eligible.any()
    for row in np.flatnonzero(scaled.eligible):
        assert len(set(series[row - scaled.context + 1 : row + 1])) == 1


def test_where_no_one_traded_no_one_decides(scaled):
    traded = scaled.bars.join(scaled.daily, on=["date", "symbol"], how="semi")
    untraded = scaled.bars.join(scaled.daily, on=["date", "symbol"], how="anti")["date"].to_list()
    assert traded.height + len(untraded) == scaled.bars.height
    assert not any(calendar.is_session(day) for day in untraded)
    assert (date(2004, 6, 11) in untraded) == (scaled.timescale.unit != "session")
    decided = scaled.bars.filter(pl.Series(scaled.eligible))["date"].to_list()
    assert all(calendar.is_session(day) for day in decided)


def test_validation_decides_on_every_day_but_the_purged_and_the_rarest_phases(scaled):
    samples = scaled.samples["validation"]
    days = calendar.sessions(date(2023, 1, 1), date(2024, 12, 31))
    wanted = set(days[: len(days) - scaled.horizon])
    found = set(samples.dates[samples.symbols == "SPY"].tolist())
    assert found <= wanted
    without = _in_windows_with_long_bars(scaled)
    assert not found & without
    ends, phases = timescale_bars.schedule(scaled.timescale, date(2024, 12, 31))
    rare = {day for day, phase in zip(ends.tolist(), phases, strict=True) if phase >= 19}
    young = rare if scaled.timescale.unit == "month" else set()  # fewer bars than a window holds
    assert wanted - found <= without | young


def _in_windows_with_long_bars(data: Dataset) -> set[date]:
    """Days of SPY whose window holds a bar over more than twice the timescale's sessions, one after
    the other."""
    usual, found = 2 * timescale_bars.spacing(data.timescale), set()
    by_rule = data.timescale.unit != "session"
    sessions = calendar.scheduled_sessions if by_rule else calendar.sessions
    for _, own in data.bars.filter(symbol="SPY").group_by("phase", maintain_order=True):
        ends = own["date"].to_list()
        spans = [usual] + [
            len(sessions(before + timedelta(1), end)) for before, end in itertools.pairwise(ends)
        ]
        for last in range(data.context - 1, len(ends)):
            if max(spans[last - data.context + 1 : last + 1]) > usual:
                found.add(ends[last])
    return found


def test_days_without_a_decision_are_counted(scaled):
    undecided = {day for day in _in_windows_with_long_bars(scaled) if calendar.is_session(day)}
    if scaled.timescale.unit == "session":
        assert not undecided
    assert scaled.undecided <= len(undecided)
    if scaled.timescale.name in ("weekly", "monthly"):
        assert scaled.undecided > 0


@pytest.mark.realdata
def test_spy_has_every_validation_day_but_the_purged(tmp_path, monkeypatch, realdata):
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    fetched = FilesSource(realdata / "etf" / "SPY.parquet").fetch("SPY")
    store.register_raw(fetched.frame, source="files", symbol="SPY", parameters=fetched.parameters)
    counts = {
        horizon: len(
            build_dataset(build_config({"name": "t", "horizon": horizon})).samples["validation"]
        )
        for horizon in (1, 2, 3, 5)
    }
    assert counts == {1: 501, 2: 500, 3: 499, 5: 497}


shares = st.floats(0.01, 1.0)


@modest
@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), shares, shares, st.booleans())
def test_a_smaller_share_of_the_training_dates_lies_in_a_larger_one(days, one, other, blocks):
    dates = np.datetime64("2015-01-01") + np.sort(days)
    everything = Samples(
        np.arange(len(dates), dtype=np.int32), dates, np.full(len(dates), "A"),
        np.zeros(len(dates), np.float32), dates + 1, np.zeros(len(dates), np.int16),
        np.arange(len(dates), dtype=np.int32),
    )  # fmt: skip
    seed = 7 if blocks else None
    less, more = (subsample_dates(everything, share, seed) for share in sorted((one, other)))
    assert set(less.rows) <= set(more.rows) <= set(everything.rows)
    for share, kept in zip(sorted((one, other)), (less, more), strict=True):
        wanted = np.ceil(share * len(np.unique(dates)))
        assert len(np.unique(kept.dates)) == wanted
        assert len(kept) == np.isin(dates, kept.dates).sum()  # whole dates, in their old order
        assert (np.diff(kept.rows) > 0).all()
        if not blocks:
            assert set(kept.dates) == set(np.unique(dates)[-int(wanted) :])


def test_a_share_of_the_training_dates_is_the_latest_and_changes_no_other_split(built, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(tmp_path))
        register("SPY", "DIA", first=date(2019, 1, 2), last=date(2025, 6, 30))
        less = build_dataset(settings_of(train_fraction=0.25))
    whole, kept = built.samples["train"], less.samples["train"]
    assert kept.dates.max() == whole.dates.max()
    assert kept.label_end.max() < np.datetime64("2023-01-01")
    first = np.unique(whole.dates)[-len(np.unique(kept.dates))]
    assert kept.dates.min() == first
    assert set(kept.symbols) == {"SPY", "DIA"}
    assert kept.rows.tolist() == whole.rows[whole.dates >= first].tolist()
    for split in ("validation", "test"):
        assert less.samples[split].rows.tolist() == built.samples[split].rows.tolist()
    assert (less.features == built.features).all()


def drawn_samples(sizes: dict[str, int], seed: int) -> Samples:
    """Samples of several symbols with random targets, sorted by (date, symbol)."""
    rng = np.random.default_rng(seed)
    days = np.concatenate([np.arange(n) for n in sizes.values()]).astype("datetime64[D]")
    symbols = np.repeat(list(sizes), list(sizes.values())).astype(str)
    order = np.lexsort((symbols, days))
    n = len(order)
    return Samples(
        rows=order.astype(np.int32),
        dates=days[order],
        symbols=symbols[order],
        targets=rng.random(n).astype(np.float32),
        label_end=days[order] + 1,
        phases=np.zeros(n, dtype=np.int16),
        daily_rows=order.astype(np.int32),
    )


@modest
@given(st.integers(1, 3), st.integers(1, 2500), st.integers(1, 2500), st.integers(0, 99))
def test_shifted_labels_are_those_of_a_year_later_of_the_same_asset(years, a, b, seed):
    samples = drawn_samples({"A": a, "B": b}, seed)
    moved = rotate_labels(samples, years, TIMESCALES["daily"])
    for symbol, n in (("A", a), ("B", b)):
        of = samples.symbols == symbol
        later = min(252 * years, n // 2)
        expected = [samples.targets[of][(t + later) % n] for t in range(n)]
        assert moved.targets[of].tolist() == expected
    for name in ("rows", "dates", "symbols", "label_end", "daily_rows"):
        assert getattr(moved, name) is getattr(samples, name)


def test_a_label_shift_keeps_all_but_the_signal(built, tmp_path, monkeypatch):
    """The very samples of before, with other targets, in every split."""
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    register("SPY", "DIA", first=date(2019, 1, 2), last=date(2025, 6, 30))
    moved = build_dataset(settings_of(rotate_labels_years=1))
    for name in SPLIT_NAMES:
        before, after = built.samples[name], moved.samples[name]
        assert (before.rows == after.rows).all()
        assert (before.label_end == after.label_end).all()
        assert before.targets.mean() == pytest.approx(after.targets.mean())
    train = built.samples["train"], moved.samples["train"]
    assert 0.3 < (train[0].targets != train[1].targets).mean() < 0.7
