"""What a first folder holds: configurations, sweeps and a text with the commands to type."""

from pathlib import Path

from mlxts import files
from mlxts.errors import ConfigError

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
        ConfigError: `folder` is a file.
        StorageError: a file cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; name a folder")
    there = [path for path in starters() if (folder / path).exists()]
    new = {path: source for path, source in starters().items() if path not in there}
    for path, source in new.items():
        files.write_text(folder / path, files.read_text(source))
    return list(new), there
