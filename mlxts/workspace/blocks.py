"""Marked blocks: the parts of a document that software writes, between two comments.

    <!-- rendered: thermal -->

    (whatever stands here is replaced)

    <!-- end -->

Everything outside is a person's and is never touched.
"""

import re
from collections.abc import Callable, Iterator

_OPENS = re.compile(r"<!-- rendered: ([a-z_]+) -->")
_CLOSES = "<!-- end -->"
MARK = "<!--"  # what no text inside a block may hold


class BlockError(ValueError):
    """Marks that do not pair up, or a block of a name that nothing renders."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


def rewrite(text: str, render: Callable[[str], str]) -> str:
    """`text` with the body of each block replaced by `render(name)`.

    Raises:
        BlockError: a block that is never closed, a close without a block, or a name that
            `render` does not know (KeyError).
    """
    lines: list[str] = []
    for name, line, part in _parts(text):
        if name is None:
            lines += part
            continue
        lines += [f"<!-- rendered: {name} -->", "", _rendered(name, line, render), "", _CLOSES]
    return "\n".join(lines)


def body(text: str, name: str) -> str:
    """The text of the first block of that name. Raises BlockError: there is none."""
    for block, _, part in _parts(text):
        if block == name:
            return "\n".join(part).strip("\n")
    raise BlockError(0, f"no block named {name}; restore the file with git")


def without(text: str) -> str:
    """What people wrote: the text without its blocks. Raises BlockError."""
    return "\n".join(line for name, _, part in _parts(text) if name is None for line in part)


def unmarked(text: str) -> str:
    """All that people read: bodies of blocks included, marks left out. Raises BlockError."""
    return "\n".join(line for _, _, part in _parts(text) for line in part)


def names(text: str) -> list[str]:
    """The blocks in order. Raises BlockError."""
    return [name for name, _, _ in _parts(text) if name is not None]


def stale(text: str, render: Callable[[str], str]) -> list[tuple[int, str]]:
    """Line and name of each block that `render` would write differently. Raises BlockError."""
    return [
        (line, name)
        for name, line, part in _parts(text)
        if name is not None and "\n".join(part).strip("\n") != _rendered(name, line, render)
    ]


def _rendered(name: str, line: int, render: Callable[[str], str]) -> str:
    try:
        return render(name).strip("\n")
    except KeyError as error:
        raise BlockError(line, f"nothing renders a block named {name}") from error


def _parts(text: str) -> Iterator[tuple[str | None, int, list[str]]]:
    """(name, line, lines) of blocks, without their marks, and of what lies between (name None)."""
    name: str | None = None
    began, lines = 1, []
    for number, line in enumerate(text.split("\n"), 1):
        opens = _OPENS.fullmatch(line.strip())
        if opens:
            if name is not None:
                raise BlockError(number, f"block {opens[1]} begins inside block {name}")
            yield None, began, lines
            name, began, lines = opens[1], number, []
        elif line.strip() == _CLOSES:
            if name is None:
                raise BlockError(number, f"{_CLOSES} closes no block")
            yield name, began, lines
            name, began, lines = None, number + 1, []
        else:
            lines.append(line)
    if name is not None:
        raise BlockError(began, f"block {name} is never closed by {_CLOSES}")
    yield None, began, lines
