"""Check that the installed packages are those that pyproject.toml requires."""

import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from mlxts.workspace import project


@dataclass(frozen=True)
class UnmetRequirement:
    """A requirement that is not met. `installed`: a version; None where there is none."""

    requirement: str
    installed: str | None

    @property
    def missing(self) -> bool:
        return self.installed is None

    def __str__(self) -> str:
        there = "it is not installed" if self.missing else f"{self.installed} is installed"
        return f"pyproject.toml wants {self.requirement}, {there}; run `make setup`"


def problems(root: Path) -> list[UnmetRequirement]:
    """Requirements of the project, without its extras, that this environment does not meet.

    Raises:
        WorkspaceError: pyproject.toml cannot be read.
    """
    path = root / "pyproject.toml"
    if not path.exists():
        return []
    wanted = tomllib.loads(project.read(path)).get("project", {}).get("dependencies", [])
    return [unmet for text in wanted if (unmet := _unfit(text)) is not None]


def _unfit(text: str) -> UnmetRequirement | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return UnmetRequirement(text, None)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    wanted = f"{requirement.name}{requirement.specifier}"
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return UnmetRequirement(wanted, None)
    fits = requirement.specifier.contains(installed, prereleases=True)
    return None if fits else UnmetRequirement(wanted, installed)
