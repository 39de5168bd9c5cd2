"""Scores as tables that fit 80 columns: a figure, and under it the ends of its interval."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlxts.cli.output import note, number, table

if TYPE_CHECKING:
    from mlxts.evaluation.score import Scores
    from mlxts.runs.scored_task import ScoredTask

Figures = dict[str, Any]
Columns = Mapping[str, Callable[[Figures], Any]]  # heading -> cell


def show_scores(scores: "Scores", asked: "ScoredTask", name: str) -> None:
    """Print what `score.score` found, and a line on how to read it."""
    from mlxts.evaluation.block_bootstrap import DRAWS
    from mlxts.protocol import MIN_BLOCK_DAYS

    for split, models in scores.items():
        any_model = next(iter(models.values()))
        title = f"{name}: {asked.task.name}, H = {asked.horizon}, {asked.score_on}, "
        title += split.replace("_", " ")
        # Every model is scored on the same rows, so their number stands above, not in each row.
        title += f" ({asked.splits_title} splits)\nn = {any_model['n']:,}"
        if asked.task.kind == "regression":
            tables = _of_returns(title, any_model)
        else:
            tables = _of_labels(title, any_model)
        for heading, columns in tables.items():
            rows = [[model, *(cell(f) for cell in columns.values())] for model, f in models.items()]
            table(heading, ["model", *columns], rows)
        for model, figures in models.items():
            if figures.get("impossible"):
                note(
                    f"{model} is better than can be on this market: its log loss is below the "
                    "Bayes forecast's by more than its interval, so something shows it the future."
                )
        if any_model.get("not_estimable"):
            note(f"Not estimable, part of no claim: {any_model['not_estimable']}.")
    note(
        "The reference is the better of HAR and linear, a ridge regression on HAR's log ranges and "
        "the same features at the decision bar, by cross-validation within training. Against it: "
        "model minus reference, below zero is better; skill: 1 - loss / the reference's loss. "
        f"In brackets 95 % intervals from {DRAWS:,} block-bootstrap draws, mean block "
        f"{max(asked.horizon, MIN_BLOCK_DAYS)} days, paired by date, widened for "
        "the few blocks there are and for labels that overlap. n_eff: how many independent samples "
        "would "
        "know the loss as well."
    )


def _of_labels(title: str, any_model: Figures) -> dict[str, Columns]:
    title += f", n_pos = {any_model['n_pos']:,}, base rate {any_model['base_rate']:.4f}\n"
    title += f"log loss of the training rate alone: {any_model['log_loss_prior']:.4f}"
    return {
        title: {
            "AUC": ranged("auc", ".4f", ".3f"),
            "log loss": ranged("log_loss", ".4f", ".3f"),
            against(any_model): ranged("log_loss_difference", "+.4f", ".4f"),
        },
        "Skill": {
            "over the reference": ranged("log_loss_skill", "+.1%", ".1%"),
            "over HAR": ranged("log_loss_skill_har", "+.1%", ".1%"),
        },
        "Probabilities": {
            "AP": ranged("average_precision", ".4f", ".3f"),
            "Brier": ranged("brier", ".4f", ".3f"),
            "ECE": ranged("ece", ".4f", ".3f"),
        },
        "Evidence, and calls at probability 0.5": {
            "n_eff": _whole("n_eff"),
            "accuracy": _plain("accuracy"),
            "precision": _plain("precision"),
            "recall": _plain("recall"),
            "predictions": _range(".3f"),
        },
    }


def _of_returns(title: str, any_model: Figures) -> dict[str, Columns]:
    return {
        title: {
            "RMSE": ranged("rmse", ".5f", ".5f"),
            against(any_model): ranged("rmse_difference", "+.6f", ".6f"),
        },
        "Skill (MSE)": {
            "over the reference": ranged("mse_skill", "+.2%", ".2%"),
            "over HAR": ranged("mse_skill_har", "+.2%", ".2%"),
        },
        "Returns": {
            "R² out of sample": ranged("r2", "+.4f", ".4f"),
            "right direction": ranged("directional_accuracy", ".4f", ".3f"),
        },
        f"Conformal intervals of 90 % (width from {any_model['width_from']})\n"
        "and the range of predictions, log returns": {
            "n_eff": _whole("n_eff"),
            "MAE": _plain("mae"),
            "coverage": ranged("coverage", ".4f", ".3f"),
            "width": _plain("width"),
            "predictions": _range("+.4f"),
        },
    }


def against(figures: Figures) -> str:
    """The heading of a column of differences: which reference the models are compared with,
    if there is one."""
    from mlxts.evaluation import comparison

    if "reference" in figures and figures["reference"] is None:
        return "no reference"
    return f"against {comparison.title(comparison.reference(figures))}"


def _plain(key: str) -> Callable[[Figures], Any]:
    return lambda figures: figures.get(key)


def _whole(key: str) -> Callable[[Figures], str]:
    return lambda figures: f"{figures[key]:,.0f}"


def ranged(key: str, form: str, ends: str) -> Callable[[Figures], str]:
    """The figure over its interval; a dash where it is not defined."""

    def cell(figures: Figures) -> str:
        if figures.get(key) is None:
            return number(None)
        if (interval := figures["interval"].get(key)) is None:
            return f"{figures[key]:{form}}"
        low, high = interval
        return f"{figures[key]:{form}}\n[{low:{ends}},{high:{ends}}]"

    return cell


def _range(form: str) -> Callable[[Figures], str]:
    def cell(figures: Figures) -> str:
        low, high = (format(end, form) for end in figures["prediction_range"])
        return f"{low} to {high}" + (", collapsed" if figures["collapsed"] else "")

    return cell
