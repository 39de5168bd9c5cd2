"""What decides a run's numbers, and nothing else, makes another run and other cached features."""

import shutil
from pathlib import Path

import pytest

from mlxts import code_version
from mlxts.code_version import FEATURES, PACKAGE, RUN


def _edited(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """A copy of the package in which one file says something else."""
    copy = tmp_path / "mlxts"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return copy


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("data/exogenous_catalog.py", "lag_days", "lag_days_"),  # a release lag
        ("data/exogenous_releases.py", "pl.lit(series.lag_days)", "pl.lit(series.lag_days + 1)"),
        ("data/panel.py", "shares.shift(-1,", "shares.shift(0,"),  # splits adjusted a day late
        ("data/calendar.py", "(", "( "),  # a rule of the exchange
        ("data/nyse_closures.csv", "\n", "\n2030-01-01,no reason\n"),
        ("features/kernels.py", "(", "( "),
        ("features/order.txt", "\n", "\n\n"),
    ],
)
def test_what_decides_data_changes_runs_and_cached_features(
    tmp_path: Path, file: str, old: str, new: str
) -> None:
    copy = _edited(tmp_path, file, old, new)
    assert code_version.of(RUN, copy) != code_version.of(RUN)
    assert code_version.of(FEATURES, copy) != code_version.of(FEATURES)


@pytest.mark.parametrize(
    "file", ["dataset/labels.py", "dataset/splits.py", "dataset/build.py", "baselines/har.py",
             "model/revin.py", "model/parameter_budget.py",
             "model/initialisation.py", "training/inputs.py", "training/step.py",
             "training/residual_reference.py", "training/early_stopping.py"]
)  # fmt: skip
def test_what_decides_labels_models_or_steps_changes_runs_and_no_cached_feature(
    tmp_path: Path, file: str
) -> None:
    copy = _edited(tmp_path, file, "(", "( ")
    assert code_version.of(RUN, copy) != code_version.of(RUN)
    assert code_version.of(FEATURES, copy) == code_version.of(FEATURES)


@pytest.mark.parametrize(
    "file", ["training/log.py", "console/live.py", "report/page.py", "cli/train.py",
             "search/worker.py", "evaluation/score.py", "thermal/guard.py",
             "data/sources/registry.py"]
)  # fmt: skip
def test_a_comment_where_nothing_is_computed_changes_neither(tmp_path: Path, file: str) -> None:
    copy = _edited(tmp_path, file, '"""\n', '"""\n# A remark.\n')
    assert code_version.of(RUN, copy) == code_version.of(RUN)
    assert code_version.of(FEATURES, copy) == code_version.of(FEATURES)


def test_the_lists_of_the_universe_count_by_what_a_configuration_makes_of_them(
    tmp_path: Path,
) -> None:
    copy = _edited(tmp_path, "resources/universe.yaml", "XLE", "XLY")
    assert code_version.of(RUN, copy) == code_version.of(RUN)


def test_what_a_file_manager_or_an_editor_leaves_behind_changes_neither(tmp_path: Path) -> None:
    copy = _edited(tmp_path, "dataset/build.py", '"""', '"""')
    for folder in (copy, copy / "features", copy / "data"):
        (folder / ".DS_Store").write_bytes(b"\0")
        (folder / ".engine.py.swp").write_bytes(b"\0")
    assert code_version.of(RUN, copy) == code_version.of(RUN)
    assert code_version.of(FEATURES, copy) == code_version.of(FEATURES)


def test_a_new_module_counts_as_soon_as_something_that_counts_imports_it(tmp_path: Path) -> None:
    copy = _edited(tmp_path, "features/engine.py", "import polars", "from mlxts.features import "
                   "novelty\nimport polars")  # fmt: skip
    (copy / "features" / "novelty.py").write_text("ONE = 1\n")
    first = code_version.of(FEATURES, copy)
    code_version.of.cache_clear()
    (copy / "features" / "novelty.py").write_text("ONE = 2\n")
    assert code_version.of(FEATURES, copy) != first


def test_every_module_that_is_loaded_to_build_data_and_train_counts() -> None:
    """An independent look: what Python itself loads for the entry points, beside what was read."""
    import subprocess
    import sys

    script = (
        "import sys; from importlib import import_module; "
        f"[import_module(name) for name in {RUN!r}]; "
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('mlxts.') "
        "and n != 'mlxts.interrupt'))"  # Ctrl-C while the command loads: it decides no number
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {Path(name) for name in done.stdout.split()}
    assert loaded <= set(code_version.files(RUN))
