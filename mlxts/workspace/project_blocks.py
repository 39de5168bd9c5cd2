"""The blocks of a project's documents: the protocol's tables, and what its results answer."""

from collections.abc import Callable
from pathlib import Path

from mlxts.workspace import protocol_tables

RESULTS = Path("docs", "research_paper", "results.md")


def renderer(root: Path) -> Callable[[str], str]:
    """Renders the block of a name; it raises KeyError where nothing does, and RunError where the
    figures of the results are damaged."""

    def render(name: str) -> str:
        return _answers(root) if name == "answers" else protocol_tables.render(name)

    return render


def _answers(root: Path) -> str:
    """The answers at the top of the results, which are rendered from the same figures."""
    from mlxts.report import paper, paper_walk_forward

    return paper_walk_forward.bullets(paper.read(root / RESULTS).get("study") or {"verdicts": []})
