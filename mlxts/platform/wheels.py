"""Which wheel MLX's compute library comes from, and which macOS it was built for.

On Linux `mlx-cpu` and `mlx-cuda-13` both install `mlx/lib/libmlx.so`. Where both are installed the
installer's order decides whose file is there; only the file's hash shows which one it is.
"""

import base64
import hashlib
import platform
import struct
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, PackagePath, distribution
from importlib.util import find_spec
from pathlib import Path

from mlxts.files import in_checkout

BACKENDS = ("mlx-cuda-13", "mlx-cuda-12", "mlx-cpu")
LIBRARY = "mlx/lib/libmlx.so"

_SETUP = "`make setup EXTRAS=cuda` for the GPU, `make setup EXTRAS=` for the CPU"
_PIP = "`pip install 'mlxts[cuda]'` for the GPU, `pip install 'mlxts[cpu]'` for the CPU"

# <mach-o/loader.h>: a 64-bit file's header, and the command that holds the oldest macOS.
_MAGIC, _HEADER, _BUILD_VERSION = 0xFEEDFACF, struct.Struct("<8I"), 0x32


def claimed() -> dict[str, PackagePath]:
    """Installed backends that list `libmlx.so` among their files, by name."""
    owners = {}
    for name in BACKENDS:
        with suppress(PackageNotFoundError):
            for file in distribution(name).files or []:
                if file.as_posix() == LIBRARY:
                    owners[name] = file
    return owners


def owner() -> str | None:
    """The backend whose `libmlx.so` is there; None: there is none, or it is of no wheel.

    Several claim it only in an environment that needs repair; then the file is hashed.
    """
    claims = claimed()
    if len(claims) < 2:
        return next((name for name, file in claims.items() if Path(file.locate()).exists()), None)
    return next((name for name, file in claims.items() if _is_recorded(file)), None)


def _is_recorded(file: PackagePath) -> bool:
    """Whether a file is the one that its wheel installed, by the hash in RECORD (PEP 376)."""
    path = Path(file.locate())
    if file.hash is None or not path.exists():
        return False
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, file.hash.mode).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


def no_backend() -> str:
    """That MLX's library is missing, and what installs it."""
    remedy = _SETUP if in_checkout() else _PIP
    return f"MLX has no backend here, so nothing can be computed: run {remedy}"


def problem() -> str | None:
    """What is wrong with MLX's library on this machine, and what mends it, in one line."""
    if sys.platform == "darwin":
        return _too_old_macos()
    if missing():
        return no_backend()
    claims = claimed()
    if len(claims) < 2:
        return None
    whose = owner()
    now = f"{whose}'s" if whose else "of neither"
    remedy = _SETUP if in_checkout() else f"`pip uninstall {' '.join(claims)}`, then {_PIP}"
    return (
        f"{' and '.join(claims)} are both installed and share {LIBRARY}, which is now {now}: "
        f"run {remedy}"
    )


def missing() -> bool:
    """Whether MLX's Python package is there without a library to compute with (Linux)."""
    spec = find_spec("mlx")
    folders = spec.submodule_search_locations or [] if spec else []
    return not any((Path(folder) / "lib" / "libmlx.so").exists() for folder in folders)


def _too_old_macos() -> str | None:
    module = find_spec("mlx.core")
    oldest = oldest_macos(Path(module.origin)) if module and module.origin else None
    here = tuple(int(part) for part in platform.mac_ver()[0].split(".")[:2])
    if oldest is None or here >= oldest:
        return None
    installed, wanted = (".".join(map(str, number)) for number in (here, oldest))
    return (
        f"this is macOS {installed}, and MLX's wheel is built for {wanted}, whose GPU kernels it "
        f"takes for granted: update macOS to {wanted} or newer"
    )


def oldest_macos(library: Path) -> tuple[int, int] | None:
    """The macOS that a 64-bit Mach-O file was built for (`minos`); None where it names none."""
    content = library.read_bytes()
    if len(content) < _HEADER.size:
        return None
    magic, *_, commands, _size, _flags, _reserved = _HEADER.unpack_from(content)
    if magic != _MAGIC:
        return None
    place = _HEADER.size
    for _ in range(commands):
        kind, length = struct.unpack_from("<2I", content, place)
        if kind == _BUILD_VERSION:
            (version,) = struct.unpack_from("<I", content, place + 12)
            return version >> 16, version >> 8 & 255
        place += length
    return None
