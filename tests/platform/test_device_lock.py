"""Turns at the device of one machine."""

import contextlib
import os

import pytest

from mlxts.errors import BusyError
from mlxts.platform import device_lock


def test_only_so_many_train_on_a_device_at_a_time() -> None:
    with device_lock.device_to_itself():
        named = f"process {os.getpid()} .*--wait .*--workers-per-device 2"
        with pytest.raises(BusyError, match=named), device_lock.device_to_itself():
            pass
        with device_lock.device_to_itself(2):
            pass
    with device_lock.device_to_itself():
        pass


def test_a_device_that_is_taken_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    with contextlib.ExitStack() as others:
        others.enter_context(device_lock.device_to_itself())
        monkeypatch.setattr(device_lock.time, "sleep", lambda seconds: others.close())
        with device_lock.device_to_itself(wait=True, notify=told.append):
            assert len(told) == 1
    assert f"taken by process {os.getpid()}" in told[0]
    assert told[0].endswith("waiting until it is free")
