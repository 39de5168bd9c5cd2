"""Turns at the device: workers of one machine train on it one at a time, or as many as is said."""

import hashlib
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from mlxts import locks
from mlxts.errors import BusyError
from mlxts.locks import Holder
from mlxts.platform import device

_POLL_SECONDS = 2.0  # between two checks of a device that is waited for


@contextmanager
def device_to_itself(
    per_device: int = 1,
    *,
    wait: bool = False,
    notify: Callable[[str], None] = lambda message: None,
) -> Generator[None]:
    """Keep other workers of this machine off the device that this process trains on.

    The locks lie in the user's state folder, whichever workspace a worker has; `MLXTS_LOCKS` names
    another folder.

    Args:
        per_device: how many may train on it at a time; more than one only pays on CPUs with many
            cores, or for very small models.
        wait: for a place, where all are taken.
        notify: is given a sentence before that.

    Raises:
        BusyError: all places are taken and `wait` is off.
        StorageError: a lock cannot be opened.
    """
    notified = False
    while True:
        with place_on_device(per_device) as others:
            if not others:
                yield
                return
        taken = f"{device.device_name()} is taken by {', '.join(map(str, others))}"
        if not wait:
            raise BusyError(
                f"{taken}; --wait waits until it is free, --workers-per-device "
                f"{per_device + 1} lets one more train beside"
            )
        if not notified:
            notify(f"{taken}; waiting until it is free")
            notified = True
        time.sleep(_POLL_SECONDS)


@contextmanager
def place_on_device(per_device: int = 1) -> Generator[list[Holder]]:
    """Hold one of the device's places while the block runs, if one is free.

    Yields:
        Who holds the places where all are taken; else nobody.

    Raises:
        StorageError: a lock cannot be opened.
    """
    key = hashlib.sha256(f"{device.device()} {device.device_name()}".encode()).hexdigest()[:10]
    others: list[Holder] = []
    for place in range(per_device):
        with locks.hold(locks.folder() / f"device-{key}-{place}.lock") as other:
            if other is None:
                yield []
                return
        others.append(other)
    yield others
