"""Finding run folders: by id, prefix, glob, sweep or study.

A name is the folder of a run or of several, a run id or the beginning of one, a pattern with * ? [,
a sweep's name, or that of a study or its beginning. Every command that takes runs reads names here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlxts import files
from mlxts.errors import RunError
from mlxts.runs import layout
from mlxts.runs.folder import RunFolder

Studies = Callable[[str], Sequence[str]]  # the name of a sweep or study -> the ids of its runs
_PATTERN = frozenset("*?[")


def no_studies(name: str) -> Sequence[str]:
    """Finds no study."""
    return ()


@dataclass(frozen=True)
class Selection:
    """Run folders, sorted by run id: those that came to their summary, and the others.

    Attributes:
        damaged: by name of a run whose own files cannot be read what is wrong with it.
    """

    finished: tuple[Path, ...]
    unfinished: tuple[Path, ...]
    damaged: Mapping[str, str]


def run_folders() -> list[Path]:
    """Every run folder of this workspace, sorted by name; of a damaged one a file may be gone."""
    return _matching(files.runs_folder(), "*")


def finished_ids() -> set[str]:
    """The ids of the runs of this workspace that have come to their summary."""
    return {folder.name for folder in run_folders() if RunFolder(folder).is_finished}


def resolve(name: str, studies: Studies = no_studies) -> list[Path]:
    """The run folders that a name resolves to, one at least.

    Raises:
        RunError: it matches nothing.
    """
    if not name:
        raise RunError("'' names no run; `mlxts runs` lists them")
    for folder in (Path(name), files.runs_folder() / name):
        if RunFolder(folder).has_begun:
            return [folder]
    pattern = name if _PATTERN & set(name) else f"{name}*"
    matches = _matching(files.runs_folder(), pattern) or _matching(Path(), pattern)
    if not matches and Path(name).is_dir():
        matches = _matching(Path(name), "*")
    if not matches:
        of_study = (files.runs_folder() / run_id for run_id in sorted(studies(name)))
        matches = [folder for folder in of_study if RunFolder(folder).has_begun]
    if not matches:
        raise RunError(
            f"{name} is no run, no folder of runs and no study with a run here; `mlxts runs`, "
            "`mlxts sweep status` and `mlxts hpo list` list what there is"
        )
    return matches


def find(name: str, studies: Studies = no_studies) -> Path:
    """The one run that a name resolves to. Raises RunError: there is none, or there are several."""
    matches = resolve(name, studies)
    if len(matches) > 1:
        names = ", ".join(folder.name for folder in matches)
        raise RunError(f"{name} could be any of {names}; give more of the run id")
    return matches[0]


def select(names: Sequence[str], studies: Studies = no_studies) -> Selection:
    """The runs that `names` resolve to, each once; without a name all runs of this workspace.

    Raises:
        RunError: a name that matches nothing, or none of the runs is finished.
    """
    folders = [folder for name in names for folder in resolve(name, studies)]
    chosen = {folder.resolve(): folder for folder in (folders if names else run_folders())}
    whole, damaged = without_damaged(sorted(chosen.values(), key=lambda folder: folder.name))
    finished = tuple(folder for folder in whole if RunFolder(folder).is_finished)
    if not finished:
        if damaged:
            raise RunError(next(iter(damaged.values())))
        problem = "none of these runs is finished" if chosen else "there is no finished run"
        raise RunError(
            f"{problem}; `mlxts train` or `mlxts sweep run` makes some, `mlxts runs` lists them"
        )
    done = set(finished)
    unfinished = tuple(folder for folder in whole if folder not in done)
    return Selection(finished, unfinished, damaged)


def without_damaged(folders: Iterable[Path]) -> tuple[list[Path], dict[str, str]]:
    """Those whose own files can be read, and by name why the others cannot."""
    whole, damaged = [], {}
    for folder in folders:
        why = RunFolder(folder).damage()
        if why is None:
            whole.append(folder)
        else:
            damaged[folder.name] = why
    return whole, damaged


def _matching(folder: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_absolute():
        folder, path = Path(path.anchor), path.relative_to(path.anchor)
    names = (layout.METADATA, layout.SUMMARY)
    try:
        return sorted({match.parent for name in names for match in folder.glob(f"{path}/{name}")})
    except ValueError as error:
        raise RunError(f"{pattern} is no pattern of names: {error}") from error
