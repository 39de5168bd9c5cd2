"""constraints.txt pins all that pyproject.toml leads to; where one of these fails: `make lock`."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LINES = [
    line
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
]
PINS = {pin.name: pin for line in LINES if (pin := Requirement(line.split("#")[0]))}


def _wanted() -> dict[str, Requirement]:
    """What the project and its extras ask for, without itself."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    wanted = (Requirement(text) for group in groups for text in group)
    return {canonicalize_name(one.name): one for one in wanted if one.name != PROJECT["name"]}


def _pinned_version(name: str) -> str:
    return next(iter(PINS[name].specifier)).version


def test_what_the_project_asks_for_is_what_was_locked_for_it() -> None:
    locked = {canonicalize_name(re.split("[= ]", line)[0]) for line in LINES if "mlxts" in line}
    assert locked == set(_wanted())


def test_each_pin_is_within_what_the_project_asks_for() -> None:
    for name, wanted in _wanted().items():
        assert wanted.specifier.contains(_pinned_version(name), prereleases=True), str(wanted)


def test_what_the_packages_need_of_each_other_is_pinned_too() -> None:
    waiting, seen = list(_wanted().values()), set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        assert name in PINS, str(wanted)
        assert wanted.specifier.contains(_pinned_version(name), prereleases=True), str(wanted)
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        if installed.version != _pinned_version(name) or (name, str(wanted)) in seen:
            continue
        seen.add((name, str(wanted)))
        for text in installed.requires or []:
            below = Requirement(text)
            marker = below.marker
            if marker and any(marker.evaluate({"extra": e}) for e in wanted.extras):
                below.marker = None
            waiting.append(below)


def test_it_names_no_address_and_says_what_writes_it() -> None:
    text = (REPOSITORY / "constraints.txt").read_text()
    assert "make lock" in text
    assert "://" not in text
