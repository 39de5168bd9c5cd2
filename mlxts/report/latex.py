"""Tables for a paper: a `tabular` between `booktabs` rules, to be read in with \\input."""

from collections.abc import Sequence

_ESCAPED = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "−": "$-$", "–": "--", "×": r"$\times$", "±": r"$\pm$", "·": r"$\cdot$", "<": "$<$",
    ">": "$>$", "\n": " ",
}  # fmt: skip


def escape(text: str) -> str:
    """`text` as LaTeX prints it."""
    return "".join(_ESCAPED.get(character, character) for character in text)


def tabular(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[bool],
    *,
    caption: str,
    label: str,
    note: str = "",
) -> str:
    """A floating table.

    Args:
        titles: of the columns. rows: their texts, not escaped.
        right: which columns are aligned to the right.
        caption, label: of the float. note: printed under it.
    """
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering\\small",
        f"\\caption{{{escape(caption)}}}",
        f"\\label{{{label}}}",
        f"\\begin{{tabular}}{{{''.join('r' if one else 'l' for one in right)}}}",
        "\\toprule",
        _row(titles),
        "\\midrule",
        *map(_row, rows),
        "\\bottomrule",
        "\\end{tabular}",
        *([f"\n\\smallskip\\footnotesize {escape(note)}"] if note else []),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(escape, cells)) + r" \\"
