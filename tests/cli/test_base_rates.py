"""`mlxts base-rates` on simulated days: its figures are those of the samples."""

import dataclasses
import json
from datetime import date

import numpy as np
import pytest
from typer.testing import CliRunner

from mlxts.cli.app import app
from mlxts.cli.base_rates import screen
from mlxts.cli.output import show
from mlxts.config.loading import build_config
from mlxts.data import calendar, store
from mlxts.dataset.build import build_dataset
from mlxts.evaluation import base_rates
from mlxts.protocol import TASKS, TIMESCALES
from mlxts.simulation.source import SimulatedSource


def call(*arguments: str):
    return CliRunner().invoke(app, ["base-rates", *arguments], catch_exceptions=False)


@pytest.fixture(autouse=True, scope="module")
def workspace(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("COLUMNS", "80")
        for forced in ("FORCE_COLOR", "TTY_COMPATIBLE"):  # colours are characters too
            patch.delenv(forced, raising=False)
        for symbol, first in (("SPY", date(2002, 1, 2)), ("NEW", date(2019, 1, 2))):
            fetched = SimulatedSource("sv", first=first, last=date(2025, 6, 30)).fetch(symbol)
            store.register_raw(
                fetched.frame, source="simulated", symbol=symbol, parameters=fetched.parameters
            )
        yield


@pytest.fixture(scope="module")
def found(workspace) -> dict:
    return json.loads(call("--source", "simulated", "--json").stdout)


def test_every_task_and_timescale_has_its_rates(found):
    assert list(found["timescales"]) == list(TIMESCALES)
    assert found["without_samples"] == {}
    for name, entry in found["timescales"].items():
        phased = name not in ("daily", "daily_multi")
        cells = {(r["task"], r["split"], r["canonical"]) for r in entry["rates"]}
        assert len(cells) == len(entry["rates"]) == len(TASKS) * 2 * (2 if phased else 1)
        assert entry["horizon"] == TIMESCALES[name].horizon


@pytest.mark.parametrize("timescale", ["daily", "3d", "weekly", "monthly"])
def test_rates_and_counts_are_those_of_the_samples_trained_on(found, timescale):
    entry = found["timescales"][timescale]
    for task in ("direction", "threshold_2pct", "regression"):
        values = {"name": "t", "task": task, "timescale": timescale}
        data = build_dataset(build_config(values | {"data": {"source": "simulated"}}))
        for rate in (one for one in entry["rates"] if one["task"] == task):
            samples = data.samples[rate["split"]]
            chosen = samples.phases >= 0
            if rate["canonical"]:
                chosen = samples.phases == 0
            own = samples.targets[chosen].astype(np.float64)
            assert rate["n"] == len(own)
            if task == "regression":
                assert rate["deviation"] == pytest.approx(own.std())
                assert rate["n_pos"] is rate["rate"] is None
            else:
                assert rate["rate"] == pytest.approx(own.mean())
                assert rate["n_pos"] == own.sum()
    for split, samples in data.samples.items():
        expected = np.bincount(samples.phases, minlength=len(entry["samples"])).tolist()
        assert [row[split] for row in entry["samples"]] == expected


def test_cells_with_too_little_evidence_are_marked(found):
    for entry in found["timescales"].values():
        for rate in entry["rates"]:
            if not TASKS[rate["task"]].binary:
                assert rate["not_estimable"] is None
            elif min(rate["n_pos"], rate["n"] - rate["n_pos"]) < 30:
                assert "at least 30" in rate["not_estimable"]
    canonical = [
        r for r in found["timescales"]["monthly"]["rates"] if r["canonical"] and r["n"] < 60
    ]
    assert canonical
    assert all(r["not_estimable"] for r in canonical if TASKS[r["task"]].binary)


def test_the_test_years_keep_their_outcomes(found):
    splits = {r["split"] for entry in found["timescales"].values() for r in entry["rates"]}
    assert splits == {"train", "validation"}
    days = calendar.sessions(date(2025, 1, 1), date(2025, 6, 30))
    assert found["timescales"]["daily"]["samples"][0]["test"] == len(days) - 1


def test_the_tables_fit_a_terminal_and_say_what_the_mark_means():
    shown = call("--source", "simulated")
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "daily_multi" in shown.stdout
    for task in TASKS.values():
        if task.threshold:
            assert f">{task.threshold:.0%}".replace("%", "pct") in shown.stdout
    assert "*" in shown.stdout
    assert "not estimable" in shown.stderr


def test_a_table_in_which_every_cell_is_marked_fits_too(capsys):
    data = build_dataset(build_config({"name": "t", "data": {"source": "simulated"}}))
    rates = [
        dataclasses.replace(rate, n=24_000, not_estimable=None if rate.rate is None else "too few")
        for rate in base_rates.rates(data)
    ]
    show(screen(dict.fromkeys(TIMESCALES, (data, rates)), "SPY"))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for word in ("daily_multi", ">1pct", "return", "24,000"):
        assert word in shown


def test_a_timescale_without_samples_is_named_not_fatal():
    said = json.loads(call("--symbol", "new", "--source", "simulated", "--json").stdout)
    assert "monthly" in said["without_samples"]
    assert "80 monthly bars of context" in said["without_samples"]["monthly"]
    assert "daily" in said["timescales"]
