"""The one evaluator: tables of predictions in, figures with intervals and a verdict out.

Every comparison is paired: all models are scored on the same rows with the same bootstrap draws.
A difference is model minus reference, so less than zero is better; a skill is 1 - loss / the
reference's loss. *The* reference is the better of HAR and linear (`runs/references.py`);
comparisons with either of them are added, with its name appended to the metric's.

Where a timescale has phases, a split's own figures are those of the canonical phase, and those of
every phase are added under the split's name with `ALL_PHASES` appended.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Shaped

from mlxts import losses
from mlxts.data import bars
from mlxts.errors import DataError, EmptySplitError
from mlxts.evaluation import (
    comparison,
    conformal,
    estimability,
    metrics,
    regression,
)
from mlxts.evaluation.block_bootstrap import DRAWS, BlockBootstrap
from mlxts.evaluation.comparison import Comparison
from mlxts.evaluation.metrics import Draws, Weights
from mlxts.memo import memoised
from mlxts.protocol import BASELINE, REFERENCES, Task
from mlxts.runs.predictions import BASE_RATE, ORACLE, by_model
from mlxts.runs.references import Reference
from mlxts.runs.scored_task import ScoredTask

Figures = dict[str, Any]
Dates = Shaped[np.ndarray, " n"]  # datetime64[D]
Scores = dict[str, dict[str, Figures]]  # split -> model -> figures

ALL_PHASES = "_all_phases"
# A loss, the skill in it, and the power of the loss that the skill is of.
_COMPARED = (
    ("log_loss", "log_loss_skill", 1),
    ("rmse", "mse_skill", 2),
    ("qlike", "qlike_skill", 1),
)
EXCESS = "excess_log_loss"  # a model's log loss minus that of the best possible forecast


def score(
    models: Mapping[str, pl.DataFrame],
    task: Task,
    horizon: int,
    score_on: str,
    *,
    reference: str | None = BASELINE,
    obstacle: str | None = None,
    splits: Sequence[str] = ("validation",),
    dates: Dates | None = None,
    spacing: int = 1,
    draws: int = DRAWS,
    seed: int = 0,
) -> Scores:
    """Score models on the rows of one symbol.

    Args:
        models: tables of predictions by name. They hold the training rows as well, from which the
            prior comes (one that has none takes another's), and for numbers on test those of
            validation, from which conformal widths come (see `conformal.py`).
        task, horizon: what was predicted, H in trading days.
        score_on: the symbol whose rows are scored.
        reference: the name of the one that the others have to beat; None: there is none.
        obstacle: why nothing that was learned from the training samples may be claimed, or None.
        splits: which splits.
        dates: score these alone; None: all. Training rows are never left out.
        spacing: trading days from one scored date to the next.
        draws, seed: of the block bootstrap.

    Returns:
        {split: {model: figures}}. Figures of a classifier: n, n_eff (of the loss, see
        `BlockBootstrap.effective`), n_pos, base_rate, estimable,
        not_estimable (why, or None), prediction_range, collapsed, log_loss_prior (of the training
        base rate), the metrics of `metrics.METRICS`, interval: {metric: [low, high]} at 95 %,
        reference (its name), and against it log_loss_difference, log_loss_skill and verdict,
        against HAR and linear log_loss_difference_har and so on; on a simulated market also
        excess_log_loss and better_than_oracle (which shows it the future). Of numbers: those of
        `regression.METRICS`, coverage, width (mean), width_from, rmse_difference, mse_skill, for
        `range` qlike_difference and qlike_skill, of HAR and linear likewise, and verdict. A figure
        that is not defined (precision where nothing was predicted positive) is None, and so are its
        ends.

    Raises:
        EmptySplitError: a split without a row of `score_on`.
        DataError: models that do not predict the same rows.
    """
    settings = (task, horizon, score_on, reference if reference in models else None, obstacle)
    return {
        split: _score_split(models, *settings, split, dates, spacing, draws, seed)
        for split in splits
    }


def score_run(
    predictions: pl.DataFrame,
    reference: Reference,
    scored_task: ScoredTask,
    splits: Sequence[str] = ("validation",),
) -> Scores:
    """Score the models of a run's table of predictions, see `runs/predictions.py`.

    The constant base rate is no model among them: its loss is every model's `log_loss_prior`.
    Neither is a baseline that could not be fitted for the scored symbol.
    """
    models = {
        name: table
        for name, table in by_model(predictions).items()
        if name != BASE_RATE and (table["symbol"] == scored_task.score_on).any()
    }
    return score_models(models, scored_task, splits, reference)


def score_models(
    models: Mapping[str, pl.DataFrame],
    scored_task: ScoredTask,
    splits: Sequence[str],
    reference: Reference,
) -> Scores:
    """Score models, where the timescale has phases on the canonical one and on all of them.

    On a simulated market the best possible forecast is among them, as `ORACLE`.
    """
    first = next(iter(models.values()))
    on_rows = partial(_on_rows, models, scored_task, reference)
    spacing = bars.spacing(scored_task.timescale)
    scores: Scores = {}
    for split in splits:
        dates = canonical_dates(first, split, scored_task.score_on)
        scores |= on_rows(split, dates=dates, spacing=spacing)
        if spacing > 1:
            scores[split + ALL_PHASES] = on_rows(split)[split]
    return scores


def canonical_dates(predictions: pl.DataFrame, split: str, symbol: str) -> Dates:
    """The dates of the main figures."""
    rows = predictions.filter(pl.col("canonical"), split=split, symbol=symbol)
    return rows["date"].to_numpy()


def _on_rows(
    models: Mapping[str, pl.DataFrame],
    scored_task: ScoredTask,
    reference: Reference,
    split: str,
    dates: Dates | None = None,
    spacing: int = 1,
) -> Scores:
    return score(
        models,
        scored_task.task,
        scored_task.horizon,
        scored_task.score_on,
        reference=reference.name,
        obstacle=reference.not_estimable,
        splits=(split,),
        dates=dates,
        spacing=spacing,
    )


def _score_split(
    models: Mapping[str, pl.DataFrame],
    task: Task,
    horizon: int,
    score_on: str,
    reference: str | None,
    obstacle: str | None,
    split: str,
    dates: Dates | None,
    spacing: int,
    draws: int,
    seed: int,
) -> dict[str, Figures]:
    scored = {name: _rows(table, split, score_on, dates) for name, table in models.items()}
    train_rows = {name: _train_rows(table, score_on) for name, table in models.items()}
    # A forecast that came in a file has none; they only determine the prior.
    any_rows = next((table for table in train_rows.values() if table.height), None)
    trained = {
        name: t if any_rows is None or t.height else any_rows for name, t in train_rows.items()
    }
    rows = _common_rows(scored, split, score_on)
    days, targets = rows["date"].to_numpy(), rows["target"].to_numpy()
    bootstrap = BlockBootstrap(days, horizon, spacing)
    computed = {
        name: _model_figures(scored[name], trained[name], bootstrap, draws, seed, task)
        for name in models
    }
    for name in REFERENCES:
        if name in models:
            _compare(computed, name, f"_{name}")
    if reference is not None:
        _compare(computed, reference, "")
    if not task.binary:
        weights = bootstrap.weights(draws, seed)
        for name, table in models.items():
            earlier = _rows(table, "validation", score_on) if split == "test" else None
            figures, draws_of_coverage = _conformal(
                scored[name], earlier, bootstrap.overlap, weights
            )
            computed[name][0].update(figures)
            computed[name][1].update(draws_of_coverage)
    if ORACLE in computed:
        best = computed[ORACLE][1]["log_loss"]
        for name in models.keys() - {ORACLE}:
            computed[name][1][EXCESS] = computed[name][1]["log_loss"] - best
    common = _evidence(days, targets, horizon, spacing, task, obstacle)
    common["reference"] = reference
    figures = {
        name: common
        | {"n_eff": bootstrap.effective(_losses(table, task), _mean_losses(computed[name]))}
        | _with_intervals(*computed[name], bootstrap)
        for name, table in scored.items()
    }
    if ORACLE in models:
        figures = {
            n: f | {"better_than_oracle": is_better_than_oracle(f)} for n, f in figures.items()
        }
    return {name: _with_verdict(model_figures, task) for name, model_figures in figures.items()}


def is_better_than_oracle(figures: Figures) -> bool:
    """Whether a model is better than can be: its 95 % interval lies below the best forecast."""
    low_high = figures["interval"].get(EXCESS)
    return low_high is not None and low_high[1] < 0.0


def _rows(table: pl.DataFrame, split: str, symbol: str, dates: Dates | None = None) -> pl.DataFrame:
    rows = table.filter(split=split, symbol=symbol).sort("date")
    return rows if dates is None else rows.filter(np.isin(rows["date"].to_numpy(), dates))


def _train_rows(table: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """Those of the scored symbol; of all symbols where it was never trained on."""
    symbol_rows = _rows(table, "train", symbol)
    return symbol_rows if symbol_rows.height else table.filter(split="train")


def _common_rows(scored: Mapping[str, pl.DataFrame], split: str, symbol: str) -> pl.DataFrame:
    (first, reference), *others = scored.items()
    if not reference.height:
        raise EmptySplitError(
            f"{first} predicts no {split} row of {symbol}; "
            "score another split, or give the data bars of those dates"
        )
    keys = reference.select("date", "target")
    for name, table in others:
        if not table.select("date", "target").equals(keys):
            raise DataError(
                f"{name} and {first} do not predict the same {split} rows of {symbol}: the "
                "data changed in between; train again, or name the artifact in "
                "data.artifact_sha256"
            )
    return reference


def _evidence(
    dates: Dates,
    targets: Float[np.ndarray, " n"],
    horizon: int,
    spacing: int,
    task: Task,
    untrained: str | None,
) -> Figures:
    obstacle = estimability.obstacle_of(task, dates, targets, horizon, spacing) or untrained
    figures = {"n": len(targets), "estimable": obstacle is None, "not_estimable": obstacle}
    if not task.binary:
        return figures
    return figures | {"n_pos": int(targets.sum()), "base_rate": float(targets.mean())}


def _compare(
    computed: Mapping[str, tuple[Figures, dict[str, Draws]]], reference: str, suffix: str
) -> None:
    """Give each model its difference to one of them and its skill over it."""
    reference_draws = dict(computed[reference][1])
    for _, metric_draws in computed.values():
        for loss, skill, power in _COMPARED:
            if loss in metric_draws:
                compared = Comparison(metric_draws[loss], reference_draws[loss], power)
                metric_draws[f"{loss}_difference{suffix}"] = compared.difference
                metric_draws[f"{skill}{suffix}"] = compared.skill


@memoised
def _model_figures(
    scored: pl.DataFrame,
    trained: pl.DataFrame,
    bootstrap: BlockBootstrap,
    draws: int,
    seed: int,
    task: Task,
) -> tuple[Figures, dict[str, Draws]]:
    """A model's own figures, and its metrics in each draw."""
    compute = _classifier_figures if task.binary else _regression_figures
    return compute(scored, trained, bootstrap.weights(draws, seed), task)


def _classifier_figures(
    scored: pl.DataFrame, trained: pl.DataFrame, weights: Weights, task: Task
) -> tuple[Figures, dict[str, Draws]]:
    forecast = metrics.Forecast(scored["logit"].to_numpy(), scored["target"].to_numpy())
    metric_draws = {name: metric(forecast, weights) for name, metric in metrics.METRICS.items()}
    prior = np.full(len(forecast.targets), losses.prior_logit(trained["target"].to_numpy()))
    figures = {
        "log_loss_prior": float(metrics.Forecast(prior, forecast.targets).losses.mean()),
        "prediction_range": list(metrics.prediction_range(forecast)),
        "collapsed": metrics.collapsed(forecast),
    }
    return figures, metric_draws


def _regression_figures(
    scored: pl.DataFrame, trained: pl.DataFrame, weights: Weights, task: Task
) -> tuple[Figures, dict[str, Draws]]:
    train_targets = trained["target"].to_numpy()
    forecast = regression.Forecast(
        predictions=scored["logit"].to_numpy(),
        targets=scored["target"].to_numpy(),
        train_mean=float(train_targets.mean()),
        train_deviation=float(train_targets.std()),
    )
    metric_draws = {
        name: metric(forecast, weights) for name, metric in regression.METRICS[task.kind].items()
    }
    figures = {
        "prediction_range": list(regression.prediction_range(forecast)),
        "collapsed": regression.collapsed(forecast),
    }
    return figures, metric_draws


def _losses(table: pl.DataFrame, task: Task) -> Float[np.ndarray, " {table.height}"]:
    return losses.sample_losses(table["logit"].to_numpy(), table["target"].to_numpy(), task)


def _mean_losses(computed: tuple[Figures, dict[str, Draws]]) -> Draws:
    """Their means over the draws."""
    metric_draws = computed[1]
    return metric_draws["log_loss"] if "log_loss" in metric_draws else metric_draws["rmse"] ** 2


def _conformal(
    scored: pl.DataFrame, earlier: pl.DataFrame | None, overlap: int, weights: Weights
) -> tuple[Figures, dict[str, Draws]]:
    residuals = (scored["logit"] - scored["target"]).to_numpy()
    learned = None if earlier is None else (earlier["logit"] - earlier["target"]).to_numpy()
    widths = conformal.held_out(scored["date"].to_numpy(), residuals, overlap, learned)
    figures = {"width": _defined(2.0 * widths.half.mean()), "width_from": widths.source}
    inside = np.abs(residuals) <= widths.half
    return figures, {"coverage": metrics.mean(inside, weights)}


def _with_intervals(
    figures: Figures, metric_draws: dict[str, Draws], bootstrap: BlockBootstrap
) -> Figures:
    return (
        figures
        | {name: _defined(values[0]) for name, values in metric_draws.items()}
        | {
            "interval": {
                name: [_defined(end) for end in bootstrap.interval(values)]
                for name, values in metric_draws.items()
            }
        }
    )


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _with_verdict(figures: Figures, task: Task) -> Figures:
    compared = f"{comparison.primary(task)}_difference" in figures
    if not (compared or figures["not_estimable"]):
        return figures
    return figures | {"verdict": comparison.of_figures(figures, task)}
