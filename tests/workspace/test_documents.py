"""The documents of this repository are true, and what is not is found."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import mlxts
from mlxts import files, protocol
from mlxts.cli.app import command_tree
from mlxts.errors import WorkspaceError
from mlxts.workspace import (
    documents,
    generated_documents,
    markdown,
    project,
    project_blocks,
    protocol_tables,
)
from tests import draws
from tests.report.test_answers import row
from tests.workspace import projects

TREE = command_tree()
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return projects.with_documents(projects.make(tmp_path, monkeypatch))


def _found(root: Path) -> list[str]:
    return [str(problem) for problem in documents.check(root, TREE)]


def test_the_documents_of_this_repository_are_true(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, `mlxts check docs` says the same; `mlxts docs render` writes the blocks."""
    draws.state_the_default(monkeypatch)
    assert _found(REPOSITORY) == []


def test_rules_skills_and_documents_name_commands_that_were_looked_at() -> None:
    named: dict[str, int] = {}
    for path in project.documents(REPOSITORY):
        parts = markdown.parse(path.read_text(encoding="utf-8"))
        named[project.relative(path, REPOSITORY)] = sum(
            w[:1] == ["mlxts"] for _, w, _ in documents.named(parts)
        )
    assert named["README.md"] > 30
    assert named["docs/getting_started.md"] > 15
    assert named[".claude/rules/context-handoff.md"] > 5


def test_each_skill_says_when_to_use_it_and_is_short() -> None:
    skills = sorted((REPOSITORY / ".claude" / "skills").glob("*/SKILL.md"))
    assert len(skills) == 8
    for path in skills:
        text = path.read_text(encoding="utf-8")
        header = yaml.safe_load(text.split("---\n")[1])
        assert header["name"] == path.parent.name
        assert "Use " in header["description"]
        assert len(text.splitlines()) <= 45
        parts = markdown.parse(text)
        assert any(w[0] in ("mlxts", "make") for _, w, _ in documents.named(parts) if w)


def test_every_table_is_shown_somewhere() -> None:
    texts = [p.read_text(encoding="utf-8") for p in project.documents(REPOSITORY)]
    for name in protocol_tables.RENDERERS:
        assert any(f"<!-- rendered: {name} -->" in text for text in texts), name


@pytest.mark.parametrize(
    ("path", "change", "what"),
    [
        ("README.md", lambda t: t.replace("budgets 2M, 20M", "budgets 3M, 20M"), "is stale"),
        ("README.md", lambda t: t.replace("<!-- end -->", "", 1), "begins inside"),
        ("docs/thermal.md", lambda t: t + "[a](none.md)\n", "there is no none.md"),
        ("docs/thermal.md", lambda t: t + "[a](thermal.md#no)\n", "no heading #no"),
        (
            "docs/thermal.md",
            lambda t: t + "`mlxts data fetch`\n",
            "mlxts data has no command fetch",
        ),
        ("docs/thermal.md", lambda t: t + '<img src="none.png">\n', "there is no none.png"),
        ("docs/thermal.md", lambda t: t + "[a][b]\n\n[b]: none.md\n", "there is no none.md"),
        ("docs/thermal.md", lambda t: t + "[a][nowhere]\n", "there is no [nowhere]"),
        ("docs/thermal.md", lambda t: t + "```sh\nmlxts train\n```\n", "train needs CONFIG"),
        ("docs/data_sources.md", lambda t: "# Data sources\n", "it is stale; run `mlxts docs"),
        ("docs/thermal.md", lambda t: t + "```python\nif:\n```\n", "python block is broken"),
        ("docs/thermal.md", lambda t: t + "```yaml\na: [\n```\n", "yaml block is broken"),
        ("docs/thermal.md", lambda t: t + "```sh\nif x; then\n```\n", "sh block is broken"),
        (".claude/rules/testing.md", lambda t: t + "`make tests`\n", "no target tests"),
        ("docs/plans/new.md", lambda t: "# New\n", "no folder belongs here"),
        (".claude/notes/new.md", lambda t: "# New\n", "no folder belongs here"),
        (".claude/skills/new/README.md", lambda t: "# New\n", "without SKILL.md"),
        (
            ".claude/context/workstreams/ws2_context.md",
            lambda t: t.replace("workstream: ws2", "workstream: ws9"),
            "workstream: Input should be",
        ),
        (
            ".claude/context/phase_tracker.md",
            lambda t: t.replace("| phase | name", "| phase | title"),
            "block phases is stale",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_file(
    small: Path, path: str, change: Callable[[str], str], what: str
) -> None:
    assert _found(small) == []
    file = small / path
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(change(before), encoding="utf-8")
    found = _found(small)
    assert found
    assert all(one.startswith(path.split("/new")[0]) for one in found)
    assert what in found[0]


def test_rendering_mends_stale_blocks_and_then_changes_nothing(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = protocol.Fixed(0.25, 0.0, 1e-3, 80, 16, 8)
    monkeypatch.setattr(protocol, "FIXED", changed)
    stale = [problem for problem in _found(small) if "stale" in problem]
    assert {s.split(":")[0] for s in stale} == set(documents.render(small, TREE))
    assert "dropout 0.25, learning rate 1e-3" in (small / "README.md").read_text()
    assert _found(small) == []
    assert documents.render(small, TREE) == []


def test_rendering_writes_documents_that_are_generated_whole(small: Path) -> None:
    page = small / "docs" / "feature_catalog.md"
    page.write_text("# Features\n")
    assert documents.render(small, TREE) == ["docs/feature_catalog.md"]
    assert page.read_text() == generated_documents.renderers(TREE)["docs/feature_catalog.md"]()
    assert documents.render(small, TREE) == []


def test_a_document_whose_marks_do_not_pair_up_is_named_and_none_is_written(small: Path) -> None:
    readme, broken = small / "README.md", small / "docs" / "thermal.md"
    readme.write_text(readme.read_text().replace("2,000,000", "3,000,000"))
    broken.write_text("# Heat\n\n<!-- rendered: thermal -->\n")
    before = readme.read_text()
    with pytest.raises(WorkspaceError, match=r"docs/thermal\.md:3: block thermal is never closed"):
        documents.render(small, TREE)
    assert readme.read_text() == before


def test_the_readme_names_every_command() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    missing = [name for name in TREE.commands if f"`mlxts {name}" not in text]
    assert missing == []


def test_the_version_stands_in_one_place_and_the_changelog_knows_it() -> None:
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    with (REPOSITORY / "pyproject.toml").open("rb") as stream:
        declared = tomllib.load(stream)["project"]
    assert cited["license"] == declared["license"]
    assert cited["authors"] == declared["authors"]
    assert "version" not in cited
    assert mlxts.__version__ == version("mlxts")
    assert declared["version"] in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text(encoding="utf-8")


def test_tables_hold_every_value_of_the_protocol() -> None:
    for names, table in (
        (protocol.BUDGETS, "budgets"),
        (protocol.TASKS, "tasks"),
        (protocol.TIMESCALES, "timescales"),
        (protocol.SPLITS, "splits"),
        ([*protocol.DATASET_ROWS, *protocol.DATASET_COLUMNS], "matrix"),
    ):
        cells = [
            line.split("|")[1].strip(" `")
            for line in protocol_tables.render(table).splitlines()[2:]
            if "|" in line
        ]
        assert set(names) <= set(cells)


def test_headings_make_the_anchors_of_github() -> None:
    text = "# A `b` c!\n\n## A b c\n\n## [Link](x.md) – it's\n\n```\n# no heading\n```\n"
    assert markdown.parse(text).anchors == {"a-b-c", "a-b-c-1", "link--its"}


def test_links_are_found_in_prose_and_pictures_but_not_in_code() -> None:
    text = '---\na: "[x](no.md)"\n---\n[`a`](one.md) `[b](no.md)`\n![c [d]](two.svg "t")\n'
    links = markdown.parse(text).links
    assert [(link.text, link.line) for link in links] == [("one.md", 4), ("two.svg", 5)]


def test_every_section_of_the_report_is_explained_in_its_order() -> None:
    source = (REPOSITORY / "mlxts" / "report" / "sections.py").read_text(encoding="utf-8")
    told = (REPOSITORY / "docs" / "reading_the_report.md").read_text(encoding="utf-8")
    titles = re.findall(r'Section\(\s*"\w+",\s*"([^"]+)"', source)
    assert len(titles) >= 8
    places = [told.find(f"\n## {title}\n") for title in titles]
    assert -1 not in places, titles
    assert places == sorted(places)


def test_a_shell_is_taught_to_complete() -> None:
    script = f"{sys.executable} -c 'from mlxts.cli import main; main()' --show-completion; true"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert "complete" in done.stdout, done.stderr


def test_the_answers_of_the_results_are_rendered_and_checked(tmp_path, monkeypatch):
    root = projects.make(tmp_path, monkeypatch)
    figures = root / project_blocks.RESULTS.with_suffix(".json")
    figures.parent.mkdir(parents=True)
    files.write_json(figures, {"main": [], "study": answered()})
    readme = root / "README.md"
    readme.write_text("# A project\n\n<!-- rendered: answers -->\n<!-- end -->\n")
    documents.render(root, TREE)
    text = readme.read_text()
    assert "- **Parameters:** flat on SPY at 10 origins (gain −0.0007 nats" in text
    files.write_json(figures, {"main": [], "study": answered(gain=0.5)})
    stale = [
        one for one in documents.check(root, command_tree()) if "block answers is stale" in str(one)
    ]
    assert len(stale) == 1


def answered(**changes) -> dict:
    provenance = {"runs": [], "machines": [], "code": [], "data": []}
    design = {"draws": 60, "configurations": [], "plans": [], "provenance": provenance}
    return design | {"verdicts": [row(**changes)]}
