"""The one evaluator: tables of predictions in, figures with intervals and a verdict out.

Every comparison is paired: all models are scored on the same rows with the same bootstrap draws.
A difference is model minus reference, so less than zero is better; a skill is 1 - loss / the
reference's loss. *The* reference is the better of HAR and linear (`baselines.Reference`); what is
said against either of them stands beside it, with the name behind the metric's.

Where a timescale has phases, a split's own figures are those of the canonical phase, and those of
every phase stand beside them under the split's name with `ALL_PHASES` behind it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from mlxts.baselines.base import prior_logit, sample_losses
from mlxts.data import bars
from mlxts.dataset.samples import Dataset, is_scored
from mlxts.errors import DataError, EmptySplitError
from mlxts.evaluation import (
    block_bootstrap,
    comparison,
    conformal,
    estimability,
    metrics,
    oracle,
    regression,
)
from mlxts.evaluation.reference import Reference, fit_baselines
from mlxts.protocol import BASELINE, REFERENCES, Task

Figures = dict[str, Any]
Scores = dict[str, dict[str, Figures]]  # split -> model -> figures

ALL_PHASES = "_all_phases"


def score(
    models: Mapping[str, pl.DataFrame],
    task: Task,
    horizon: int,
    score_on: str,
    *,
    reference: str | None = BASELINE,
    obstacle: str | None = None,
    splits: Sequence[str] = ("validation",),
    dates: np.ndarray | None = None,
    spacing: int = 1,
    draws: int = block_bootstrap.DRAWS,
    seed: int = 0,
) -> Scores:
    """Score models on the rows of one symbol.

    Args:
        models: tables of predictions by name. Each holds the training rows as well, from which the
            prior comes, and for returns on test those of validation, from which conformal widths
            come (see `conformal.py`).
        task, horizon: what was predicted, H in trading days.
        score_on: the symbol whose rows are scored.
        reference: the name of the one that the others have to beat; None: there is none.
        obstacle: why nothing that was learned from the training samples may be claimed, or None.
        splits: which splits.
        dates: datetime64[D], score these alone; None: all. Training rows are never left out.
        spacing: trading days from one scored date to the next.
        draws, seed: of the block bootstrap.

    Returns:
        {split: {model: figures}}. Figures of a classifier: n, n_eff (of the loss, see
        `block_bootstrap.effective`), n_pos, base_rate, estimable,
        not_estimable (why, or None), prediction_range, collapsed, log_loss_prior (of the training
        base rate), the metrics of `metrics.METRICS`, interval: {metric: [low, high]} at 95 %,
        reference (its name), and against it log_loss_difference, log_loss_skill and verdict,
        against HAR and linear log_loss_difference_har and so on; on a simulated market also
        log_loss_over_bayes and impossible (better than can be). Regression: those of
        `regression.METRICS`, coverage, width (mean), width_from, rmse_difference, mse_skill,
        both of HAR and linear likewise, and verdict. A figure that is not
        defined (precision where nothing was called positive) is None, and so are its ends.

    Raises:
        EmptySplitError: a split without a row of `score_on`.
        DataError: models that do not speak about the same rows.
    """
    asked = (task, horizon, score_on, reference if reference in models else None, obstacle)
    return {
        split: _score_split(models, *asked, split, dates, spacing, draws, seed) for split in splits
    }


def score_run(
    name: str,
    predictions: pl.DataFrame,
    dataset: Dataset,
    splits: Sequence[str] = ("validation",),
) -> tuple[Scores, Reference]:
    """Score a run's predictions beside every baseline, fitted here on the run's own data set."""
    # Where validation is opened before test, widths and calibration come from it.
    wanted = dict.fromkeys(("train", *(("validation",) if "test" in splits else ()), *splits))
    found = fit_baselines(dataset, wanted)
    models = {name: predictions, **found.tables}
    return score_models(models, dataset, splits, found.reference), found.reference


def score_models(
    models: Mapping[str, pl.DataFrame],
    dataset: Dataset,
    splits: Sequence[str],
    reference: Reference,
) -> Scores:
    """Score models of a data set, where it has phases on the canonical one and on all of them.

    On a simulated market the best possible forecast stands among them, as `bayes.NAME`.
    """
    models = {**models, **oracle.forecast(dataset, dict.fromkeys(("train", *splits)))}
    on_rows = partial(_on_rows, models, dataset, reference)
    spacing = bars.spacing(dataset.timescale)
    scores: Scores = {}
    for split in splits:
        samples = dataset.samples[split]
        dates = samples.dates[is_scored(samples, dataset.score_on)]
        scores |= on_rows(split, dates=dates, spacing=spacing)
        if spacing > 1:
            scores[split + ALL_PHASES] = on_rows(split)[split]
    return scores


def _on_rows(
    models: Mapping[str, pl.DataFrame],
    dataset: Dataset,
    reference: Reference,
    split: str,
    dates: np.ndarray | None = None,
    spacing: int = 1,
) -> Scores:
    return score(
        models,
        dataset.task,
        dataset.horizon,
        dataset.score_on,
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
    dates: np.ndarray | None,
    spacing: int,
    draws: int,
    seed: int,
) -> dict[str, Figures]:
    scored = {name: _rows(table, split, score_on, dates) for name, table in models.items()}
    trained = {name: _train_rows(table, score_on) for name, table in models.items()}
    rows = _common_rows(scored, split, score_on)
    days, targets = rows["date"].to_numpy(), rows["target"].to_numpy()
    block = block_bootstrap.block_length(horizon, spacing)
    # Column 0 counts every sample once: the figure itself is one more draw.
    weights = np.column_stack(
        [np.ones(len(days)), block_bootstrap.date_weights(days, block, draws=draws, seed=seed)]
    )
    compute = _regression_figures if task.kind == "regression" else _classifier_figures
    computed = {name: compute(scored[name], trained[name], weights) for name in models}
    for name in REFERENCES:
        if name in models:
            _compare(computed, name, f"_{name}")
    if reference is not None:
        _compare(computed, reference, "")
    if task.kind == "regression":
        overlap = block_bootstrap.overlap(horizon, spacing)
        for name, table in models.items():
            earlier = _rows(table, "validation", score_on) if split == "test" else None
            figures, drawn = _conformal(scored[name], earlier, overlap, weights)
            computed[name][0].update(figures)
            computed[name][1].update(drawn)
    if oracle.NAME in computed:
        best = computed[oracle.NAME][1]["log_loss"]
        for name in models.keys() - {oracle.NAME}:
            computed[name][1][oracle.EXCESS] = computed[name][1]["log_loss"] - best
    common = _evidence(days, targets, horizon, spacing, task, obstacle)
    common["reference"] = reference
    shape = len(np.unique(days)), block, block_bootstrap.overlap(horizon, spacing)
    level = block_bootstrap.expanded(*shape)
    figures = {
        name: common
        | {
            "n_eff": block_bootstrap.effective(
                _losses(table, task), _mean_losses(computed[name]), *shape
            )
        }
        | _with_intervals(*computed[name], level)
        for name, table in scored.items()
    }
    if oracle.NAME in models:
        figures = {n: f | {"impossible": oracle.impossible(f)} for n, f in figures.items()}
    return {name: _with_verdict(one, task) for name, one in figures.items()}


def _rows(
    table: pl.DataFrame, split: str, symbol: str, dates: np.ndarray | None = None
) -> pl.DataFrame:
    rows = table.filter(split=split, symbol=symbol).sort("date")
    return rows if dates is None else rows.filter(np.isin(rows["date"].to_numpy(), dates))


def _train_rows(table: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """Those of the scored symbol; of all symbols where it was never trained on."""
    own = _rows(table, "train", symbol)
    return own if own.height else table.filter(split="train")


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
                f"{name} and {first} do not speak about the same {split} rows of {symbol}: the "
                "data changed in between; train again, or pin the artifact with data.pinned"
            )
    return reference


def _evidence(
    dates: np.ndarray,
    targets: np.ndarray,
    horizon: int,
    spacing: int,
    task: Task,
    untrained: str | None,
) -> Figures:
    obstacle = estimability.obstacle_of(task, dates, targets, horizon, spacing) or untrained
    found = {"n": len(targets), "estimable": obstacle is None, "not_estimable": obstacle}
    if task.kind == "regression":
        return found
    return found | {"n_pos": int(targets.sum()), "base_rate": float(targets.mean())}


def _compare(
    computed: Mapping[str, tuple[Figures, dict[str, np.ndarray]]], reference: str, suffix: str
) -> None:
    """Give each model its difference to one of them and its skill over it."""
    theirs = dict(computed[reference][1])
    for _, drawn in computed.values():
        for loss, skill, power in (("log_loss", "log_loss_skill", 1), ("rmse", "mse_skill", 2)):
            if loss in drawn:
                drawn[f"{loss}_difference{suffix}"] = drawn[loss] - theirs[loss]
                with np.errstate(divide="ignore", invalid="ignore"):
                    drawn[f"{skill}{suffix}"] = 1.0 - (drawn[loss] / theirs[loss]) ** power


def _classifier_figures(
    scored: pl.DataFrame,
    trained: pl.DataFrame,
    weights: np.ndarray,
) -> tuple[Figures, dict[str, np.ndarray]]:
    forecast = metrics.Forecast(scored["logit"].to_numpy(), scored["target"].to_numpy())
    drawn = {name: metric(forecast, weights) for name, metric in metrics.METRICS.items()}
    prior = np.full(len(forecast.targets), prior_logit(trained["target"].to_numpy()))
    figures = {
        "log_loss_prior": float(metrics.Forecast(prior, forecast.targets).losses.mean()),
        "prediction_range": list(metrics.prediction_range(forecast)),
        "collapsed": metrics.collapsed(forecast),
    }
    return figures, drawn


def _regression_figures(
    scored: pl.DataFrame,
    trained: pl.DataFrame,
    weights: np.ndarray,
) -> tuple[Figures, dict[str, np.ndarray]]:
    train_targets = trained["target"].to_numpy()
    forecast = regression.Forecast(
        predictions=scored["logit"].to_numpy(),
        targets=scored["target"].to_numpy(),
        train_mean=float(train_targets.mean()),
        train_deviation=float(train_targets.std()),
    )
    drawn = {name: metric(forecast, weights) for name, metric in regression.METRICS.items()}
    figures = {
        "prediction_range": list(regression.prediction_range(forecast)),
        "collapsed": regression.collapsed(forecast),
    }
    return figures, drawn


def _losses(table: pl.DataFrame, task: Task) -> np.ndarray:
    return sample_losses(table["logit"].to_numpy(), table["target"].to_numpy(), task)


def _mean_losses(computed: tuple[Figures, dict[str, np.ndarray]]) -> np.ndarray:
    """(D,) their means over the draws."""
    drawn = computed[1]
    return drawn["log_loss"][1:] if "log_loss" in drawn else drawn["rmse"][1:] ** 2


def _conformal(
    scored: pl.DataFrame, earlier: pl.DataFrame | None, overlap: int, weights: np.ndarray
) -> tuple[Figures, dict[str, np.ndarray]]:
    residuals = (scored["logit"] - scored["target"]).to_numpy()
    learned = None if earlier is None else (earlier["logit"] - earlier["target"]).to_numpy()
    widths = conformal.held_out(scored["date"].to_numpy(), residuals, overlap, learned)
    figures = {"width": _defined(2.0 * widths.half.mean()), "width_from": widths.source}
    inside = np.abs(residuals) <= widths.half
    return figures, {"coverage": metrics.mean(inside, weights)}


def _with_intervals(figures: Figures, drawn: dict[str, np.ndarray], level: float) -> Figures:
    return (
        figures
        | {name: _defined(values[0]) for name, values in drawn.items()}
        | {
            "interval": {
                name: [_defined(end) for end in block_bootstrap.interval(values[1:], level)]
                for name, values in drawn.items()
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
