import json
import resource
import signal
from pathlib import Path

import pytest

from mlxts.errors import RunError, StorageError
from mlxts.training import log
from mlxts.training.events import EpochEvent, NoticeEvent, StepEvent, ThermalEvent, ValidationEvent
from mlxts.training.log import RunLog


def _step(step: int, loss: float = 0.5) -> StepEvent:
    return StepEvent(step, 0, loss, 1e-4, 1.0, 32, 0.1, {"active": 1, "peak": 2})


def test_numbers_and_events_go_to_their_own_files(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as write:
        write(_step(1))
        write(ValidationEvent(1, 0, 0.4, 0.4, True, (0.1, 0.3)))
        write(EpochEvent(1, 0, 0.45, 2.0))
        write(NoticeEvent(1, "look"))
    rows = log.read(tmp_path / log.METRICS)
    assert [(r["step"], r["split"], r["loss"]) for r in rows] == [
        (1, "train", 0.5),
        (1, "validation", 0.4),
        (1, "train_epoch", 0.45),
    ]
    assert [r["event"] for r in log.read(tmp_path / log.EVENTS)] == ["notice"]


def test_continuing_cuts_back_to_the_checkpoint(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as write:
        for step in range(1, 6):
            write(_step(step))
    with (tmp_path / log.METRICS).open("a") as torn:
        torn.write('{"step": 6, "spl')
    with RunLog(tmp_path, 3) as write:
        write(_step(4, loss=0.25))
    rows = log.read(tmp_path / log.METRICS)
    assert [(r["step"], r["loss"]) for r in rows] == [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.25)]


def test_beginning_anew_leaves_nothing_of_what_was_lost(tmp_path: Path) -> None:
    for loss in (0.4, 0.3):  # a process that died before its first checkpoint, and the next one
        with RunLog(tmp_path, 0) as write:
            write(ValidationEvent(0, 0, loss, loss, True, (0.1, 0.3)))
    rows = log.read(tmp_path / log.METRICS)
    assert [(r["step"], r["loss"]) for r in rows] == [(0, 0.3)]


def test_a_loss_that_is_no_number_is_null_in_valid_json(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as write:
        write(_step(1, loss=float("nan")))
    text = (tmp_path / log.METRICS).read_text()
    assert json.loads(text, parse_constant=pytest.fail)["loss"] is None


def test_routine_temperatures_are_left_out_but_changes_are_kept(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0) as write:
        write(ThermalEvent(1, "normal", 50.0, "smc", ""))
        write(ThermalEvent(2, "warning", 86.0, "smc", "85 degrees reached"))
    assert [r["band"] for r in log.read(tmp_path / log.EVENTS)] == ["warning"]


def test_a_full_disk_is_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with RunLog(tmp_path, 0) as write:
        write(_step(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # no file may grow any more
        try:
            with pytest.raises(StorageError, match=r"metrics\.jsonl: .*--resume"):
                write(_step(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, old)


@pytest.mark.parametrize(
    "line", ["garbage", "[]", '{"step": "1"}', '{"step": 1, "split": "train"}']
)
def test_a_damaged_line_is_named_and_nothing_behind_it_is_lost(tmp_path: Path, line: str) -> None:
    with RunLog(tmp_path, 0) as write:
        write(_step(1))
        write(_step(2))
    path = tmp_path / log.METRICS
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{line}\n{second}\n")
    before = path.read_bytes()
    with pytest.raises(RunError, match=r"metrics\.jsonl is damaged: line 2: .*delete that line"):
        log.read(path)
    with pytest.raises(RunError, match="line 2"), RunLog(tmp_path, 2):
        pass
    assert path.read_bytes() == before
