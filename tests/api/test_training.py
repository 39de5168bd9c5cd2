"""`mlxts.train` and `mlxts.sweep`: no command line, no file of data."""

import os
import signal

import polars as pl
import pytest

import mlxts
from mlxts.data import store
from mlxts.errors import ConfigError, DataError, RunError
from mlxts.training.events import CompileEvent, Event, StartEvent, StopEvent
from tests.api.conftest import CONFIG, frame


def test_a_frame_is_stored_as_data_of_ones_own_and_names_the_run_by_its_content(run) -> None:
    assert run.config.mode == "exploratory"
    pinned = run.config.data.artifact_sha256
    (artifact,) = (a for a in store.raw_artifacts() if a.sha256 == pinned["ASSET"])
    assert artifact.dataset == "files/ASSET"
    again = mlxts.train(CONFIG, data=pl.from_pandas(frame(), include_index=True).lazy())
    assert again.id == run.id
    other = frame()
    other.loc[other.index[-1], "Close"] *= 0.9999
    with pytest.raises(ConfigError, match=r"training.batch_size: 100000 is more"):
        mlxts.train(CONFIG, data=other, overrides={"training.batch_size": 100_000})
    assert store.raw_artifacts()[-1].sha256 != artifact.sha256


def test_training_that_is_stopped_is_continued_by_the_same_call_which_tells_progress_alone(
    run, capsys
) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, CompileEvent):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="the same call continues it"):
        mlxts.train({**CONFIG, "seed": 1}, data=frame(), progress=interrupt)
    events: list[Event] = []
    other = mlxts.train({**CONFIG, "seed": 1}, data=frame(), progress=events.append)
    assert other.id != run.id
    assert [event.resumed for event in events if isinstance(event, StartEvent)] == [True]
    assert isinstance(events[-1], StopEvent)
    assert capsys.readouterr() == ("", "")


def test_a_sweep_is_a_frame_with_a_column_for_each_axis(run) -> None:
    sweep = {"name": "seeds", "base": CONFIG, "axes": {"seed": [0, 1]}}
    rows = mlxts.sweep(sweep, data=frame())
    assert rows["seed"].to_list() == [0, 1]
    assert rows["state"].to_list() == ["done", "done"]
    assert rows["run_id"][0] == run.id
    assert rows["log_loss"].null_count() == 0
    shorter = mlxts.sweep({**sweep, "axes": {"seed": [0]}}, data=frame().iloc[:-20])
    assert shorter["run_id"][0] != run.id


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((CONFIG, {"a": [1]}), DataError, "data is a dict"),
        ((CONFIG, frame().drop(columns="Volume")), DataError, "no column Volume"),
        ((3,), ConfigError, "not int"),
        (({**CONFIG, "modell": {}}, frame()), ConfigError, "modell"),
        (("nowhere.yaml",), ConfigError, "no configuration at nowhere.yaml"),
        (({**CONFIG, "mode": "strict"}, frame()), ConfigError, "budget: 0.02M"),
    ],
)
def test_what_cannot_be_trained_is_named(run, arguments, error, says) -> None:
    with pytest.raises(error, match=says):
        mlxts.train(*arguments)


def test_findings_that_do_not_refuse_a_frame_are_warned_of(run) -> None:
    gappy = frame().drop(frame().index[100:130])
    with pytest.warns(UserWarning, match="bars of ASSET: 1 gap"), pytest.raises(ConfigError):
        mlxts.train(CONFIG, data=gappy, overrides={"training.batch_size": 100_000})


def test_a_run_that_does_not_exist_is_named(run) -> None:
    with pytest.raises(RunError, match="absent"):
        mlxts.evaluate("absent")
