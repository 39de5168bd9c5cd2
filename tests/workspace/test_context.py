"""Records: claimed, handed off, picked up, by several processes at once, and never half-read."""

import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from benchmarks import handoffs
from mlxts import files
from mlxts.data import store
from mlxts.errors import WorkspaceError
from mlxts.workspace import context, decisions, git, handoff, ownership, project, restore, summaries
from mlxts.workspace.context_records import Blocking, Workstream
from mlxts.workspace.handoff import HandoffNotes
from tests.workspace import projects

ROUNDS = 6


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return projects.make(tmp_path / "project", monkeypatch)


def _header(root: Path, name: str) -> Workstream:
    return context.load(root).workstreams[name].header


def _text(root: Path, name: str) -> str:
    return context.workstream_path(root, name).read_text(encoding="utf-8")


def _run(name: str, started: str) -> None:
    settings = {"name": "mine", "budget": "2M", "task": "direction", "horizon": 1, "seed": 7}
    record = {"run_id": name, "started": started, "config": settings | {"mode": "strict"}}
    files.write_json(files.runs_folder() / name / "run.json", record)


def test_a_handoff_writes_what_was_told_and_what_there_is(root: Path) -> None:
    projects.with_git(root)
    bars = pl.DataFrame({"date": [date(2024, 1, 2)], "value": [1.0]})
    artifact = store.register_raw(bars, source="fred", symbol="DGS10", parameters={})
    stray = files.raw_folder() / "stray.parquet"
    bars.write_parquet(stray)
    _run("aaaa", "2020-01-01T00:00:00+00:00")
    waits = (Blocking(by="ws2", why="needs its search"),)
    handoff.write(
        root, "ws1", HandoffNotes("tiers are frozen", ("froze them",), ("audit QQQ",), waits)
    )
    text = _text(root, "ws1")
    for said in (
        "tiers are frozen", "- froze them", "1. audit QQQ", "- ws2: needs its search", "`aaaa`",
        artifact.md5, "`data/raw/stray.parquet`", "branch `main`", "written by hand",
    ):  # fmt: skip
        assert said in text, said
    header = _header(root, "ws1")
    assert (header.status, header.handoffs, header.branch) == ("blocked", 1, "main")
    assert header.commit == projects.git(root, "rev-parse", "HEAD").strip()
    overall = (root / project.CONTEXT / context.GLOBAL).read_text()
    assert "| tiers are frozen |" in overall
    assert "| ws1 | ws2 | needs its search |" in overall
    assert "The question is whether" in overall
    assert list(context.problems(root)) == []


def test_the_next_handoff_holds_only_what_is_new_and_leaves_the_earlier_in_the_table(
    root: Path,
) -> None:
    projects.with_git(root)
    _run("aaaa", "2020-01-01T00:00:00+00:00")
    handoff.write(root, "ws1", HandoffNotes("first"))
    _run("bbbb", "2999-01-01T00:00:00+00:00")
    projects.commit(root, "feat: something")
    handoff.write(root, "ws1", HandoffNotes("second", finished=True))
    text = _text(root, "ws1")
    assert "`bbbb`" in text
    assert "`aaaa`" not in text
    assert "feat: something" in text
    rows = summaries.history(text)
    assert [row.split("|")[1].strip() for row in rows] == ["2", "1"]
    assert "first" in rows[1]
    assert _header(root, "ws1").status == "done"


@pytest.mark.parametrize(
    "told",
    [
        HandoffNotes(""),
        HandoffNotes("two\nlines"),
        HandoffNotes("x", next=("<!-- end -->",)),
        HandoffNotes("x", done=(" ",)),
    ],
)
def test_what_is_told_is_lines_of_plain_text(root: Path, told: HandoffNotes) -> None:
    before = projects.everything(root)
    with pytest.raises(WorkspaceError, match="one line"):
        handoff.write(root, "ws1", told)
    assert projects.everything(root) == before


def test_a_primary_claim_excludes_and_a_shared_one_does_not(root: Path) -> None:
    ownership.claim(root, "ws1", ["mlxts/features"], resources=["GPU"], name="tiers")
    with pytest.raises(WorkspaceError, match=r"mlxts/features is PRIMARY of ws1 \(tiers\)"):
        ownership.claim(root, "ws2", ["mlxts/features/tiers.py"], shared=True)
    with pytest.raises(WorkspaceError, match="PRIMARY of ws1"):
        ownership.claim(root, "ws2", ["mlxts"])
    ownership.claim(root, "ws1", ["README.md"], shared=True)
    ownership.claim(root, "ws2", ["README.md"], shared=True, resources=["GPU"])
    ownership.claim(root, "ws2", ["mlxts/features2.py"])
    assert list(summaries.collisions(context.load(root).headers)) == []
    overall = (root / project.CONTEXT / context.GLOBAL).read_text()
    assert "| GPU | ws1, ws2 |" in overall
    with pytest.raises(WorkspaceError, match="ws2 holds no mlxts, only GPU, README"):
        ownership.release(root, "ws2", ["mlxts"])
    ownership.release(root, "ws2", ["README.md"])
    assert [c.path for c in _header(root, "ws2").owns] == ["mlxts/features2.py"]
    ownership.release(root, "ws2", [])
    assert (_header(root, "ws2").owns, _header(root, "ws2").status) == ((), "idle")


def test_only_files_of_the_project_are_claimed(root: Path) -> None:
    with pytest.raises(WorkspaceError, match="is not below"):
        ownership.claim(root, "ws1", ["../elsewhere"])


def test_a_file_of_one_changed_by_another_is_reported(root: Path) -> None:
    projects.with_git(root)
    ownership.claim(root, "ws1", ["mine"])
    ownership.claim(root, "ws2", ["ours.md"], shared=True)
    ownership.claim(root, "ws3", ["ours.md"], shared=True)
    (root / "mine").mkdir()
    changes = [("mine/a", "ws1"), ("mine/a", "ws2"), ("mine/b", None)]
    changes += [("ours.md", "ws3"), ("ours.md", "ws1")]
    for number, (path, by) in enumerate(changes):
        (root / path).write_text(str(number))
        projects.commit(root, f"feat: number {number}", by)
    found = ownership.trespasses(context.load(root))
    assert [(t.path, t.owner, t.by, t.subject) for t in found] == [
        ("ours.md", "ws2", "ws1", "feat: number 4"),
        ("ours.md", "ws3", "ws1", "feat: number 4"),
        ("mine/a", "ws1", "ws2", "feat: number 1"),
    ]
    handoff.write(root, "ws1", HandoffNotes("seen"))
    assert "mine/a is PRIMARY of ws1; ws2 changed it in" in _text(root, "ws1")


def test_without_a_trailer_a_branch_of_its_own_tells_whose_a_change_is(root: Path) -> None:
    projects.with_git(root)
    ownership.claim(root, "ws1", ["a file", "other"])
    projects.commit(root, "docs: claim")
    projects.git(root, "checkout", "-q", "-b", "feature/search")
    ownership.claim(root, "ws2", ["search"])
    (root / "a file").write_text("1")
    projects.commit(root, "feat: on a branch")
    (root / "other").write_text("1")
    found = ownership.trespasses(context.load(root))
    assert [(t.path, t.by, t.subject) for t in found] == [
        ("other", "ws2", ""),
        ("a file", "ws2", "feat: on a branch"),
    ]
    assert "has not committed it" in str(found[0])
    projects.commit(root, "feat: the rest")
    projects.git(root, "checkout", "-q", "main")
    projects.git(root, "merge", "-q", "feature/search")
    assert ownership.trespasses(context.load(root)) == []  # now it can be anybody's


def test_git_lists_renamed_and_untracked_files(root: Path) -> None:
    projects.with_git(root)
    (root / "ä b").write_text("1")
    projects.git(root, "mv", ".claude/context/decision_log.md", "moved.md")
    state = git.state(root)
    assert state is not None
    assert set(state.changed) == {"moved.md", "ä b"}


def test_outside_of_git_everything_still_works(root: Path) -> None:
    assert git.state(root) is None
    ownership.claim(root, "ws1", ["a"])
    handoff.write(root, "ws1", HandoffNotes("no repository"))
    assert "No git repository." in _text(root, "ws1")
    assert ownership.trespasses(context.load(root)) == []


WS1, WS2 = (f"workstreams/{name}_context.md" for name in ("ws1", "ws2"))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (WS2, "---\n", "", "no YAML header"),
        (WS2, "workstream: ws2", "workstream: [ws2", "the header is not valid YAML"),
        (WS2, "workstream: ws2", "workstream: ws4", "workstream: Input should"),
        (WS2, "workstream: ws2", "workstream: ws1", "it says ws1"),
        (WS2, "workstream: ws2", "workstream: ws2\nage: 3", "age: Extra"),
        (WS1, "<!-- rendered: handoff -->", "", "closes no block"),
        (WS1, "rendered: history", "rendered: other", "no block named history"),
        ("global_context.md", "<!-- rendered: coordination -->", "", "closes no block"),
        ("phase_tracker.md", "phases:", "phase:", "phases: Field required"),
        ("decision_log.md", "decisions: 0", "decisions: none", "decisions: Input should"),
    ],
)
def test_a_record_that_is_broken_is_named_and_nothing_is_touched(
    root: Path, file: str, old: str, new: str, message: str
) -> None:
    path = root / project.CONTEXT / file
    path.write_text(path.read_text().replace(old, new, 1))
    before = projects.everything(root)
    with pytest.raises(WorkspaceError, match=re.escape(message)) as error:
        handoff.write(root, "ws1", HandoffNotes("never written"))
    assert file in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert projects.everything(root) == before
    assert list(context.problems(root))


def test_what_a_killed_process_left_half_written_goes_with_the_next_change(root: Path) -> None:
    folder = root / project.CONTEXT / "workstreams"
    left = folder / f".ws1_context.abc{files.TEMPORARY}.md"
    left.write_text("half of a rec")
    assert left not in project.documents(root)
    handoff.write(root, "ws2", HandoffNotes("alive"))
    assert not left.exists()


def test_a_decision_is_numbered_kept_and_never_edited(root: Path) -> None:
    path = root / project.CONTEXT / context.DECISIONS
    assert (
        decisions.decide(root, "First", why="a\nreason", instead=["b"], workstream="ws3")
        == "D-0001"
    )
    first = path.read_text().split("<!-- entries -->")[1]
    assert decisions.decide(root, "Second", why="c", evidence=["run d"]) == "D-0002"
    text = path.read_text()
    assert text.endswith(first)
    assert "- **Why**: a reason\n- **Instead of**: b" in text
    path.write_text(text.replace("## D-0001: First", "gone"))
    before = projects.everything(root)
    with pytest.raises(WorkspaceError, match="lost entries"):
        decisions.decide(root, "Third", why="d")
    assert projects.everything(root) == before


def test_a_phase_has_stages_that_begin_and_end(root: Path) -> None:
    decisions.phase(root, "6A", status="active", stage="Memory")
    decisions.phase(root, "6A", stage="Memory", stage_done=True, note="one line")
    decisions.phase(root, "7", title="Write it up")
    shown = (root / project.CONTEXT / context.PHASES).read_text()
    assert "| 6A | Parameter scaling | active | Memory (done) | one line |" in shown
    assert "| 7 | Write it up | planned |" in shown
    with pytest.raises(WorkspaceError, match=r"no phase 8, only 1, 6A, .*, 7"):
        decisions.phase(root, "8", status="done")
    with pytest.raises(WorkspaceError, match="no stage 'Heat'"):
        decisions.phase(root, "6A", stage="Heat", stage_done=True)


def test_the_words_of_a_request_point_at_a_workstream(root: Path) -> None:
    ownership.claim(root, "ws1", ["mlxts/features"], name="feature tiers", keywords=("audit",))
    ownership.claim(root, "ws2", ["mlxts/search"], name="search", keywords=("hpo", "optuna"))
    headers = context.load(root).headers
    for text, name in (
        ("let us continue with the tier audits", "ws1"),
        ("what did Optuna find?", "ws2"),
        ("resume ws2, not the tiers", "ws2"),
        ("audit optuna", None),
        ("continue", None),
        ("write a poem", None),
    ):
        assert restore.guess(headers, text).workstream == name, text
    ownership.release(root, "ws2", [])
    assert restore.guess(context.load(root).headers, "continue").workstream == "ws1"


def test_restore_tells_a_newcomer_everything_in_order(root: Path) -> None:
    ownership.claim(root, "ws1", ["mlxts/features"], name="feature tiers")
    told = HandoffNotes(
        "frozen", next=("audit QQQ", "write"), blocked_by=(Blocking(by="ws2", why="x"),)
    )
    handoff.write(root, "ws1", told)
    sections = restore.sections(root, None, "the tiers again")
    assert [title for title, _ in sections] == [
        "The project", "Workstreams", "Which one", "Confirm", "ws1 in detail", "The environment",
        "Other workstreams", "Priorities",
    ]  # fmt: skip
    texts = dict(sections)
    assert "Parameter scaling" in texts["The project"]
    assert "The question is whether" in texts["The project"]
    assert texts["Which one"] == "Detected ws1 (feature tiers) by tier."
    assert "written by hand" in texts["ws1 in detail"]
    assert "<!--" not in "".join(texts.values())
    assert texts["Priorities"].startswith("1. audit QQQ\n2. write\n\n")
    unknown = dict(restore.sections(root, None, "a poem"))
    assert "no single workstream" in unknown["Which one"]
    assert "ws1 waits for you." in dict(restore.sections(root, "ws2", ""))["Other workstreams"]


def test_three_processes_at_once_lose_nothing(root: Path) -> None:
    lost = handoffs.race(projects.with_git(root), ROUNDS)
    assert lost == dict.fromkeys(lost, 0)
    assert len(lost) == 7


def _cut(path: Path, block: str) -> None:
    """Take a whole block out of a record, as an edit by hand may."""
    text = path.read_text(encoding="utf-8")
    pattern = rf"<!-- rendered: {block} -->.*?<!-- end -->\n?"
    path.write_text(re.sub(pattern, "", text, count=1, flags=re.S), encoding="utf-8")


def test_a_handoff_whose_block_is_gone_is_refused_and_nothing_is_lost(root: Path) -> None:
    _cut(context.workstream_path(root, "ws1"), "handoff")
    before = projects.everything(root)
    with pytest.raises(WorkspaceError, match="no block named handoff"):
        handoff.write(root, "ws1", HandoffNotes("it stands"))
    assert projects.everything(root) == before
    assert any("no block named handoff" in str(one) for one in context.problems(root))


def test_an_overview_without_its_table_is_named_before_anything_is_written(root: Path) -> None:
    _cut(root / project.CONTEXT / context.GLOBAL, "workstreams")
    before = projects.everything(root)
    with pytest.raises(WorkspaceError, match="no block named workstreams"):
        handoff.write(root, "ws1", HandoffNotes("it stands"))
    assert projects.everything(root) == before
    assert any("no block named workstreams" in str(one) for one in context.problems(root))


def test_a_subfolder_hands_off_the_projects_own_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run("aaaa", "2020-01-01T00:00:00+00:00")
    below = root / "notes"
    below.mkdir()
    monkeypatch.delenv("MLXTS_HOME")
    monkeypatch.chdir(below)
    handoff.write(root, "ws1", HandoffNotes("it stands"))
    assert "`aaaa`" in _text(root, "ws1")
    assert "MLXTS_HOME" not in os.environ


def test_a_run_that_was_at_work_at_the_last_handoff_is_in_the_next(root: Path) -> None:
    _run("aaaa", "2020-01-01T00:00:00+00:00")
    handoff.write(root, "ws1", HandoffNotes("first"))
    handoff.write(root, "ws1", HandoffNotes("second"))
    assert "`aaaa`" not in _text(root, "ws1")
    stop = '{"event": "stop", "step": 9, "time": 32503680000.0}\n'  # long after
    (files.runs_folder() / "aaaa" / "events.jsonl").write_text(stop)
    handoff.write(root, "ws1", HandoffNotes("third"))
    assert "`aaaa`" in _text(root, "ws1")


def test_a_commit_that_is_gone_is_said_and_not_taken_for_no_change(root: Path) -> None:
    projects.with_git(root)
    ownership.claim(root, "ws1", ["README.md"])
    claimed = _header(root, "ws1").owns[0].since
    assert claimed == projects.git(root, "rev-parse", "HEAD").strip()
    path = context.workstream_path(root, "ws1")
    path.write_text(path.read_text().replace(claimed, "abcdef0123" * 4))
    (said,) = ownership.trespasses(context.load(root))
    assert "commit abcdef0123, at which it was claimed, is gone; claim it again" in str(said)


def test_a_project_below_the_repositorys_folder_is_compared_by_its_own_paths(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = root.parent
    projects.with_git(outer)
    monkeypatch.chdir(root)
    ownership.claim(root, "ws1", ["owned.txt"])
    (root / "owned.txt").write_text("x")
    (outer / "elsewhere.txt").write_text("x")
    state = git.state(root)
    assert state is not None
    assert "owned.txt" in state.changed
    assert not [path for path in state.changed if "elsewhere" in path]
    projects.commit(outer, "feat: theirs", "ws2")
    (said,) = ownership.trespasses(context.load(root))
    assert (said.path, said.by) == ("owned.txt", "ws2")


@pytest.mark.parametrize("field", ["note", "title", "stage"])
def test_two_lines_where_one_belongs_are_one_line_of_error(root: Path, field: str) -> None:
    before = projects.everything(root)
    told: dict[str, Any] = {"title": "scaling", field: "two\nlines"}
    with pytest.raises(WorkspaceError, match="it is one line of text") as caught:
        decisions.phase(root, "6A", **told)
    assert "\n" not in str(caught.value)
    assert projects.everything(root) == before


def test_a_path_of_two_lines_is_not_claimed(root: Path) -> None:
    with pytest.raises(WorkspaceError, match="path: it is one line of text"):
        ownership.claim(root, "ws1", ["two\nlines"])


def test_words_of_every_request_point_at_the_only_one_at_work(root: Path) -> None:
    ownership.claim(root, "ws2", ["README.md"], name="tiers")
    headers = context.load(root).headers
    for words in ("continue this", "continue", "please go on with this", ""):
        assert restore.guess(headers, words).workstream == "ws2", words


def test_a_handoff_tells_of_a_damaged_run(root: Path) -> None:
    _run("aaaa", "2020-01-01T00:00:00+00:00")
    (files.runs_folder() / "aaaa" / "run.json").write_text("[]")
    (files.runs_folder() / "aaaa" / "summary.json").write_text("{}")
    handoff.write(root, "ws1", HandoffNotes("as it is", (), (), ()))
    assert "run.json is damaged" in _text(root, "ws1")
