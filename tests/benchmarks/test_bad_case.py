"""How the sweep over bad inputs judges what a command made of a damaged workspace."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bad.case import Bench, Case
from benchmarks.bad.server import Outcome

COUNT = itertools.count()


class Report:
    """In the place of the process that runs commands: one that reads a run and writes a page."""

    def __init__(self, *, mends: bool) -> None:
        self._mends = mends

    def call(self, arguments: list[str], home: Path, **_: Any) -> Outcome:
        if self._mends:
            (home / "predictions.parquet").write_text("of the run")
        (home / "report.html").write_text(f"page {next(COUNT)}")
        return Outcome(0, f"written {next(COUNT)} pages", "", 0.1)


@pytest.mark.parametrize(("mends", "judged"), [(True, "mended"), (False, "accepted")])
def test_a_run_that_is_whole_again_is_mended_whatever_else_is_written(
    tmp_path: Path, mends: bool, judged: str
) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "predictions.parquet").write_text("of the run")
    (template / "report.html").write_text("page of before")
    server: Any = Report(mends=mends)

    def gone(home: Path) -> str:
        (home / "predictions.parquet").unlink()
        return "predictions.parquet"

    case = Case("damaged", "predictions gone", ["report"], gone)
    assert Bench(template, tmp_path / "scratch", server).run(case).judged == judged
