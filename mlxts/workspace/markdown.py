"""What a Markdown file holds: fenced blocks, code spans, links and headings, with their lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([A-Za-z0-9_+-]*)")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.S)
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HTML = re.compile(r"<(?:img|a)\b[^>]*?\b(?:src|href)\s*=\s*[\"']([^\"']+)[\"']", re.S)
_DEFINED = re.compile(r"^ {0,3}\[([^\]]+)\]:\s*<?([^\s>]+)>?", re.M)
_REFERS = re.compile(r"\[[^\]\[]+\]\[([^\]\[]+)\]")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_COMMENT = re.compile(r"<!--.*?-->", re.S)


@dataclass(frozen=True)
class Piece:
    """A part of a file: its first line (from 1), its text, and for a block its language."""

    line: int
    text: str
    language: str = ""


@dataclass(frozen=True)
class Parts:
    blocks: tuple[Piece, ...]
    spans: tuple[Piece, ...]
    links: tuple[Piece, ...]
    anchors: frozenset[str]


def parse(text: str) -> Parts:
    """The parts of a Markdown text. YAML between leading `---` lines is left out."""
    prose, blocks = [], []
    fence, began, lines, language = "", 0, [], ""
    for number, line in enumerate(_without_header(text).split("\n"), 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and line.strip() == mark[1]:
                blocks.append(Piece(began, "\n".join(lines), language))
                fence = ""
            else:
                lines.append(line)
            prose.append("")
        elif mark:
            fence, began, lines, language = mark[1], number + 1, [], mark[2].lower()
            prose.append("")
        else:
            prose.append(line)
    plain = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), "\n".join(prose))
    spans = tuple(_pieces(_SPAN, 2, plain))
    bare = _SPAN.sub(lambda match: re.sub(r"[^\n\[\]]", "x", match[0]), plain)
    return Parts(tuple(blocks), spans, tuple(_links(bare)), _anchors(plain))


def _links(text: str) -> Iterator[Piece]:
    """Of Markdown and of HTML; a reference that nothing defines is a link to `[it]`."""
    yield from _pieces(_LINK, 1, text)
    yield from _pieces(_HTML, 1, text)
    yield from _pieces(_DEFINED, 2, text)
    defined = {match[1].casefold() for match in _DEFINED.finditer(text)}
    for piece in _pieces(_REFERS, 1, text):
        if piece.text.casefold() not in defined:
            yield Piece(piece.line, f"[{piece.text}]")


def _without_header(text: str) -> str:
    if not text.startswith("---\n"):
        return text
    end = text.find("\n---\n", 3)
    return text if end < 0 else "\n" * text.count("\n", 0, end + 5) + text[end + 5 :]


def _pieces(pattern: re.Pattern[str], group: int, text: str) -> Iterator[Piece]:
    for match in pattern.finditer(text):
        inside = " ".join(match[group].split())
        yield Piece(text.count("\n", 0, match.start()) + 1, inside)


def _anchors(text: str) -> frozenset[str]:
    """As GitHub makes them of headings: lower case, punctuation gone, spaces to hyphens."""
    seen: dict[str, int] = {}
    anchors = set()
    for line in text.split("\n"):
        heading = _HEADING.match(line)
        if heading:
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            count = seen.get(slug, 0)
            seen[slug] = count + 1
            anchors.add(f"{slug}-{count}" if count else slug)
    return frozenset(anchors)
