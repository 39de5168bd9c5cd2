"""Scores as tables that fit 80 columns: a figure, and under it the ends of its interval."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlxts.cli.output import Note, Part
from mlxts.formats import UNKNOWN, interval
from mlxts.tables import Column, Table, ranged, with_ends

if TYPE_CHECKING:
    from mlxts.evaluation.score import Scores
    from mlxts.runs.references import Reference
    from mlxts.runs.scored_task import ScoredTask

Figures = dict[str, Any]

_SPLITS = {"train": "the training rows", "validation": "validation"}
_ENDS = Column("interval", "95 % interval", lambda ends: interval(*ends, ".3f", ",") or UNKNOWN)


def scores_screen(
    scores: "Scores", scored_task: "ScoredTask", name: str, reference: "Reference"
) -> Iterator[Part]:
    """Tables of what `score.score` computed, and a line on how to read them."""
    from mlxts.evaluation.block_bootstrap import DRAWS
    from mlxts.protocol import MIN_BLOCK_DAYS

    for split, models in scores.items():
        any_model = next(iter(models.values()))
        title = (
            f"{name}: {scored_task.task.name}, H = {scored_task.horizon}, {scored_task.score_on}, "
        )
        title += split.replace("_", " ")
        # Every model is scored on the same rows, so their number is in the title, not in each row.
        title += f" ({scored_task.splits_title} splits)\nn = {any_model['n']:,}"
        binary = scored_task.task.binary
        tables = (
            _of_labels(title, any_model) if binary else _of_numbers(title, any_model, scored_task)
        )
        rows = [
            {"model": model, "predictions": _range(figures, ".3f" if binary else "+.4f")}
            | with_ends(figures)
            for model, figures in models.items()
        ]
        for heading, columns in tables.items():
            yield Table(heading, ("model", *columns), rows)
        for model, figures in models.items():
            if figures.get("better_than_oracle"):
                yield Note(
                    f"{model} is better than the optimum of this market: its log loss is below the "
                    "Bayes forecast's by more than its interval, so it uses future information."
                )
        if any_model.get("not_estimable"):
            yield Note(f"Not estimable, part of no claim: {any_model['not_estimable']}.")
    if reference.pooled:
        yield Note(
            "Pooled references: every model here was fitted on the training days of all assets, "
            f"because of {scored_task.score_on} alone there are too few ({reference.pooled})."
        )
    yield Note(
        "The reference is the better of HAR and linear, a ridge regression on HAR's log ranges and "
        "the same features at the decision bar, by cross-validation within training. lhar: HAR "
        "with past returns and, where it is among the data, the VIX; trees: boosted trees over HAR "
        "on linear's inputs, pooled over the assets as the network is. Against the reference: "
        "model minus reference, below zero is better; skill: 1 - loss / the reference's loss. "
        f"In brackets 95 % intervals from {DRAWS:,} block-bootstrap draws, mean block "
        f"{max(scored_task.horizon, MIN_BLOCK_DAYS)} days, paired by date, widened for "
        "the few blocks there are and for labels that overlap. n_eff: effective sample size, the "
        "number of independent samples that would estimate the loss as precisely."
    )


def _of_labels(
    title: str, any_model: Figures
) -> dict[str, tuple[Column | str | tuple[Column | str, ...], ...]]:
    title += f", n_pos = {any_model['n_pos']:,}, base rate {any_model['base_rate']:.4f}\n"
    title += f"log loss of the constant base-rate forecast: {any_model['log_loss_prior']:.4f}"
    return {
        title: (
            ranged("auc", "AUC", ".4f", ".3f"),
            ranged("log_loss", None, ".4f", ".3f"),
            ranged("log_loss_difference", against(any_model), "+.4f", ".4f"),
        ),
        "Skill": (
            ranged("log_loss_skill", "over the reference", "+.1%", ".1%"),
            ranged("log_loss_skill_har", "over HAR", "+.1%", ".1%"),
        ),
        "Probabilities": (
            ranged("average_precision", "AP", ".4f", ".3f"),
            ranged("brier", "Brier", ".4f", ".3f"),
            ranged("ece", "ECE", ".4f", ".3f"),
        ),
        "Effective sample size, and metrics at threshold 0.5": (
            Column("n_eff", "n_eff", ",.0f"),
            "accuracy",
            ("precision", "recall"),
            "predictions",
        ),
    }


def _of_numbers(
    title: str, any_model: Figures, scored_task: "ScoredTask"
) -> dict[str, tuple[Column | str | tuple[Column | str, ...], ...]]:
    by_kind: dict[str, tuple[Column | str | tuple[Column | str, ...], ...]] = {
        "Returns": (
            ranged("r2", "R² out of sample", "+.4f", ".4f"),
            ranged("directional_accuracy", "right direction", ".4f", ".3f"),
        )
    }
    if scored_task.task.kind == "range":
        by_kind = {
            "Mean squared error": (
                ranged("mse", "MSE", ".4f"),
                ranged("r2", "R² out of sample", "+.4f", ".4f"),
            ),
            "QLIKE of the range": (
                ranged("qlike", "QLIKE", ".4f"),
                ranged("qlike_difference", against(any_model), "+.4f", ".4f"),
                ranged("qlike_skill", "skill", "+.2%", ".2%"),
            ),
        }
    return {
        title: (
            ranged("rmse", "RMSE", ".5f"),
            ranged("rmse_difference", against(any_model), "+.6f", ".6f"),
        ),
        "Skill (MSE)": (
            ranged("mse_skill", "over the reference", "+.2%", ".2%"),
            ranged("mse_skill_har", "over HAR", "+.2%", ".2%"),
        ),
        **by_kind,
        f"Conformal intervals of 90 % (width from {any_model['width_from']})\n"
        f"and the range of predictions, unit {scored_task.task.unit}": (
            Column("n_eff", "n_eff", ",.0f"),
            Column("mae", "MAE"),
            ranged("coverage", None, ".4f", ".3f"),
            "width",
            "predictions",
        ),
    }


def details_screen(details: Figures, model: str) -> Iterator[Part]:
    """Tables of `diagnostics.details`: reliability, operating points, recalibration, years."""
    if "reliability" in details:
        yield Table(
            f"Reliability of {model}",
            (
                "n",
                Column("mean_predicted", "mean forecast"),
                Column("observed_rate", "observed"),
                _ENDS,
            ),
            details["reliability"],
        )
        yield Table(
            f"Operating points of {model}, chosen on {_SPLITS[details['chosen_on']]}",
            (
                Column("name", "point"),
                "threshold",
                ranged("predicted_positive_rate", "positive rate", ".4f", ".3f"),
                ranged("precision", None, ".4f", ".3f"),
                ranged("recall", None, ".4f", ".3f"),
            ),
            [with_ends(row) for row in details["operating_points"]],
        )
    if "recalibrated" in details:
        yield Table(
            f"Probabilities of {model}, recalibrated on validation",
            (
                "method",
                ranged("log_loss", None, ".4f", ".3f"),
                ranged("difference", "change", ".4f", ".3f"),
                ranged("brier", "Brier", ".4f", ".3f"),
                ranged("ece", "ECE", ".4f", ".3f"),
            ),
            [{"method": name} | with_ends(row) for name, row in details["recalibrated"].items()],
        )
    if "years" in details:
        yield Table(
            f"Conformal intervals of 90 % by year, widths from {details['width_from']}",
            (Column("year", "year", "d"), "n", "coverage", _ENDS, "width"),
            details["years"],
        )
    if "reliability" in details and "recalibrated" not in details:
        yield Note("Calibration is fitted on validation and so reported by --split test alone.")


def against(figures: Figures) -> str:
    """The heading of a column of differences: which reference the models are compared with,
    if there is one."""
    from mlxts.evaluation import comparison

    if "reference" in figures and figures["reference"] is None:
        return "no reference"
    return f"against {comparison.title(comparison.reference(figures))}"


def _range(figures: Figures, form: str) -> str:
    low, high = (format(end, form) for end in figures["prediction_range"])
    return f"{low} to {high}" + (", collapsed" if figures["collapsed"] else "")
