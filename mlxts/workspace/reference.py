"""What the package offers to others, as Markdown: its Python names and the ledger's columns."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

_QUOTED = re.compile(r"(: |-> )'([\w.]+)'")  # an annotation that was written as text
_PATH = re.compile(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)")


def ledger_columns() -> str:
    """A table of the ledger's columns: name, type, meaning."""
    from mlxts.scaling.ledger import COLUMNS
    from mlxts.workspace.tables import table

    rows = [(f"`{column.name}`", column.dtype, column.meaning) for column in COLUMNS]
    return table(("column", "type", "meaning"), rows)


def verdict_rules() -> str:
    """What a verdict needs, with the numbers that the software decides by."""
    from mlxts import protocol
    from mlxts.evaluation.block_bootstrap import DRAWS
    from mlxts.scaling import bootstrap, verdict
    from mlxts.scaling import laws as families
    from mlxts.workspace.tables import table

    har, size = protocol.BASELINE.upper(), f"{verdict.SIGNIFICANCE * 100:g} %"
    rules = table(
        ("verdict", "said where"),
        [
            (
                f"*{verdict.SCALING}*",
                f"the gain differs from 0 at {size} (two-sided, adjusted over the cells of a pool "
                "by Benjamini and Hochberg), is positive, a power law foresees the largest size "
                "better than a constant, and test, where it has been opened, has the same sign",
            ),
            (f"*{verdict.INVERSE}*", "the mirror image"),
            (
                f"*{verdict.FLAT}*",
                f"two one-sided tests at {size} put the gain inside ± {verdict.MARGIN * 100:g} % "
                f"of what {har} gains over the base rate",
            ),
            (f"*{verdict.INCONCLUSIVE}*", "none of these, or one seed at every size"),
            (f"*{verdict.NOT_ESTIMABLE}*", "too few of a class, too few clusters, or one size"),
        ],
    )
    laws = ", ".join(name for name, law in families.FAMILIES.items() if law.axes == 1)
    return "\n".join(
        [
            rules,
            "",
            "- Gain: minus the least-squares slope of the mean loss of each size on log10 of the "
            "size; pooled in units of the reference's loss.",
            "- Pools: cells of one mode, one recipe and one market; one test each, unadjusted.",
            f"- Draws: {bootstrap.DRAWS:,} of date blocks, the same for all runs, then of seeds "
            f"within a size; intervals of scores {DRAWS:,}. Both are widened for few blocks and "
            "for labels that overlap.",
            f"- Laws: {laws}; chosen by the error at the largest size left out, one standard error "
            "to the simpler.",
        ]
    )


def prediction_columns() -> str:
    """A table of the columns of predictions: name and type."""
    from mlxts.runs.predictions import SCHEMA
    from mlxts.workspace.tables import table

    return table(("column", "type"), [(f"`{name}`", kind) for name, kind in SCHEMA.items()])


def python_api() -> str:
    """Each public name with its signature and docstring, and a class's public members."""
    import mlxts

    parts = []
    for name in mlxts.__all__:
        value = getattr(mlxts, name)
        if inspect.ismodule(value):
            parts += _entries(f"mlxts.{name}.build", value.build)
        else:
            parts += _entries(f"mlxts.{name}", value)
    return "\n\n".join(parts)


def _entries(name: str, value: Any) -> Iterator[str]:
    kind = "class " if inspect.isclass(value) else ""
    yield f"## {name}\n\n```text\n{kind}{name}{_signature(value)}\n\n{_text(value)}\n```"
    if not inspect.isclass(value):
        return
    for member, defined in vars(value).items():
        function = getattr(defined, "fget", None) or getattr(defined, "func", defined)
        is_call = member == "__call__"
        if (member.startswith("_") and not is_call) or not inspect.isfunction(function):
            continue
        if not inspect.getdoc(function):
            continue
        shown = _signature(function) if function is defined else ""
        yield f"### {name}.{member}\n\n```text\n{member}{shown}\n\n{_text(function)}\n```"


def _signature(value: Any) -> str:
    """Without `self` and without the modules of types; empty for errors, which take a message."""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return ""
    signature = inspect.signature(value)
    own = [p for name, p in signature.parameters.items() if name != "self"]
    shown = str(signature.replace(parameters=own)).replace(" -> None", "")
    return _PATH.sub(r"\1", _QUOTED.sub(r"\1\2", shown))


def _text(value: Any) -> str:
    return inspect.cleandoc(value.__doc__ or "")
