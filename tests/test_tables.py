"""A table as a terminal, a page, a document, a spreadsheet and a paper show it."""

import io
import math
from html.parser import HTMLParser

import polars as pl
import pytest
from rich.console import Console

from mlxts.tables import Column, Table, markdown, ranged, with_ends

ROWS = [
    {
        "name": "a_b & 50 % <b>|[red]",
        "skill": -0.0123,
        "skill_low": -0.5,
        "skill_high": 0.25,
        "n": 1234,
        "ok": True,
    },
    {
        "name": "c-d",
        "skill": math.nan,
        "skill_low": None,
        "skill_high": None,
        "n": None,
        "ok": False,
    },
]
COLUMNS = (
    Column("name"),
    ranged("skill", "skill, %", "+.1%", ".0%"),
    Column("n"),
    Column("ok", "fine"),
)
TABLE = Table("Title & co", COLUMNS, ROWS, note="50 % of it", name="t")


class Cells(HTMLParser):
    """Texts of the cells of a page's table, and the attributes of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: list[dict] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th"):
            self.texts.append("")
            self.attributes.append(dict(attrs))

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data.strip("\n")


def on_terminal(table: Table, width: int = 80) -> list[str]:
    shown = io.StringIO()
    terminal = Console(file=shown, width=width, highlight=False)
    terminal.print(table.rich(width=width))
    return shown.getvalue().splitlines()


def cells_of(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]


def test_intervals_stand_beside_their_values_or_under_them_and_no_text_is_taken_for_markup():
    assert cells_of(on_terminal(TABLE)) == [
        ["a_b & 50 % <b>|[red]", "-1.2% [-50%,25%]", "1,234", "yes"],
        ["c-d", "–", "–", "no"],
    ]
    assert cells_of(on_terminal(TABLE, width=54)) == [
        ["a_b & 50 % <b>|[red]", "-1.2%", "1,234", "yes"],
        ["", "[-50%,25%]", "", ""],
        ["c-d", "–", "–", "no"],
    ]


def test_columns_of_a_group_stand_side_by_side_where_there_is_room():
    grouped = Table("t", ((COLUMNS[0], COLUMNS[3]), (COLUMNS[1], COLUMNS[2])), ROWS)
    assert [column.key for column in grouped.flat] == ["name", "ok", "skill", "n"]
    wide, narrow = cells_of(on_terminal(grouped)), cells_of(on_terminal(grouped, width=44))
    assert wide[0] == ["a_b & 50 % <b>|[red]", "yes", "-1.2% [-50%,25%]", "1,234"]
    assert narrow[:3] == [
        ["a_b & 50 % <b>|[red]", "-1.2%"],
        ["yes", "[-50%,25%]"],
        ["", "1,234"],
    ]


DATED = Table(
    "stored",
    ("dataset", "first", "last", "registered", "sha256", "why it is there"),
    [
        {
            "dataset": "SP500_t20_daily",
            "first": "1999-01-04",
            "last": "2018-12-31",
            "registered": "2026-11-26 01:26",
            "sha256": "f1a17a37d353",
            "why it is there": "somebody downloaded it and somebody else has used it since",
        }
    ],
)


@pytest.mark.parametrize("width", [32, 40, 60, 80, 100, 160])
def test_no_width_breaks_a_word_or_a_date(width: int):
    lines = on_terminal(DATED, width=width)
    assert max(map(len, lines)) <= width
    words = [word for value in DATED.rows[0].values() for word in str(value).split()]
    shown = " ".join(lines).split()
    assert [word for word in words if word not in shown] == []


def test_a_wide_terminal_is_used():
    assert len(cells_of(on_terminal(DATED, width=100))) > 1
    assert len(cells_of(on_terminal(DATED, width=160))) == 1


def test_numbers_are_aligned_to_the_right_though_some_are_missing():
    assert TABLE.markdown().splitlines()[1] == "| --- | ---: | ---: | --- |"
    assert r"\begin{tabular}{lrrl}" in TABLE.latex()


def test_a_document_has_true_minus_signs_in_numbers_alone_and_escapes_bars():
    assert TABLE.markdown().splitlines()[2:] == [
        r"| a_b & 50 % <b>\|[red] | −1.2% [−50%, 25%] | 1,234 | yes |",
        "| c-d | – | – | no |",
    ]


def test_a_page_escapes_texts_and_sorts_by_values():
    page = Cells(str(TABLE.html()))
    assert page.texts[4:] == [
        "a_b & 50 % <b>|[red]", "−1.2% [−50%, 25%]", "1,234", "yes", "c-d", "–", "–", "no",
    ]  # fmt: skip
    assert [a.get("data-value") for a in page.attributes[4:]] == [
        None, "-0.0123", "1234", None, None, "", "", None,
    ]  # fmt: skip
    assert [a["class"] for a in page.attributes[:4]] == ["word", "number", "number", "word"]


def test_the_csv_holds_every_key_unrounded_and_headings_without_rows(tmp_path):
    TABLE.write(tmp_path)
    kept = pl.read_csv(tmp_path / "t.csv")
    assert kept.columns == list(ROWS[0])
    assert kept["skill"][0] == -0.0123
    Table("None", COLUMNS, [], name="empty").write(tmp_path)
    assert (tmp_path / "empty.csv").read_text() == "name,skill,n,ok\n"


def test_latex_escapes_what_would_break_it(tmp_path):
    TABLE.write(tmp_path)
    text = (tmp_path / "t.tex").read_text()
    assert r"\caption{Title \& co}" in text
    assert r"a\_b \& 50 \% $<$b$>$|[red]" in text
    assert r"$-$1.2\% [$-$50\%, 25\%]" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    odd = Table.of("{x}^2 ~ \\", ("a",), [("b",)])
    assert r"\caption{\{x\}\textasciicircum{}2 \textasciitilde{} \textbackslash{}}" in odd.latex()


def test_the_evaluators_intervals_become_ends_of_a_row():
    figures = {"auc": 0.6, "interval": {"auc": [0.5, 0.7]}, "n": 3}
    assert with_ends(figures) == {"auc": 0.6, "n": 3, "auc_low": 0.5, "auc_high": 0.7}
    assert with_ends({"auc": None}) == {"auc": None}


WIDE = Table(
    "t",
    ("why", Column("gain", "gain per decade of parameters", "+.4f", ("low", "high"))),
    [{"why": "the interval includes nothing at all " * 2, "gain": 0.5, "low": -0.25, "high": 0.75}],
)


def test_figures_stay_in_one_line_while_texts_and_headings_are_broken():
    text = "\n".join(on_terminal(WIDE, width=40))
    assert "[-0.2500,+0.7500]" in text
    assert max(map(len, text.splitlines())) <= 40
    assert "gain per decade of parameters" not in text


def test_a_terminal_too_narrow_for_columns_gets_a_list_and_nothing_is_cut():
    text = "\n".join(on_terminal(WIDE, width=24))
    assert "│" not in text
    words = text.split()
    assert [word for word in WIDE.rows[0]["why"].split() if word not in words] == []
    assert {"+0.5000", "[-0.2500,", "+0.7500]"} <= set(words)


def test_an_empty_heading_stays_empty():
    assert markdown(("", "value"), [("a", 1)]).splitlines()[0] == "|  | value |"


def test_what_shares_a_column_stands_under_the_first_of_it_on_a_page():
    grouped = Table("t", ((Column("n"), COLUMNS[1], Column("name")), COLUMNS[3]), ROWS)
    text = str(grouped.html())
    cells = Cells(text)
    assert cells.texts[:2] == ["n", "fine"]
    assert len(cells.texts) == 2 + 2 * len(ROWS)
    first = '<small data-key="skill, %" data-value="-0.0123">skill, % −1.2%</small> '
    name = '<small data-key="name" data-value="a_b &amp; 50 % '
    assert f'data-value="1234">1,234 {first}<small>[−50%, 25%]</small> {name}' in text
    assert cells.texts[4].split() == ["–", "c-d"]  # what is not known has no line
    assert grouped.csv() == TABLE.csv()
