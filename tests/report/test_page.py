"""The report: everything is there, is what the evaluator says, and is the same bytes again."""

import json
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from mlxts.errors import RunError
from mlxts.evaluation import test_split_log
from mlxts.files import digest
from mlxts.report import collect, page, sections, skill, summary
from mlxts.scaling import axes, ledger, verdict
from mlxts.scaling.configuration_scores import scored
from tests import draws, homes
from tests.report import worlds
from tests.scaling import worlds as planted

DRAWS = 50


class Page(HTMLParser):
    """Tags as they are nested, and what they say."""

    VOID = ("meta", "link", "br", "img", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        self.links += [given[name] for name in ("href", "src") if given.get(name)]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] in ("h2", "caption"):
            self.headings.append(data.strip())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield homes.simulated(tmp_path_factory.mktemp("home"), patch)


@pytest.fixture(scope="module")
def walked(workspace):
    """Walk-forward runs of two budgets; there before any page is written."""
    return planted.ladder(
        {"0.02M": 0.9, "0.06M": 0.3},
        overrides={"data": homes.SETTINGS["data"] | {"walk_forward_window": 1}},
        splits=("train", "validation", "test"),
    )


@pytest.fixture(scope="module")
def world(workspace, walked):
    home = workspace
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLXTS_HOME", str(home))
        folders = worlds.fill()
        worlds.look(folders[0].name)
        gathered = collect.gather(folders, draws=DRAWS)
        out = home / "outputs" / "results" / "one"
        page.write(gathered, out)
        yield home, folders, gathered, out


@pytest.fixture(autouse=True)
def home(world, monkeypatch):
    monkeypatch.setenv("MLXTS_HOME", str(world[0]))


@pytest.fixture(scope="module")
def text(world):
    return (world[3] / page.PAGE).read_text(encoding="utf-8")


def test_walk_forward_runs_have_a_section_of_their_own(world, walked):
    _, folders, gathered, _ = world
    both = collect.gather([*folders, *walked], draws=DRAWS)
    assert [one.row() for one in both.scored] == [one.row() for one in gathered.scored]
    assert both.fingerprint != gathered.fingerprint
    first = sections.sections(both)[0]
    assert first.key == "walked"
    verdicts, _, skills = first.tables
    assert [row["axis"] for row in verdicts.rows] == ["parameters"]
    assert [row["budget"] for row in skills.rows] == ["0.02M", "0.06M"]
    names = [p.name for section in sections.sections(both) for p in section.pictures]
    assert len(set(names)) == len(names)
    assert first.pictures[0].name == "walk-forward-parameters"
    nothing = {section.key: section for section in sections.sections(gathered)}["walked"]
    assert "configs/sweeps/study_parameters.yaml" in nothing.missing[0]
    *walk_forward, fixed = sections.answers(both)
    assert walk_forward[0].startswith("**Parameters:** ")
    assert [fixed] == sections.answers(gathered)


def test_a_report_is_about_walk_forward_runs_alone_as_well(walked, tmp_path):
    alone = collect.gather(walked, draws=DRAWS)
    out = page.write(alone, tmp_path)
    assert alone.split == "walk-forward"
    assert {run.id for run in alone.runs} == {folder.name for folder in walked}
    parsed = Page(out.read_text(encoding="utf-8"))
    assert parsed.stack == []
    runs = pl.read_csv(tmp_path / "tables" / "runs.csv", infer_schema_length=None)
    assert runs.height == len(walked)
    shown = [answer.replace("**", "") for answer in sections.answers(alone)]
    assert shown[0].startswith("Parameters: ")
    assert json.loads((tmp_path / page.RECORD).read_text())["answers"] == sections.answers(alone)
    with pytest.raises(RunError, match="no test split"):
        collect.scored_symbols(walked)


def test_the_page_is_whole_html_that_needs_nothing_else(text, world):
    parsed = Page(text)
    assert parsed.stack == []
    assert len(parsed.ids) == len(set(parsed.ids))
    for link in parsed.links:
        if link.startswith("#"):
            assert link[1:] in parsed.ids, link
        else:
            assert (world[3] / link).is_file(), link
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert "url(http" not in text


def test_a_sentence_marks_code_and_words_and_nothing_else():
    assert page.prose("**Flat** `--x` <b> 5 %") == (
        "<strong>Flat</strong> <code>--x</code> &lt;b&gt; 5\N{NO-BREAK SPACE}%"
    )


def test_every_section_is_there_or_says_what_to_run(text, world):
    parsed = Page(text)
    for key in (
        "verdicts", "parameters", "features", "history", "assets", "skill", "sensitivity",
        "reliability", "years", "surfaces", "frontier", "evidence", "tried", "runs", "provenance",
    ):  # fmt: skip
        assert key in parsed.ids
    record = json.loads((world[3] / page.RECORD).read_text())
    assert set(record["missing"]) == {
        "verdicts", "features", "assets", "sensitivity", "walked", "surfaces",
    }  # fmt: skip
    assert record["missing"].pop("verdicts") == [
        "Not varied: features and assets; their sections name the sweeps that do."
    ]
    assert all(any("`" in line for line in lines) for lines in record["missing"].values())
    assert sections.question() in text
    (answer,) = sections.answers(world[2])
    assert answer.startswith("On validation (exploratory): parameters: ")
    assert "features: not varied" in answer
    assert "The test split was evaluated 1 time." in text
    assert worlds.read(world[1][0], "run.json")["data_hash"] in json.dumps(record)


def test_every_figure_and_table_has_its_files(world):
    out, parts = world[3], sections.sections(world[2])
    pictures = [picture for part in parts for picture in part.pictures]
    tables = [table for part in parts for table in part.tables]
    assert {picture.name.split("-")[0] for picture in pictures} == {
        "loss", "skill", "reliability", "years", "surface", "frontier",
    }  # fmt: skip
    for picture in pictures:
        for kind, begin in (("svg", b"<?xml"), ("pdf", b"%PDF")):
            assert (out / "figures" / f"{picture.name}.{kind}").read_bytes().startswith(begin)
        kept = pl.read_csv(out / "figures" / f"{picture.name}.csv", infer_schema_length=None)
        assert kept.height == picture.data.height > 0
    for table in tables:
        kept = pl.read_csv(out / "tables" / f"{table.name}.csv", infer_schema_length=None)
        assert kept.height == len(table.rows)
        said = (out / "tables" / f"{table.name}.tex").read_text()
        assert said.count(r" \\") == len(table.rows) + 1
    record = json.loads((out / page.RECORD).read_text())
    assert all(digest(out / name) == known for name, known in record["files"].items())
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {*record["files"], page.RECORD}


def test_the_same_runs_give_the_same_bytes(world, tmp_path):
    _, folders, _, out = world
    page.write(collect.gather(folders[::-1], draws=DRAWS), tmp_path)
    once = json.loads((out / page.RECORD).read_text())
    again = json.loads((tmp_path / page.RECORD).read_text())
    assert once == again


def test_what_an_earlier_report_left_is_removed_and_nothing_else(world, tmp_path):
    stale, foreign = tmp_path / "figures" / "old.svg", tmp_path / "figures" / "mine.svg"
    outside = tmp_path / "mine.txt"
    stale.parent.mkdir()
    for path in (stale, foreign, outside):
        path.write_text("x")
    names = {"figures/old.svg": "", "../mine.txt": "", "mine.txt": ""}
    (tmp_path / page.RECORD).write_text(json.dumps({"files": names}))
    page.write(collect.gather(world[1][-1:], draws=DRAWS), tmp_path)
    assert not stale.exists()
    assert foreign.exists()
    assert outside.exists()


def test_the_summary_has_a_verdict_for_each_question_and_the_figure_that_shows_most(world):
    pictures = [p for section in sections.sections(world[2]) for p in section.pictures]
    found = summary.summarise(world[2], pictures)
    judged = world[2].along["parameters"].judged
    assert [row["question"] for row in found.verdicts.rows] == [
        "parameters", "features", "history", "assets",
    ]  # fmt: skip
    assert found.verdicts.rows[0]["gain"] == judged.pooled.gain
    assert found.verdicts.rows[1]["verdict"] == "not run"
    assert found.picture is not None
    assert found.picture.name.startswith("loss-parameters")
    best = max(scores.row()["skill"] for scores in world[2].scored if not scores.obstacle)
    assert f"{100 * best:+.1f} %".replace("-", "−") in found.sentences[0]


def test_tables_are_named_for_what_they_hold_and_a_slow_run_for_its_reason(world, text):
    names = {table.name for part in sections.sections(world[2]) for table in part.tables}
    assert {"temperature", "test_set_evaluations"} <= names
    assert "1 of 10 runs slowed down while training: a machine that throttles" in text
    assert "one-standard-error rule" in text


def test_the_metrics_of_a_run_are_those_of_the_evaluator(world):
    rows = pl.read_csv(world[3] / "tables" / "runs.csv", infer_schema_length=None)
    run = world[1][0]
    row = rows.row(by_predicate=pl.col("run") == run.name, named=True)
    figures = worlds.read(run, "summary.json")["scores"]["validation"]["patchtst"]
    for name in ("log_loss", "auc", "brier", "ece", "log_loss_skill"):
        assert row[name] == figures[name]
        assert [row[f"{name}_low"], row[f"{name}_high"]] == figures["interval"][name]
    assert row["verdict"] == f"{figures['verdict']} to HAR" == "loses to HAR"
    assert row["seconds"] is None  # its steps slowed down
    assert rows["mode"].unique().to_list() == ["exploratory"]
    others = rows.filter(pl.col("run") != run.name)
    assert others["seconds"].null_count() == 0


def test_the_skill_of_one_seed_is_the_evaluators_with_its_interval(world):
    run = world[1][0]
    (one,) = scored(ledger.build([run]), draws=draws.FEW)
    row = one.row()
    figures = worlds.read(run, "summary.json")["scores"]["validation"]["patchtst"]
    assert row["loss"] == pytest.approx(figures["log_loss"], rel=1e-12)
    assert row["skill"] == pytest.approx(figures["log_loss_skill"], rel=1e-9)
    low, high = figures["interval"]["log_loss_skill"]
    assert [row["skill_low"], row["skill_high"]] == pytest.approx([low, high], rel=1e-9)
    assert row["verdict"] == figures["verdict"] == "loses"
    assert row["n_eff"] == pytest.approx(figures["n_eff"], rel=1e-9)


def test_one_map_has_a_square_for_every_configuration(world):
    every = world[2].scored
    (picture,) = skill.heat_map(every)
    grid = skill._grid(every)
    assert picture.data.height == len(grid.squares) == len(every)
    assert grid.columns == ["0.02M", "0.06M"]
    assert grid.common == "daily H 1, exploratory"
    assert [row.split(",")[0] for row in grid.rows] == [
        "threshold_1pct", "threshold_1pct", "threshold_5pct", "regression",
    ]  # fmt: skip
    assert skill.heat_map(every[:1]) == []


def test_years_are_parts_of_the_whole(world):
    one = world[2].scored[0]
    rows, whole = one.years(), one.row()
    assert [row["year"] for row in rows] == [2023, 2024]
    assert sum(row["n"] for row in rows) == whole["n"]
    mean = sum(row["n"] * row["loss"] for row in rows) / whole["n"]
    assert mean == pytest.approx(whole["loss"], rel=1e-12)


def test_verdicts_are_those_of_the_scaling_room(world):
    cells = axes.tables(ledger.build(world[1]), "parameters")
    judged = verdict.judge(cells, draws=DRAWS)
    rows = pl.read_csv(world[3] / "tables" / "verdict_parameters.csv", infer_schema_length=None)
    assert rows["name"].to_list() == ["pooled", *(cell.name for cell in judged.cells)]
    assert rows["gain"].to_list() == [judged.pooled.gain, *(cell.gain for cell in judged.cells)]
    assert rows["word"].to_list() == [judged.pooled.word, *(cell.word for cell in judged.cells)]


def test_what_is_not_estimable_is_marked_and_not_drawn(world):
    rows = pl.read_csv(world[3] / "tables" / "base_rates.csv", infer_schema_length=None)
    rare = rows.row(by_predicate=pl.col("task") == "threshold_5pct", named=True)
    assert rare["estimable"] is False
    assert "positives" in rare["why"]
    drawn = [path.name for path in (world[3] / "figures").glob("*5pct*")]
    assert drawn == []
    skill = pl.read_csv(world[3] / "tables" / "skill.csv", infer_schema_length=None)
    assert skill.filter(task="threshold_5pct")["verdict"].to_list() == ["not estimable"]


def test_the_skill_table_shows_every_reference(world):
    skill = pl.read_csv(world[3] / "tables" / "skill.csv", infer_schema_length=None)
    own = skill.row(by_predicate=pl.col("task") == "regression", named=True)
    rows = world[2].ledger.filter(pl.col("canonical"), task="regression")
    for name in ("prior", "har", "lhar", "linear", "trees"):
        assert own[f"loss_{name}"] == pytest.approx(rows[f"loss_{name}"].mean(), rel=1e-9)


def test_the_compute_frontier_never_rises_and_knows_no_seconds(world):
    (path,) = (world[3] / "figures").glob("frontier-threshold-1pct*.csv")
    rows = pl.read_csv(path)
    assert rows["flops"].is_sorted()
    assert rows["frontier"].is_sorted(descending=True)
    assert rows["frontier"].min() == rows["loss"].min()
    assert "seconds" not in rows.columns


def test_what_test_says_counts_once_it_has_been_opened_on_record(tmp_path, monkeypatch):
    homes.simulated(tmp_path, monkeypatch)
    blurs = {"0.02M": 1.5, "0.06M": 0.8, "0.2M": 0.1}
    folders = planted.ladder(blurs, splits=("train", "validation", "test"))
    closed = collect.gather(folders, draws=DRAWS)
    before = closed.along["parameters"].judged
    assert before is not None
    assert before.pooled.replicated is None
    assert "scaling, not replicated yet" in sections.answers(closed)[0]
    for folder in folders:
        test_split_log.record(folder.name, "SPY")
    opened = collect.gather(folders, draws=DRAWS)
    after = opened.along["parameters"].judged
    assert after is not None
    assert after.pooled.replicated is True
    assert "not replicated yet" not in sections.answers(opened)[0]
