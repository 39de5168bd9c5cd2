"""Marked blocks: what is between the marks is replaced, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxts.workspace import blocks

LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n<"), max_size=12))
BLOCK = "before\n<!-- rendered: a -->\nold\n<!-- end -->\nafter\n"


@settings(max_examples=40, deadline=None)
@given(before=LINES, inside=LINES, after=LINES, body=LINES.map("\n".join))
def test_what_lies_outside_stays_and_what_lies_inside_is_replaced(
    before: list[str], inside: list[str], after: list[str], body: str
) -> None:
    text = "\n".join([*before, "<!-- rendered: a -->", *inside, "<!-- end -->", *after])
    once = blocks.rewrite(text, lambda name: body)
    assert blocks.rewrite(once, lambda name: body) == once
    assert blocks.stale(once, lambda name: body) == []
    assert blocks.body(once, "a") == body.strip("\n")
    assert blocks.without(once) == blocks.without(text) == "\n".join([*before, *after])


def test_a_block_that_differs_is_stale_where_it_begins() -> None:
    assert blocks.stale(BLOCK, lambda name: "new") == [(2, "a")]
    assert blocks.stale(BLOCK, lambda name: "old") == []
    assert blocks.unmarked(BLOCK) == "before\nold\nafter\n"
    assert blocks.names(BLOCK * 2) == ["a", "a"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("<!-- rendered: a -->\nx", 1, "never closed"),
        ("x\n<!-- end -->", 2, "closes no block"),
        ("<!-- rendered: a -->\n<!-- rendered: b -->\n<!-- end -->", 2, "begins inside"),
        ("x\n\n<!-- rendered: nonsense -->\n<!-- end -->", 3, "nothing renders"),
    ],
)
def test_marks_that_do_not_pair_up_are_named(text: str, line: int, what: str) -> None:
    with pytest.raises(blocks.BlockError, match=what) as error:
        blocks.rewrite(text, lambda name: {"a": "", "b": ""}[name])
    assert error.value.line == line
