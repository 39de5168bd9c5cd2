"""docs/configuration.md: every key of a configuration, out of the sections."""

from collections.abc import Iterator
from typing import Any

from mlxts.config import reference
from mlxts.tables import markdown

_HEAD = """\
# Configuration

Every key of an experiment's YAML file, rendered by `mlxts docs render`. Only `name` is required.
`--set training.max_epochs=5` changes a key for one run, and `mlxts train CONFIG --dry-run` shows
what a file comes to; `mlxts config describe KEY` prints a key's line. Strict mode follows the
[protocol](experimental_protocol.md); in exploratory mode any value may be given.
"""


def render() -> str:
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    sections: dict[str, list[dict[str, Any]]] = {}
    for row in reference.describe():
        sections.setdefault(row["key"].rpartition(".")[0], []).append(row)
    for section, keys in sections.items():
        rows = [
            (
                f"`{row['key']}`",
                row["type"],
                "required" if row["default"] is None else f"`{row['default']}`",
                row["strict"] or "",
                row["description"],
            )
            for row in keys
        ]
        title = f"`{section}`" if section else "The experiment"
        table = markdown(("key", "type", "default", "in strict mode", "meaning"), rows)
        yield f"## {title}\n\n{table}\n"
