"""The protocol as Markdown: what `mlxts docs render` writes into marked blocks."""

from collections.abc import Callable
from datetime import date
from types import MappingProxyType

from mlxts import losses, protocol, split_borders
from mlxts.formats import listing, percent
from mlxts.tables import markdown
from mlxts.workspace import api_reference, column_reference, package_layout, relation_tables

_RULES = MappingProxyType(
    {
        "direction": "Close[t+H] > Close[t]",
        "threshold": "max(High[t+1], …, High[t+H]) ≥ Close[t] · (1 + {threshold:g})",
        "regression": "log(Close[t+H] / Close[t])",
        "range": "log(log(max(High[t+1], …, High[t+H]) / min(Low[t+1], …, Low[t+H])))",
    }
)


def render(name: str) -> str:
    """The block of that name. Raises KeyError."""
    return RENDERERS[name]()


def budgets() -> str:
    rows = [
        (b.name, b.parameters, "strict" if b.strict else "exploratory")
        for b in protocol.BUDGETS.values()
    ]
    return "\n".join(
        [
            markdown(("budget", "trainable parameters", "mode"), rows),
            "",
            f"The built model's own count lies within {percent(protocol.BUDGET_TOLERANCE)} of its "
            f"budget. Along the feature axis the encoder's varies by at most "
            f"{percent(protocol.BODY_TOLERANCE)}.",
        ]
    )


def tasks() -> str:
    rows = [
        (
            f"`{task.name}`",
            f"`{_RULES[task.kind].format(threshold=task.threshold or 0)}`",
            losses.unit(task),
            "strict" if task.strict else "exploratory",
        )
        for task in protocol.TASKS.values()
    ]
    return markdown(("task", "target at bar t for H trading days", "loss", "mode"), rows)


def timescales() -> str:
    rows = [
        (
            f"`{scale.name}`",
            f"{scale.length} {scale.unit}{'s' if scale.length > 1 else ''}",
            scale.horizon,
            ", ".join(map(str, scale.horizons)),
        )
        for scale in protocol.TIMESCALES.values()
    ]
    return markdown(("timescale", "a bar is", "H, trading days", "strict also allows"), rows)


def splits() -> str:
    rows = [
        (f"`{s.name}`", *(_span(*getattr(s, name)) for name in protocol.SPLIT_NAMES))
        for s in protocol.SPLITS.values()
    ]
    return markdown(("splits", *protocol.SPLIT_NAMES), rows)


def origins() -> str:
    rows = []
    for window in range(protocol.ORIGINS["protocol"], 0, -1):
        at = split_borders.borders("protocol", window)
        rows.append((window, *(_span(*getattr(at, name)) for name in protocol.SPLIT_NAMES)))
    return markdown(("window", "trained on", "stopped on", "scored on"), rows)


def fixed() -> str:
    f = protocol.FIXED
    return markdown(
        ("hyperparameter", "value"),
        [
            ("dropout", f"{f.dropout:g}"),
            ("dropout of the head", f"{f.head_dropout:g}"),
            ("learning rate", _power(f.learning_rate)),
            ("context", f"{f.context} bars"),
            ("patch length", f"{f.patch_length} bars"),
            ("stride", f"{f.stride} bars"),
        ],
    )


def matrix() -> str:
    rows = [(r.name, r.description) for r in protocol.DATASET_ROWS.values()]
    columns = [(c.name, c.description) for c in protocol.DATASET_COLUMNS.values()]
    strict = sum(task.strict for task in protocol.TASKS.values())
    return "\n".join(
        [
            markdown(("row", "assets"), rows),
            "",
            markdown(("column", "quality"), columns),
            "",
            f"A cell is a row and a column (`{rows[0][0]}{columns[0][0]}` to "
            f"`{rows[-1][0]}{columns[-1][0]}`). Every cell is scored on {protocol.SCORED_ON}. "
            f"{strict} strict tasks at {len(protocol.TIMESCALES)} timescales are "
            f"{strict * len(protocol.TIMESCALES)} models a cell.",
        ]
    )


def tiers() -> str:
    sizes = listing(f"{tier:,}" for tier in protocol.TIERS)
    return f"Feature tiers, each holding the one before: {sizes}."


def thermal() -> str:
    bands = protocol.THERMAL
    low, warm, hot = (f"{x:g}" for x in (bands.acceptable, bands.warning, bands.critical))
    return markdown(
        ("temperature", "band", "what happens"),
        [
            (f"below {low} °C", "normal", "nothing"),
            (f"{low} to {warm} °C", "acceptable", "nothing; the console shows it"),
            (
                f"{warm} to {hot} °C",
                "warning",
                f"reported once; ends below {bands.leave_warning:g} °C. With `thermal.pause: true` "
                f"training waits until it is below {bands.resume:g} °C",
            ),
            (
                f"above {hot} °C",
                "critical",
                "checkpoint at the next step, then the run ends with exit status "
                f"{protocol.EXIT_OVERHEATED}",
            ),
        ],
    )


def estimable() -> str:
    return "\n".join(
        [
            f"- Fewer than {protocol.MIN_CLASS_SAMPLES} samples of either class, in what is scored "
            "or in what was trained on, or fewer than "
            f"{protocol.MIN_POSITIVE_CLUSTERS} separate clusters of positives: *not estimable*, "
            "and excluded from all claims. Likewise numbers that are all the same.",
            f"- Block bootstrap of dates; blocks of scores are max(H, {protocol.MIN_BLOCK_DAYS}) "
            "days, those of verdicts as long as the daily part of the gain remembers, H at least.",
            f"- Probabilities that span less than {protocol.COLLAPSE_RANGE:g}: *collapsed*.",
            "- Primary figure: log-loss skill against the reference, the better of two by "
            "cross-validation within the scored asset's own training days: "
            f"{protocol.BASELINE.upper()}, a logistic regression on log ranges over "
            f"{listing(map(str, protocol.HAR_WINDOWS))} days, and {protocol.LINEAR}, a ridge "
            "regression on these and the network's own features at the decision bar. Skill over "
            f"{protocol.BASELINE.upper()} is reported as well.",
            "- Shown beside them: the base rate; LHAR, which adds signed returns over 1 and 5 days "
            "in units of the usual range, the place of the close in its range and, from column c "
            "of the matrix on, the log of the VIX; boosted trees over each asset's own "
            f"{protocol.BASELINE.upper()}, on linear's inputs, pooled as the network is.",
            f"- An asset of fewer than {protocol.MIN_CLASS_SAMPLES} training samples of either "
            "class has references that are fitted on all pooled assets, and its scores say so.",
        ]
    )


def strict() -> str:
    f, s = protocol.FIXED, protocol.SPLITS["protocol"]
    chosen = [b.name for b in protocol.BUDGETS.values() if b.strict]
    return "\n".join(
        [
            f"- budgets {listing(chosen)}",
            f"- dropout {f.dropout:g}, learning rate {_power(f.learning_rate)}, "
            f"context {f.context} bars",
            *(f"- {name}: {_span(*getattr(s, name))}" for name in protocol.SPLIT_NAMES),
        ]
    )


def axes() -> str:
    rows, columns = list(protocol.DATASET_ROWS), list(protocol.DATASET_COLUMNS)
    by_mode = {
        mode: [b.name for b in protocol.BUDGETS.values() if b.strict is mode]
        for mode in (True, False)
    }
    thresholds = [f"{t.threshold * 100:g}" for t in protocol.TASKS.values() if t.threshold]
    return markdown(
        ("axis", "values"),
        [
            (
                "parameters",
                f"{', '.join(by_mode[True])} (exploratory also {', '.join(by_mode[False])})",
            ),
            (
                "features",
                f"nested tiers of {listing(f'{t:,}' for t in protocol.TIERS)}, all relational",
            ),
            (
                "data",
                f"cells `{rows[0]}{columns[0]}` to `{rows[-1]}{columns[-1]}`: "
                + "; ".join(
                    ", ".join(choice.description.removeprefix("+ ") for choice in part.values())
                    for part in (protocol.DATASET_ROWS, protocol.DATASET_COLUMNS)
                ),
            ),
            (
                "tasks",
                f"direction, a high of {listing(thresholds, 'or')} % within the horizon, "
                "the log return",
            ),
            ("timescales", f"{', '.join(protocol.TIMESCALES)}, each in all its phases"),
        ],
    )


def exit_codes() -> str:
    return markdown(
        ("exit status", "meaning"),
        [
            (0, "done"),
            (protocol.EXIT_USAGE, "a user error; standard error gives the correction"),
            (protocol.EXIT_UNEXPECTED, "an error of mlxts itself; its traceback is in a file"),
            (
                protocol.EXIT_DEVICE,
                "the device failed; the last checkpoint is kept, continue with `--resume`",
            ),
            (protocol.EXIT_STALLED, "a rank received nothing from the others"),
            (protocol.EXIT_OVERHEATED, "too hot; a checkpoint was written"),
            (protocol.EXIT_INTERRUPTED, "interrupted; a checkpoint was written"),
        ],
    )


def _power(value: float) -> str:
    """As people write a learning rate: 1e-4."""
    mantissa, exponent = f"{value:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _span(first: date | None, last: date | None) -> str:
    if first is None:
        return f"through {last}"
    return f"{first} onwards" if last is None else f"{first} to {last}"


RENDERERS: MappingProxyType[str, Callable[[], str]] = MappingProxyType(
    {
        part.__name__: part
        for part in (
            budgets, tasks, timescales, splits, origins, fixed, matrix, tiers, thermal, estimable,
            strict, axes, exit_codes, column_reference.ledger_columns,
            column_reference.prediction_columns, column_reference.verdict_rules,
            relation_tables.relations, relation_tables.builders, api_reference.python_api,
            package_layout.rooms,
        )
    }
)  # fmt: skip
