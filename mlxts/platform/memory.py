"""The memory of this machine and of this process, in bytes, as the operating system counts it.

What MLX holds is in `device.py`. A container may be granted less than the machine
has; its control groups (v1 and v2) hold the limit.
"""

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

# struct rusage_info_v4 of <sys/resource.h> on macOS, in 8-byte words, after a UUID of two words.
_RUSAGE_INFO_V4, _RUSAGE_WORDS = 4, 64
_FOOTPRINT, _LARGEST_FOOTPRINT = 2 + 7, 2 + 28
_UNLIMITED = 2**60  # version 1 writes the largest page-aligned number where there is no limit


class Group(NamedTuple):
    """A control group that this process is in."""

    limit: int
    used: int  # by every process in it, without file pages that can be dropped at once


def total() -> int:
    """The RAM, or what the container was granted of it."""
    return min([psutil.virtual_memory().total, *(group.limit for group in groups())])


def available() -> int:
    """What could be had now without swapping, inside the container's limits."""
    free = [max(0, group.limit - group.used) for group in groups()]
    return min([psutil.virtual_memory().available, *free])


def footprint() -> int:
    """What this process takes from the machine now.

    The resident set; on macOS the physical footprint, which counts memory shared with the GPU and
    compressed pages and is what its Activity Monitor shows.
    """
    words = _rusage_words(os.getpid())
    return words[_FOOTPRINT] if words else int(psutil.Process().memory_info().rss)


def largest_footprint() -> int:
    """The largest `footprint` of this process so far."""
    words = _rusage_words(os.getpid())
    if words:
        return words[_LARGEST_FOOTPRINT]
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes there, KiB elsewhere
    # Not getrusage: a child that is started from a large process begins with its parent's figure.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return footprint()


def groups(root: Path = Path("/")) -> Iterator[Group]:
    """The control groups of this process that have a limit, its own and those above it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, limit, used = root / "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            mount, limit, used = (
                root / "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
            )  # fmt: skip
        else:
            continue
        # Inside a container the path is the host's, and only the mount's own files are there.
        own_group = Path(path.lstrip("/"))
        for folder in (own_group, *own_group.parents):
            group = _group(mount / folder, limit, used)
            if group:
                yield group


def _group(folder: Path, limit: str, used: str) -> Group | None:
    try:
        granted = int((folder / limit).read_text())  # "max" in version 2: no number, no limit
        if granted >= _UNLIMITED:
            return None
        taken = int((folder / used).read_text())
        statistics = dict(
            line.split() for line in (folder / "memory.stat").read_text().splitlines()
        )
    except (OSError, ValueError):
        return None
    dropped = statistics.get("total_inactive_file", statistics.get("inactive_file", 0))
    return Group(granted, max(0, taken - int(dropped)))


def _rusage_words(pid: int) -> "ctypes.Array[ctypes.c_uint64] | None":
    """A process's `rusage_info_v4`, or None anywhere but on macOS."""
    if sys.platform != "darwin":
        return None
    words = (ctypes.c_uint64 * _RUSAGE_WORDS)()  # newer systems may write more than version 4 has
    try:
        failed = _system_library().proc_pid_rusage(pid, _RUSAGE_INFO_V4, ctypes.byref(words))
    except (OSError, AttributeError):
        return None
    return None if failed else words


def _system_library() -> ctypes.CDLL:
    return ctypes.CDLL("/usr/lib/libSystem.dylib")
