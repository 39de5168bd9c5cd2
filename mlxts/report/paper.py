"""Tables for a paper, as rendered Markdown.

    <name>.json   every figure, as it was computed from run folders
    <name>.md     rendered from that file alone, reproducible byte for byte
    walk_forward_<axis>.svg, .pdf, .csv   likewise

Two designs stand in one file: walk-forward runs, with one answer an axis, and runs on the fixed
splits. Runs of one of them replace its figures; those of the other stay.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from mlxts import json_files
from mlxts.errors import RunError
from mlxts.evaluation.block_bootstrap import DRAWS
from mlxts.files import SCHEMA, write_json, write_text
from mlxts.report import paper_fixed, paper_tables, paper_walk_forward
from mlxts.report.columns import NUMBERS
from mlxts.report.section import Section
from mlxts.runs.folder import RunFolder
from mlxts.scaling import walk_forward_ledger

_FORMER = {"beside": "ablations", "foreseen": "walk_forward", "made_of": "provenance"}
_FORMER_OF_ROWS = {"along": {"said": "label"}}
_NO_FIXED: Mapping[str, Any] = {"main": []}


def collect(
    folders: Sequence[Path],
    *,
    split: str = "validation",
    draws: int = DRAWS,
    seed: int = 0,
    plans: Sequence[Mapping[str, Any]] = (),
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every figure of the document, from finished runs.

    Args:
        split: whose rows, of runs on the fixed splits. draws, seed: of the bootstrap.
        plans: of sweeps that have not been run, see `answers.plan_row`.
        before: figures whose part stays where no run is of it.

    Raises:
        RunError, DataError: see `ledger.build`; and RunError where runs on the fixed splits hold
            no strict one.
    """
    fixed, walked = walk_forward_ledger.apart(folders)
    record = {**(before or _NO_FIXED), "schema": SCHEMA}
    if fixed:
        study = {key: record[key] for key in ("study",) if key in record}
        record = {
            "schema": SCHEMA,
            **paper_fixed.collect(fixed, split=split, draws=draws, seed=seed),
        }
        record |= study
    if walked:
        record["study"] = {
            **paper_walk_forward.collect(walked, draws=draws, seed=seed),
            "plans": list(plans),
            "provenance": paper_fixed.provenance([RunFolder(one).metadata() for one in walked]),
        }
    return record


def write(record: dict[str, Any], path: Path) -> Path:
    """Write the figures to a file next to `path`, and `path` from them. Raises StorageError."""
    write_json(figures_of(path), record)
    return rewrite(path)


def rewrite(path: Path) -> Path:
    """Write `path` from the figures file next to it. Raises RunError, StorageError."""
    record = read(path)
    for section in _sections(record):
        for picture in section.pictures:
            picture.write(path.parent)
    write_text(path, markdown(record))
    return path


def read(path: Path) -> dict[str, Any]:
    """The figures of a document. Raises RunError: they are damaged."""
    return json_files.read(
        figures_of(path), _Figures, error=RunError, remedy="name the finished runs and a FILE "
        "that is not there, and it is made again",
        upgrade=_upgraded,
    )  # fmt: skip


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Under today's names, of the whole and of the rows."""
    values = {_FORMER.get(key, key): value for key, value in values.items()}
    for name, former in _FORMER_OF_ROWS.items():
        rows = values.get(name)
        for row in rows if isinstance(rows, list) else ():
            for key in former.keys() & row:
                row[former[key]] = row.pop(key)
    return values


def figures_of(path: Path) -> Path:
    return path.with_suffix(".json")


def markdown(record: Mapping[str, Any]) -> str:
    """The document for figures of `collect`."""
    parts = [
        "# Results",
        "Rendered by `mlxts report RUNS --paper FILE` from run folders; do not edit. Without RUNS "
        "the same command renders it again from the JSON file next to it.",
        *(section.markdown() for section in _sections(record)),
    ]
    return "\n\n".join(parts) + "\n"


def _sections(record: Mapping[str, Any]) -> list[Section]:
    sections: list[Section] = []
    study = record.get("study")
    if study:
        sections += paper_walk_forward.sections(study)
        sections.append(Section("", "", text=[paper_fixed.made_of(study["provenance"])]))
    if record["main"]:
        sections.append(
            Section(
                "fixed",
                "Fixed splits",
                text=[paper_fixed.introduction(record), *paper_tables.notes(record)],
            )
        )
        sections += paper_fixed.sections(record)
        sections.append(Section("", "", text=[paper_fixed.made_of(record["provenance"])]))
    return sections


class _Row(json_files.Shape):
    @model_validator(mode="after")
    def _holds_numbers(self) -> Self:
        for key, value in (self.model_extra or {}).items():
            if key in NUMBERS and not (value is None or isinstance(value, int | float)):
                raise ValueError(f"{key}: {value!r} is no number")
        return self


class _Main(_Row):
    task: str
    symbol: str
    timescale: str


class _Provenance(json_files.Shape):
    runs: list[str]
    machines: list[dict[str, Any]]
    code: list[str]
    data: list[str]


class _Point(json_files.Shape):
    size: float
    difference: float
    difference_low: float
    difference_high: float
    seeds: list[float]


class _Verdict(_Row):
    axis: str
    task: str
    timescale: str
    horizon: int
    symbol: str
    budget: str
    settings: str
    name: str
    word: str
    label: str
    reason: str
    unit: str
    part: str
    panel: bool
    paired: bool
    cells: list[str]
    sizes: list[float]
    seeds: list[int]
    origins: int
    dates: int
    assets: int
    reference: str
    points: list[_Point]
    levels: dict[str, float]


class _Study(json_files.Shape):
    draws: int
    verdicts: list[_Verdict]
    configurations: list[_Row]
    plans: list[dict[str, Any]]
    provenance: _Provenance


_NONE: Any = Field(default_factory=list)


class _Figures(json_files.Shape):
    """What `collect` returns; without runs on the fixed splits `main` is empty and alone."""

    main: list[_Main]
    split: str = ""
    span: str = ""
    draws: int = 0
    seeds: list[_Row] = _NONE
    ablations: list[_Row] = _NONE
    along: list[_Row] = _NONE
    walk_forward: list[_Row] = _NONE
    provenance: _Provenance | None = None
    study: _Study | None = None

    @model_validator(mode="after")
    def _holds_a_design(self) -> Self:
        if not self.main and not self.study:
            raise ValueError("main and study hold nothing")
        return self
