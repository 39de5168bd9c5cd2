"""Pages of 2 MiB for the arrays of a training step, on Linux CPUs.

A step reads hundreds of megabytes, and with pages of 4 KiB a good part of its time goes into
address translation: with large ones a 2M step takes 5 to 10 % less processor time. Most
distributions give large pages only on request (madvise). glibc requests them when GLIBC_TUNABLES
tells it to, but reads that only when a process begins, so the command line starts itself once more
with it. Values do not depend on it; `MLXTS_KERNELS=stock` turns it off, a GLIBC_TUNABLES of one's
own is left as it is, and from Python one sets it before Python begins.
"""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

TUNABLE = "glibc.malloc.hugetlb"
_VARIABLE = "GLIBC_TUNABLES"
_POLICY = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_SINCE = (2, 35)  # glibc


def variables(
    environment: Mapping[str, str] = os.environ, policy: Path = _POLICY
) -> dict[str, str]:
    """Variables to add to a new process's environment; none where they would not help."""
    if sys.platform != "linux" or _VARIABLE in environment:
        return {}
    if environment.get("MLXTS_KERNELS") == "stock" or not _glibc_supports():
        return {}
    try:
        on_request = "[madvise]" in policy.read_text(encoding="ascii")
    except OSError:
        return {}
    return {_VARIABLE: f"{TUNABLE}=1"} if on_request else {}


def restart_process() -> None:
    """Become the same command in the same process, with large pages; returns where that is no use.

    Called before anything was done: nothing of this program is left afterwards.
    """
    more = variables()
    if more and sys.executable:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **more})


def in_use() -> bool:
    """Whether this process requests large pages."""
    return f"{TUNABLE}=1" in os.environ.get(_VARIABLE, "")


def _glibc_supports() -> bool:
    name, number = platform.libc_ver()
    if name != "glibc":
        return False
    return tuple(int(part) for part in number.split(".")[:2]) >= _SINCE
