"""docs/configuration.md: every key of a configuration, out of the sections."""

from collections.abc import Iterator
from itertools import groupby

from mlxts.config import reference
from mlxts.tables import markdown

_HEAD = """\
# Configuration

Every key of an experiment's YAML file, rendered by `mlxts docs render`. Only `name` is required.
`--set training.max_epochs=5` changes a key for one run, and `mlxts train CONFIG --dry-run` shows
what a file comes to. In strict mode only what the [protocol](experimental_protocol.md) fixes may be
chosen.
"""


def render() -> str:
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for section, group in groupby(reference.all_keys(), lambda key: key.name.rpartition(".")[0]):
        rows = [
            (
                f"`{key.name}`",
                key.values,
                "required" if key.default is None else f"`{key.default}`",
                key.description,
            )
            for key in group
        ]
        title = f"`{section}`" if section else "The experiment"
        yield f"## {title}\n\n{markdown(('key', 'value', 'default', 'meaning'), rows)}\n"
