"""What the package writes for others, as Markdown: columns of tables and rules of verdicts."""


def ledger_columns() -> str:
    """A table of the ledger's columns: name, type, meaning."""
    from mlxts.scaling.ledger import COLUMNS
    from mlxts.tables import markdown

    rows = [(f"`{column.name}`", column.dtype, column.meaning) for column in COLUMNS]
    return markdown(("column", "type", "meaning"), rows)


def verdict_rules() -> str:
    """What a verdict needs, with the numbers that the software decides by."""
    from mlxts import protocol
    from mlxts.evaluation.block_bootstrap import DRAWS
    from mlxts.scaling import bootstrap, verdict
    from mlxts.scaling import laws as families
    from mlxts.tables import markdown

    har, size = protocol.BASELINE.upper(), f"{verdict.SIGNIFICANCE * 100:g} %"
    rules = markdown(
        ("verdict", "condition"),
        [
            (
                f"*{verdict.SCALING}*",
                f"the gain differs from 0 at {size} (two-sided, adjusted over the cells of a pool "
                "by Benjamini and Hochberg), is positive, a power law predicts the largest size "
                "better than a constant, and test, where it has been opened, has the same sign",
            ),
            (f"*{verdict.INVERSE}*", "the mirror image"),
            (
                f"*{verdict.FLAT}*",
                f"two one-sided tests at {size} put the gain inside ± {verdict.MARGIN * 100:g} % "
                f"of what {har} gains over the base rate",
            ),
            (
                f"*{verdict.BETTER}*, *{verdict.WORSE}*",
                "of two cells that differ in their joined series alone: as above, without a law",
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
            "- Pools: cells of the same mode, settings and market; one test each, unadjusted.",
            f"- Draws: {bootstrap.DRAWS:,} of date blocks, the same for all runs, then of seeds "
            f"within a size; intervals of scores {DRAWS:,}. Both are widened for few blocks and "
            "for labels that overlap. At each forecast origin seeds are drawn anew.",
            f"- Laws: {laws}; chosen by the error at the largest size left out, one standard error "
            "to the simpler.",
        ]
    )


def prediction_columns() -> str:
    """A table of the columns of predictions: name and type."""
    from mlxts.runs.predictions import SCHEMA
    from mlxts.tables import markdown

    return markdown(("column", "type"), [(f"`{name}`", kind) for name, kind in SCHEMA.items()])
