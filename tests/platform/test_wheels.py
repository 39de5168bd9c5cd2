"""Whose file `libmlx.so` is, in environments laid out as pip and uv leave them."""

import base64
import hashlib
import platform
import struct
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from mlxts.platform import wheels

LIBRARIES = {"mlx-cpu": b"for the processor", "mlx-cuda-13": b"for the card"}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages folder that is the only one, with MLX's Python package."""
    (tmp_path / "mlx").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "mlx", None)  # put back as it was, there or not
    del sys.modules["mlx"]
    monkeypatch.delitem(sys.modules, "mlx.core", raising=False)
    return tmp_path


def _install(site: Path, name: str) -> None:
    content = LIBRARIES[name]
    library = site / wheels.LIBRARY
    library.parent.mkdir(exist_ok=True)
    library.write_bytes(content)
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    record = site / f"{name.replace('-', '_')}-0.32.4.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.32.4\n")
    (record / "RECORD").write_text(f"{wheels.LIBRARY},sha256={digest},{len(content)}\n")


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_that_one_wheel_claims_is_its_own(environment: Path, name: str) -> None:
    _install(environment, name)
    assert wheels.owner() == name
    assert wheels.problem() is None


@pytest.mark.parametrize("order", [("mlx-cpu", "mlx-cuda-13"), ("mlx-cuda-13", "mlx-cpu")])
def test_of_two_that_claim_it_the_one_installed_last_owns_it(
    environment: Path, order: tuple[str, str]
) -> None:
    for name in order:
        _install(environment, name)
    assert wheels.owner() == order[-1]
    said = wheels.problem() or ""
    assert f"which is now {order[-1]}'s" in said
    assert "make setup EXTRAS=cuda" in said


def test_a_library_that_was_taken_away_with_the_other_wheel_is_nobodys(environment: Path) -> None:
    _install(environment, "mlx-cuda-13")
    (environment / wheels.LIBRARY).unlink()
    assert wheels.owner() is None
    assert wheels.problem() == wheels.no_backend()


def test_a_library_of_another_build_is_of_neither(environment: Path) -> None:
    for name in LIBRARIES:
        _install(environment, name)
    (environment / wheels.LIBRARY).write_bytes(b"built here")
    assert wheels.owner() is None
    assert "which is now of neither:" in (wheels.problem() or "")


def test_python_without_a_backend_says_which_to_install(tmp_path: Path) -> None:
    code = (
        "import mlxts.platform.wheels as w; w.missing = lambda: True\n"
        "import mlxts.platform.blas as b; b.load.cache_clear(); b.load()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if sys.platform == "linux":
        assert "run `make setup EXTRAS=cuda` for the GPU" in done.stderr


def _mach_o(path: Path, minos: tuple[int, int] | None) -> Path:
    """A 64-bit Mach-O file of two load commands, by <mach-o/loader.h>."""
    other = struct.pack("<4I", 0x1B, 16, 1, 2)
    build = b""
    if minos:
        build = struct.pack("<6I", 0x32, 24, 1, minos[0] << 16 | minos[1] << 8, 26 << 16, 0)
    count = 1 + bool(build)
    header = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, count, len(other + build), 0, 0)
    path.write_bytes(header + other + build)
    return path


def test_a_library_says_which_macos_it_was_built_for(tmp_path: Path) -> None:
    assert wheels.oldest_macos(_mach_o(tmp_path / "a", (26, 2))) == (26, 2)
    assert wheels.oldest_macos(_mach_o(tmp_path / "b", None)) is None
    (tmp_path / "elf").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "short").write_bytes(b"")
    assert wheels.oldest_macos(tmp_path / "elf") is None
    assert wheels.oldest_macos(tmp_path / "short") is None


@pytest.mark.parametrize(
    ("macos", "named"),
    [("26.0", True), ("26.1.3", True), ("26.2", False), ("26.5", False), ("27.0", False)],
)
def test_a_macos_older_than_the_wheel_is_named(
    environment: Path, monkeypatch: pytest.MonkeyPatch, macos: str, named: bool
) -> None:
    (environment / "mlx" / "__init__.py").touch()
    # A file named like the extension module of this interpreter, found but never loaded.
    _mach_o(environment / "mlx" / f"core{EXTENSION_SUFFIXES[0]}", (26, 2))
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: (macos, ("", "", ""), "arm64"))
    said = wheels.problem()
    assert (said is not None) == named
    if said:
        assert "built for 26.2" in said
