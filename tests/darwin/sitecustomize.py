"""Makes this Linux process look like a Mac's to Python: put this folder on PYTHONPATH.

Taken away or changed is what Python code can see: the platform's name, /proc and /sys, and what the
`os` module of macOS lacks. What is compiled (MLX, psutil) stays as it is.
"""

import fcntl
import os
import platform
import resource
import sys
import sysconfig
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil  # before it could ask for a Mac's own extension module

LACKING = (
    "copy_file_range", "eventfd", "fdatasync", "getrandom", "memfd_create", "pidfd_open", "pipe2",
    "posix_fadvise", "posix_fallocate", "sched_getaffinity", "sched_setaffinity", "splice",
)  # fmt: skip


def _hide(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir"):
        _refuse(arguments[0])


def _refuse(path: Any) -> None:
    """Nothing is there below /proc and /sys, but for psutil, whose own code is that for Linux."""
    if not isinstance(path, str | os.PathLike) or not str(path).startswith(("/proc", "/sys")):
        return
    caller = sys._getframe(2).f_globals.get("__name__", "")
    if not caller.startswith(psutil.__name__):
        raise FileNotFoundError(2, "No such file or directory", str(path))


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    def asked(path: Any, *arguments: Any, **options: Any) -> Any:
        _refuse(path)
        return function(path, *arguments, **options)

    return asked


def _in_bytes(who: int, ask: Callable[[int], Any] = resource.getrusage) -> SimpleNamespace:
    """getrusage(2), whose largest resident set is in bytes there and in KiB here."""
    return SimpleNamespace(ru_maxrss=ask(who).ru_maxrss * 1024)


def _replace(module: ModuleType, **values: Any) -> None:
    for name, value in values.items():
        setattr(module, name, value)


def _pretend() -> None:
    sysconfig.get_config_vars()  # kept from now on; they lie in a file named after the platform
    _replace(sys, platform="darwin")
    names = platform.uname()._replace(system="Darwin", release="25.1.0")
    _replace(platform, uname=lambda: names, mac_ver=lambda *_: ("26.1", ("", "", ""), "arm64"))
    _replace(resource, getrusage=_in_bytes)
    _replace(fcntl, F_FULLFSYNC=51)  # the system below knows no such command and refuses it
    if hasattr(os, "process_cpu_count"):  # from 3.13 on, where it asks for the affinity
        os.process_cpu_count = os.cpu_count
    for name in LACKING:
        if hasattr(os, name):
            delattr(os, name)
    proxies = ModuleType("_scproxy")  # urllib asks the system's settings for them
    _replace(proxies, _get_proxies=dict, _get_proxy_settings=dict)
    sys.modules["_scproxy"] = proxies
    sys.addaudithook(_hide)
    _replace(os, **{name: _refusing(getattr(os, name)) for name in ("stat", "lstat", "access")})


_pretend()
