"""What is installed is compared with what the project asks for."""

from pathlib import Path

import numpy as np

from mlxts.workspace import packages

REPOSITORY = Path(__file__).parents[2]


def _project(folder: Path, *wanted: str) -> Path:
    listed = ", ".join(f"'{one}'" for one in wanted)
    (folder / "pyproject.toml").write_text(f"[project]\ndependencies = [{listed}]\n")
    return folder


def test_this_environment_is_what_the_project_asks_for() -> None:
    assert packages.problems(REPOSITORY) == []


def test_a_package_that_is_too_old_or_not_there_is_a_line(tmp_path: Path) -> None:
    root = _project(tmp_path, "numpy>=999", "no-such-package-of-ours>=1", "polars>=1")
    old, missing = packages.problems(root)
    assert str(old) == (
        f"pyproject.toml wants numpy>=999, {np.__version__} is installed; run `make setup`"
    )
    assert missing.missing
    assert "it is not installed" in str(missing)


def test_what_another_platform_needs_is_not_asked_for_here(tmp_path: Path) -> None:
    root = _project(tmp_path, 'no-such-package-of-ours>=1; sys_platform == "nowhere"')
    assert packages.problems(root) == []


def test_a_folder_without_a_project_file_asks_for_nothing(tmp_path: Path) -> None:
    assert packages.problems(tmp_path) == []
