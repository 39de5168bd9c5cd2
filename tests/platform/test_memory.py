"""What the operating system says of memory: recorded files, and a double of its library."""

import ctypes
import mmap
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from mlxts.platform import memory

GIB = 2**30


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_container_of_version_2_is_limited_by_every_group_above_it(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user/job\n",
            "sys/fs/cgroup/user/job/memory.max": "max\n",
            "sys/fs/cgroup/user/job/memory.current": "5\n",
            "sys/fs/cgroup/user/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/user/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/user/memory.stat": f"anon {2 * GIB}\ninactive_file {GIB}\n",
        },
    )
    assert list(memory.groups(root)) == [memory.Group(4 * GIB, 2 * GIB)]


def test_a_container_of_version_1_sees_its_own_files_at_the_mount(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "9:cpu,cpuacct:/\n4:memory:/on/the/host\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{8 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB}\n",
        },
    )
    assert list(memory.groups(root)) == [memory.Group(8 * GIB, GIB)]


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_a_group_without_a_limit_says_nothing(tmp_path: Path, limit: str) -> None:
    mount = "sys/fs/cgroup" if limit == "max" else "sys/fs/cgroup/memory"
    names = ("memory.max", "memory.current")
    if limit != "max":
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    line = "0::/\n" if limit == "max" else "4:memory:/\n"
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": line,
            f"{mount}/{names[0]}": limit,
            f"{mount}/{names[1]}": "1",
            f"{mount}/memory.stat": "",
        },
    )
    assert list(memory.groups(root)) == []


def test_a_machine_without_control_groups_has_none(tmp_path: Path) -> None:
    assert list(memory.groups(tmp_path)) == []


def test_a_container_counts_for_less_than_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < memory.available() <= memory.total() <= psutil.virtual_memory().total
    monkeypatch.setattr(memory, "groups", lambda: iter([memory.Group(3 * GIB, 2 * GIB)]))
    if psutil.virtual_memory().available > GIB:
        assert (memory.total(), memory.available()) == (3 * GIB, GIB)
    monkeypatch.setattr(memory, "groups", lambda: iter([memory.Group(GIB, 2 * GIB)]))
    assert memory.available() == 0


def test_the_footprint_follows_what_a_process_holds() -> None:
    slack = 2 * 2**20  # the kernel keeps its counters a little late
    before = memory.footprint()
    held = mmap.mmap(-1, 30 * 2**20)  # what malloc gives may have been freed and held before
    for page in range(0, len(held), mmap.PAGESIZE):
        held[page] = 1
    assert memory.footprint() > before + len(held) - slack
    held.close()
    assert memory.footprint() < before + 2 * slack
    assert memory.largest_footprint() > before + 30 * 2**20 - slack


def test_the_largest_footprint_is_not_that_of_the_process_it_was_started_from() -> None:
    held = np.ones(300 * 2**20, dtype=np.uint8)
    code = "from mlxts.platform import memory; print(memory.largest_footprint())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < held.nbytes


class _FakeSystem:
    """libSystem as macOS has it: fills in the caller's words and returns 0."""

    def __init__(self, failed: int = 0) -> None:
        self.failed = failed

    def proc_pid_rusage(self, pid: int, flavor: int, into) -> int:
        assert flavor == 4
        words = ctypes.cast(into, ctypes.POINTER(ctypes.c_uint64))
        for index in range(37):  # 16 bytes of UUID, then 35 numbers in version 4
            words[index] = 1000 + index
        return self.failed


def test_on_macos_the_footprint_is_the_physical_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory, "_system_library", _FakeSystem)
    assert (memory.footprint(), memory.largest_footprint()) == (1009, 1030)


@pytest.mark.skipif(sys.platform == "darwin", reason="reads the resident set instead")
def test_where_macos_refuses_the_resident_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory, "_system_library", lambda: _FakeSystem(failed=1))
    assert memory.footprint() > 10 * 2**20

    def gone() -> ctypes.CDLL:
        raise OSError("no such library")

    monkeypatch.setattr(memory, "_system_library", gone)
    assert memory.footprint() > 10 * 2**20


def test_where_macos_refuses_the_largest_one_is_counted_in_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory, "_system_library", lambda: _FakeSystem(failed=1))
    usage = SimpleNamespace(ru_maxrss=3 * GIB)  # getrusage(2) of macOS: bytes
    monkeypatch.setattr(resource, "getrusage", lambda who: usage)
    assert memory.largest_footprint() == 3 * GIB
