"""A table as it is shown, sorted, and printed."""

import math

import polars as pl

from mlxts.report import latex
from mlxts.report.table import Column, Table

ROWS = [
    {"name": "a_b & 50 %", "skill": -0.0123, "low": -0.5, "high": 0.25, "n": 1234, "ok": True},
    {"name": "c", "skill": math.nan, "low": None, "high": None, "n": None, "ok": False},
]
COLUMNS = (
    Column("name", "name"),
    Column("skill", "skill", "+.1%", ("low", "high")),
    Column("n", "n"),
    Column("ok", "fine"),
)
TABLE = Table("t", "Title", COLUMNS, ROWS, note="50 % of it")


def test_numbers_are_shown_rounded_and_what_is_unknown_as_a_dash():
    shown = [[column.text(row) for column in COLUMNS] for row in ROWS]
    assert shown == [["a_b & 50 %", "−1.2%", "1,234", "yes"], ["c", "–", "–", "no"]]
    assert COLUMNS[1].interval(ROWS[0]) == "[−50.0%, +25.0%]"
    assert COLUMNS[1].interval(ROWS[1]) == ""
    assert [column.raw(ROWS[0]) for column in COLUMNS[1:3]] == ["-0.0123", "1234"]
    assert COLUMNS[1].raw(ROWS[1]) == ""


def test_columns_of_numbers_are_known_though_some_are_missing():
    assert TABLE.shapes == ["word", "number", "number", "word"]


def test_the_csv_holds_every_key_unrounded_and_headings_without_rows(tmp_path):
    TABLE.write(tmp_path)
    kept = pl.read_csv(tmp_path / "t.csv")
    assert kept.columns == list(ROWS[0])
    assert kept["skill"][0] == -0.0123
    Table("empty", "None", COLUMNS, []).write(tmp_path)
    assert (tmp_path / "empty.csv").read_text() == "name,skill,n,ok\n"


def test_latex_escapes_what_would_break_it(tmp_path):
    TABLE.write(tmp_path)
    said = (tmp_path / "t.tex").read_text()
    assert r"a\_b \& 50 \%" in said
    assert r"$-$1.2\% [$-$50.0\%, +25.0\%]" in said
    assert r"\begin{tabular}{lrrl}" in said
    assert said.count(r"\toprule") == said.count(r"\bottomrule") == 1
    assert (
        latex.escape("{x}^2 ~ \\") == r"\{x\}\textasciicircum{}2 \textasciitilde{} \textbackslash{}"
    )
