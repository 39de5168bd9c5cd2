"""Keep a Mac awake while it trains."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def prevent_sleep() -> Generator[bool]:
    """Hold off idle and system sleep for the block; yields whether anything does so.

    `caffeinate -is`, not `-d`: a display kept awake next to long GPU work has crashed the window
    server. With `-w` it also ends with this process, however that ends. Does nothing where there
    is no caffeinate, and a closed lid still sleeps.
    """
    program = shutil.which("caffeinate")
    if program is None:
        yield False
        return
    holding = subprocess.Popen(
        [program, "-is", "-w", str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield True
    finally:
        holding.terminate()
        holding.wait()
