"""The report: one self-contained page, and every figure and table in files next to it.

    <out>/report.html
    <out>/summary.html       the same in two minutes, on one page
    <out>/figures/<name>.svg, .pdf, .csv
    <out>/tables/<name>.csv, .tex
    <out>/report.json        which runs, settings and files; what a later report replaces

The same runs give the same bytes: the report holds no time and no path.
"""

import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from mlxts import json_files
from mlxts.errors import RunError
from mlxts.files import digest, write_json, write_text
from mlxts.formats import count
from mlxts.report import palette, summary
from mlxts.report.collect import ReportData
from mlxts.report.figure import Picture
from mlxts.report.section import Section
from mlxts.report.sections import answers, question, sections

PAGE, SUMMARY, RECORD = "report.html", "summary.html", "report.json"
OPEN = 6  # figures of a section that are open at first; more are folded away
_TEMPLATES = Path(__file__).with_name("templates")
_ELEMENTS = {re.compile(r"`([^`]+)`"): "code", re.compile(r"\*\*([^*]+)\*\*"): "strong"}
_SOFTWARE = ("mlxts", "matplotlib", "numpy", "polars", "arch", "scipy", "statsmodels")


def write(
    report: ReportData,
    out: Path,
    *,
    storage_url: str | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Path:
    """Write the report and its summary into `out` and return the page's path.

    Files of an earlier report in the same folder that this one does not have are removed; nothing
    else in the folder is touched.

    Raises:
        StorageError: something cannot be written.
        RunError: report.json of the report before is damaged.
    """
    parts = sections(report, storage_url=storage_url)
    images: dict[str, Markup] = {}
    written: list[str] = []
    for part in parts:
        for table in part.tables:
            table.write(out / "tables")
            written += [f"tables/{table.name}.{kind}" for kind in ("csv", "tex")]
        if part.pictures:
            progress(f"{count(len(part.pictures), 'figure')}: {part.title}")
        for picture in part.pictures:
            images[picture.name] = _inline(picture, out / "figures")
            written += [f"figures/{picture.name}.{kind}" for kind in ("svg", "pdf", "csv")]
    software = {name: version(name) for name in _SOFTWARE}
    shared = {
        "question": question(),
        "exploratory": any(scores.mode != "strict" for scores in report.scored),
        "drawn": images,
        "light": Markup(palette.variables(0)),
        "dark": Markup(palette.variables(1)),
        "material": report,
    }
    templates = _environment()
    page = templates.get_template("report.html.j2").render(
        **shared, answers=answers(report), sections=parts, open=OPEN,
        fingerprint=report.fingerprint, software=software,
    )  # fmt: skip
    write_text(out / PAGE, page)
    whole = summary.summarise(report, [picture for part in parts for picture in part.pictures])
    brief = templates.get_template("summary.html.j2").render(**shared, summary=whole, page=PAGE)
    write_text(out / SUMMARY, brief)
    _delete_old_files(out, written)
    write_json(out / RECORD, _record(report, parts, out, written, software))
    return out / PAGE


def _inline(picture: Picture, folder: Path) -> Markup:
    svg = picture.write(folder)
    return Markup(
        palette.inline(
            svg, picture.name, f"{picture.title}. {picture.description}".replace("**", "")
        )
    )


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"prose": prose, "count": count}
    return made


def prose(text: str) -> Markup:
    """A sentence with `code` and **words** marked up, and no line break before a percent sign."""
    marked = str(escape(text.replace(" %", "\N{NO-BREAK SPACE}%")))
    for mark, element in _ELEMENTS.items():
        marked = mark.sub(rf"<{element}>\1</{element}>", marked)
    return Markup(marked)


class _Record(json_files.Shape):
    files: dict[str, str]


def _delete_old_files(out: Path, written: Sequence[str]) -> None:
    """Remove what the report before this one had written and this one has not."""
    if not (out / RECORD).exists():
        return
    remedy = "delete it: files of the report before this one then stay where they are"
    before = json_files.read(out / RECORD, _Record, error=RunError, remedy=remedy)["files"]
    for name in set(before) - {*written, PAGE, SUMMARY}:
        kind, _, file = name.partition("/")
        if kind in ("figures", "tables") and file:
            (out / kind / Path(file).name).unlink(missing_ok=True)


def _record(
    report: ReportData, parts: Sequence[Section], out: Path, written: Sequence[str], software: Any
) -> dict[str, Any]:
    return {
        "question": question(),
        "answers": answers(report),
        "fingerprint": report.fingerprint,
        "split": report.split,
        "draws": report.draws,
        "seed": report.seed,
        "tuned": list(report.tuned),
        "software": software,
        "runs": {
            run.id: {key: run.record.get(key) for key in ("config_hash", "data_hash")}
            for run in report.runs
        },
        "missing": {part.key: list(part.missing) for part in parts if part.missing},
        "files": {name: digest(out / name) for name in [PAGE, SUMMARY, *written]},
    }
