"""Diagnostics of one model: reliability, operating points, calibration, years.

All on the rows that are scored (one symbol, the canonical phase), with the same bootstrap draws
as the scores. On test thresholds are chosen on validation; on validation nothing is left but the
training rows, whose logits a network that knows them by heart spreads wider. Widths of intervals
come from rows that were not trained on (`conformal.py`); what is fitted on validation is reported
on test alone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Shaped

from mlxts.data import bars
from mlxts.evaluation import calibration, conformal, metrics, recalibration
from mlxts.evaluation.block_bootstrap import DRAWS, BlockBootstrap
from mlxts.evaluation.metrics import Forecast
from mlxts.losses import prior_logit
from mlxts.runs.scored_task import ScoredTask

CALLED = (0.05, 0.1, 0.2)  # shares of the rows that it is chosen on, which an operating point calls
_BINS = 6  # of a reliability diagram: 80 samples each in two years of days


@dataclass(frozen=True)
class _Rows:
    """The scored rows of a split, in the order of their dates."""

    dates: Shaped[np.ndarray, " n"]  # datetime64[D]
    outputs: Float[np.ndarray, " n"]  # logits or numbers
    targets: Float[np.ndarray, " n"]
    bootstrap: BlockBootstrap
    weights: Float[np.ndarray, "n draws"]  # of it

    def interval(self, values: Float[np.ndarray, " draws"]) -> list[float | None]:
        """Ends over the draws of values; None where not defined."""
        ends = self.bootstrap.interval(values)
        return [float(end) if np.isfinite(end) else None for end in ends]


def details(predictions: pl.DataFrame, scored_task: ScoredTask, split: str) -> dict[str, Any]:
    """Reliability and operating points of a model, or its coverage by year.

    Args:
        predictions: its rows of the split and of train; for test also those of validation.

    Returns:
        For labels `reliability`: [{n, mean_predicted, observed_rate, interval}], by groups of equal
        size; `operating_points`: [{name, threshold, predicted_positive_rate, precision, recall,
        interval: {metric: ends}}]; `chosen_on`: the split that their thresholds come from; and, on
        test, `recalibrated`: {method: {log_loss, ece, brier, difference (of log loss to the raw
        forecast), interval}}. For numbers `years`: [{year, n, coverage, interval, width}] with
        widths of residuals that the model was not fitted to, and `width_from`: which those are.
    """
    rows = _scored(predictions, scored_task, split)
    train = predictions.filter(split="train", symbol=scored_task.score_on)
    if not train.height:  # never trained on: of all symbols
        train = predictions.filter(split="train")
    earlier = predictions.filter(split="validation", symbol=scored_task.score_on)
    recalibrates = split == "test" and earlier.height > 0
    if not scored_task.task.binary:
        learned = (earlier["logit"] - earlier["target"]).to_numpy() if recalibrates else None
        residuals = rows.outputs - rows.targets
        widths = conformal.held_out(rows.dates, residuals, rows.bootstrap.overlap, learned)
        return {"years": _years(rows, widths), "width_from": widths.source}
    result = {
        "reliability": _reliability(rows),
        "operating_points": _operating_points(rows, earlier if recalibrates else train),
        "chosen_on": "validation" if recalibrates else "train",
    }
    return result | ({"recalibrated": _recalibrated(rows, earlier)} if recalibrates else {})


def _scored(predictions: pl.DataFrame, scored_task: ScoredTask, split: str) -> _Rows:
    scored_predictions = predictions.filter(
        pl.col("canonical"), split=split, symbol=scored_task.score_on
    )
    rows = scored_predictions.sort("date")
    days = rows["date"].to_numpy()
    bootstrap = BlockBootstrap(days, scored_task.horizon, bars.spacing(scored_task.timescale))
    return _Rows(
        dates=days,
        outputs=rows["logit"].to_numpy(),
        targets=rows["target"].to_numpy(),
        bootstrap=bootstrap,
        weights=bootstrap.weights(DRAWS),
    )


def _reliability(rows: _Rows) -> list[dict[str, Any]]:
    probabilities = Forecast(rows.outputs, rows.targets).probabilities
    diagram = calibration.reliability(
        probabilities, rows.targets, rows.weights[:, 1:], bins=_BINS, level=rows.bootstrap.level
    )
    return [
        {
            "n": int(diagram.counts[group]),
            "mean_predicted": float(diagram.predicted[group]),
            "observed_rate": float(diagram.observed[group]),
            "interval": [float(diagram.low[group]), float(diagram.high[group])],
        }
        for group in range(len(diagram.counts))
    ]


def _operating_points(rows: _Rows, chosen_on: pl.DataFrame) -> list[dict[str, Any]]:
    logits, targets = chosen_on["logit"].to_numpy(), chosen_on["target"].to_numpy()
    cuts = {
        "even odds": 0.0,
        "base rate": prior_logit(targets),
        "best F1": best_f1(logits, targets),
        **{f"top {100 * share:.0f} %": float(np.quantile(logits, 1.0 - share)) for share in CALLED},
    }
    return [_operating_point(rows, name, cut) for name, cut in cuts.items()]


def _operating_point(rows: _Rows, name: str, cut: float) -> dict[str, Any]:
    moved = Forecast(rows.outputs - cut, rows.targets)
    draws = {
        "predicted_positive_rate": metrics.mean((moved.logits > 0.0).astype(float), rows.weights),
        "precision": metrics.precision(moved, rows.weights),
        "recall": metrics.recall(moved, rows.weights),
    }
    return {
        "name": name,
        "threshold": float(Forecast(np.array([cut]), np.zeros(1)).probabilities[0]),
        **{key: float(v[0]) if np.isfinite(v[0]) else None for key, v in draws.items()},
        "interval": {key: rows.interval(values) for key, values in draws.items()},
    }


def best_f1(logits: Float[np.ndarray, " n"], targets: Float[np.ndarray, " n"]) -> float:
    """The logit threshold of the best F1 on these rows; the lowest of equals."""
    order = np.argsort(-logits, kind="stable")
    true_positive, predicted_positive = np.cumsum(targets[order]), np.arange(1, len(order) + 1)
    f1 = 2.0 * true_positive / (predicted_positive + targets.sum())
    ranked = logits[order]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])  # equal logits go together
    best = int(ends[np.argmax(f1[ends])])
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best] - 1.0
    return float(0.5 * (ranked[best] + below))


def _recalibrated(rows: _Rows, earlier: pl.DataFrame) -> dict[str, dict[str, Any]]:
    learned = earlier["logit"].to_numpy(), earlier["target"].to_numpy()
    raw = Forecast(rows.outputs, rows.targets)
    forecasts = {"as it is": raw} | {
        name: Forecast(fit(*learned)(rows.outputs), rows.targets)
        for name, fit in recalibration.METHODS.items()
    }
    before = metrics.log_loss(raw, rows.weights)
    figures = {}
    for name, forecast in forecasts.items():
        loss = metrics.log_loss(forecast, rows.weights)
        draws = {
            "log_loss": loss,
            "difference": loss - before,
            "brier": metrics.brier(forecast, rows.weights),
            "ece": metrics.ece(forecast, rows.weights),
        }
        if forecast is raw:
            del draws["difference"]
        figures[name] = {key: float(values[0]) for key, values in draws.items()} | {
            "interval": {key: rows.interval(values) for key, values in draws.items()}
        }
    return figures


def _years(rows: _Rows, widths: conformal.Widths) -> list[dict[str, Any]]:
    inside = (np.abs(rows.outputs - rows.targets) <= widths.half).astype(float)
    years = rows.dates.astype("datetime64[Y]").astype(int) + 1970
    rows_of_years = []
    for year in np.unique(years):
        in_year = years == year
        # A draw may leave a year out.
        with np.errstate(invalid="ignore"):
            covered = metrics.mean(inside[in_year], rows.weights[in_year])
        width = 2.0 * float(widths.half[in_year].mean())
        rows_of_years.append(
            {
                "year": int(year),
                "n": int(in_year.sum()),
                "coverage": float(covered[0]),
                "interval": rows.interval(covered),
                "width": width if np.isfinite(width) else None,
            }
        )
    return rows_of_years
