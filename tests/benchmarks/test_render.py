"""docs/performance.md: made of results, the same bytes of the same results."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import claims, render

MACHINE = {
    "device": "cpu", "device_name": "Chip", "threads": 2, "blas": "mkl", "kernels": "vector",
    "mlx": "1.0", "python": "3.12",
}  # fmt: skip
BARS = {"kind": "bars", "x": ["model", "size"], "y": "speed", "by": "model", "level": 1.0}
LINES = {"kind": "lines", "x": ["size"], "y": "speed", "by": "model", "log": True}


def _record(name: str, picture: dict | None, **changes) -> dict:
    return {
        "benchmark": name,
        "question": f"How fast is {name}?",
        "machine": MACHINE,
        "columns": {"model": "model", "size": "size", "speed": "samples/s|,.0f"},
        "picture": picture,
        "notes": ["Best of three."],
        "rows": [
            {"model": model, "size": size, "speed": speed * size}
            for model, speed in (("2M", 1000.0), ("20M", 90.0))
            for size in (20, 200)
        ],
        **changes,
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    records = {
        "bars": _record("bars", BARS),
        "lines": _record("lines", LINES),
        "absent": _record("absent", BARS, rows=[], skipped="there is no GPU"),
        "plain": {k: v for k, v in _record("plain", None).items() if k != "columns"},
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps(records))
    return path


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_results_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        assert render.main([str(results)], folder) == 0
    first, second = map(_files, folders)
    assert first == second
    pictures = {name for name in first if name.endswith(".svg")}
    assert pictures == {"performance_bars.svg", "performance_lines.svg"}
    for name in pictures:
        assert ElementTree.fromstring(first[name]).tag.endswith("svg")


def test_the_document_holds_every_figure_its_machine_and_what_is_missing(results: Path) -> None:
    text = render.document(json.loads(results.read_text()))
    assert "| 2M | 200 | 200,000 |" in text
    assert "Chip (cpu), 2 threads, mkl, vector kernels, MLX 1.0, Python 3.12" in text
    assert "Not measured here: there is no GPU" in text
    assert "![How fast is bars?](performance_bars.svg)" in text
    assert text.count("Best of three.") == 3


def test_the_document_in_docs_is_what_its_own_figures_render_to() -> None:
    figures = render.DOCS / render.FIGURES
    if not figures.exists():
        pytest.skip("no results were rendered into docs/ yet")
    written = (render.DOCS / render.DOCUMENT).read_text(encoding="utf-8")
    assert written == render.document(json.loads(figures.read_text(encoding="utf-8")))


def test_the_validation_in_docs_is_what_its_own_figures_render_to() -> None:
    figures = render.DOCS / render.VALIDATION_FIGURES
    written = (render.DOCS / render.VALIDATION).read_text(encoding="utf-8")
    assert written == render.validation(json.loads(figures.read_text(encoding="utf-8")))


def test_what_decides_a_claim_goes_to_the_validation_and_nothing_else(tmp_path: Path) -> None:
    row = {"case": "H = 21, slow", "ours_window": 0.95, "single_window": 0.4}
    row |= {"held_difference": 0.80, "ours_history": 0.91}
    records = {
        "interval_coverage": _record("interval_coverage", None, rows=[row], columns=None),
        "plain": _record("plain", None),
    }
    (tmp_path / "results.json").write_text(json.dumps(records))
    assert render.main([str(tmp_path / "results.json")], tmp_path) == 0
    assert "interval_coverage" not in (tmp_path / render.DOCUMENT).read_text()
    text = (tmp_path / render.VALIDATION).read_text()
    assert "How fast is plain?" not in text
    found = {line.split(" | ")[2]: line.split(" | ")[4] for line in text.split("\n") if "|" in line}
    assert found["95.0% to 95.0%"] == "yes"
    assert found["80.0% to 80.0%"] == "**no**"
    assert found["91.0% to 91.0%"] == "–"
    assert found["not measured yet"] == "–"


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.statement[:40])
def test_every_claim_can_be_read_off_the_figures_that_are_kept(claim: claims.Claim) -> None:
    kept = json.loads((render.DOCS / render.VALIDATION_FIGURES).read_text(encoding="utf-8"))
    said, holds = claim.check(kept[claim.benchmark]["rows"])
    assert said
    assert (holds is None) == (not claim.criterion)


def test_what_was_not_measured_this_time_stays_as_it_was(results: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    render.main([str(results)], docs)
    only = tmp_path / "only.json"
    only.write_text(json.dumps({"bars": _record("bars", BARS, notes=["Measured again."])}))
    render.main([str(only)], docs)
    text = (docs / render.DOCUMENT).read_text()
    assert "How fast is lines?" in text
    assert text.count("Measured again.") == 1
    assert text == render.document(json.loads((docs / render.FIGURES).read_text()))


def test_without_results_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("MLXTS_HOME", str(tmp_path))
    assert render.main([], tmp_path / "docs") == 2
    assert "run `make bench` first" in capsys.readouterr().err
