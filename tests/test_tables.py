"""A table as a terminal, a page, a document, a spreadsheet and a paper show it."""

import io
import math
from html.parser import HTMLParser

import polars as pl
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


def test_a_terminal_shows_intervals_under_their_values_and_takes_no_text_for_markup():
    lines = on_terminal(TABLE)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert cells == [
        ["a_b & 50 % <b>|[red]", "-1.2%", "1,234", "yes"],
        ["", "[-50%,25%]", "", ""],
        ["c-d", "–", "–", "no"],
    ]


def test_columns_of_a_group_stand_one_under_the_other_and_no_line_is_too_long():
    grouped = Table("t", ((COLUMNS[0], COLUMNS[3]), (COLUMNS[1], COLUMNS[2])), ROWS)
    lines = on_terminal(grouped, width=24)
    assert max(map(len, lines)) <= 24
    assert [line.split("┃")[1].strip() for line in lines if "┃" in line and "skill" in line] == [
        "name"
    ]
    assert [column.key for column in grouped.flat] == ["name", "ok", "skill", "n"]


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


def test_a_terminal_too_narrow_for_figures_breaks_them_and_cuts_nothing():
    lines = [line for line in on_terminal(WIDE, width=24) if "│" in line]
    text, figures = ("".join(line.split("│")[i] for line in lines) for i in (1, 2))
    assert "".join(text.split()) == "".join(WIDE.rows[0]["why"].split())
    assert "".join(figures.split()) == "+0.5000[-0.2500,+0.7500]"


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
