"""What a first folder holds: configurations, sweeps and a text with the commands to type."""

from contextlib import suppress
from pathlib import Path

from mlxts import files

# What each form of `mlxts demo` runs, in this order.
DEMO = (
    "data download SP500 --source sample",
    "train configs/demo.yaml --resume",
)
DEMO_DATA = (
    "data download SP500 NASDAQ AAPL GOOG IBM MSFT --source sample",
    "sweep run configs/sweeps/demo_data.yaml",
    "report demo_data --out outputs/results/demo_data",
)


def starters() -> dict[Path, Path]:
    """Where each file of a first folder goes, relative to it, and where the package has it."""
    configs = sorted((files.RESOURCES / "configs").rglob("*.yaml"))
    return {
        path.relative_to(files.RESOURCES): path
        for path in (files.RESOURCES / "README.md", *configs)
    }


def write(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write the starters into a folder, which is made where it is missing.

    Returns:
        The files written, and those left alone because something of their name was there; both
        relative to the folder.

    Raises:
        StorageError: a file cannot be written.
    """
    there = [path for path in starters() if _exists(folder / path)]
    new = {path: source for path, source in starters().items() if path not in there}
    for path, source in new.items():
        files.write_text(folder / path, files.read_text(source))
    return list(new), there


def _exists(path: Path) -> bool:
    with suppress(OSError):  # a name that is too long; to write it says so
        return path.exists()
    return False
