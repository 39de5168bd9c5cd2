"""The list of rooms in docs/architecture.md."""

from mlxts.code_version import PACKAGE
from mlxts.workspace.package_layout import rooms


def test_every_room_is_listed_once_with_its_purpose() -> None:
    lines = rooms().splitlines()
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"__init__.py"}
    listed = [line.split("`")[1] for line in lines]
    assert sorted(listed) == sorted({*there, "data/sources/"})
    assert all(len(line.split("`: ")[1]) > 10 for line in lines)


def test_the_list_goes_from_what_all_use_to_what_uses_all() -> None:
    text = rooms()
    assert text.index("`protocol.py`") < text.index("`data/`") < text.index("`cli/`")
