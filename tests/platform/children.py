"""Python in a process of its own, where what happens at import can be seen."""

import os
import subprocess
import sys


def python(code: str, **environment: str) -> str:
    """What `code` prints, its warnings included, under these variables besides ours."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip() + done.stderr
