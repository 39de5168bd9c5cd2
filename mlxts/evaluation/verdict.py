"""One sentence: did the model beat volatility?"""

from typing import Any

from mlxts.protocol import BASELINE, Task


def primary(task: Task) -> str:
    """The metric that decides: log loss, for regression RMSE."""
    return "rmse" if task.kind == "regression" else "log_loss"


def word(figures: dict[str, Any], task: Task) -> str:
    """beats, matches or loses to: by where the 95 % interval of the difference to HAR lies."""
    if figures.get("not_estimable"):
        return "not estimable"
    low, high = figures["interval"][f"{primary(task)}_difference"]
    if high < 0.0:
        return "beats"
    return "loses to" if low > 0.0 else "matches"


def sentence(model: str, figures: dict[str, Any], task: Task, horizon: int, split: str) -> str:
    """The verdict on one model of `score.score`'s figures, in words."""
    where = f"{task.name} at H = {horizon}, {split}, n = {figures['n']}"
    obstacle = figures.get("not_estimable")
    if obstacle:
        return f"Not estimable ({where}): {obstacle}; no claim about {model} is made."
    metric = primary(task)
    difference = figures[f"{metric}_difference"]
    low, high = figures["interval"][f"{metric}_difference"]
    unit = "RMSE" if metric == "rmse" else "log loss"
    digits = 6 if metric == "rmse" else 4
    verdict = word(figures, task)
    within = ": the interval holds zero" if verdict == "matches" else ""
    collapse = " Its predictions have collapsed to a constant." if figures["collapsed"] else ""
    return (
        f"{model} {verdict} {BASELINE.upper()} ({where}): {unit} {difference:+.{digits}f} "
        f"against it, 95 % interval [{low:+.{digits}f}, {high:+.{digits}f}]{within}.{collapse}"
    )
