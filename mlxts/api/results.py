"""Scores, forecasts and a list of runs, as `mlxts` offers them."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from mlxts import experiment
from mlxts.api import scores
from mlxts.api.saved_run import Run, folder_of
from mlxts.data import frames
from mlxts.data.frames import Frame
from mlxts.errors import ConfigError
from mlxts.evaluation import run_listing
from mlxts.protocol import SPLIT_NAMES


def evaluate(run: Run | str | Path, split: scores.Split = "validation") -> pl.DataFrame:
    """Score a run's model and its references on a split.

    Args:
        run: a run, its id, the beginning of one, or its folder.
        split: train, validation or test; an evaluation on test is recorded in a log, before it
            happens.

    Returns:
        A row for each model, as of `Run.scores`.

    Raises:
        RunError: there is no such run, or several begin so.
        ConfigError: no split has that name.
        EmptySplitError: the test split holds no row of the scored symbol.
        DataError: the run's data are gone, where it has to predict.
    """
    if split not in SPLIT_NAMES:
        raise ConfigError(f"split: {split} is none of {', '.join(SPLIT_NAMES)}")
    _, figures = scores.score_split(folder_of(run), split)
    return scores.frame(figures)


def list_runs() -> pl.DataFrame:
    """The runs of the workspace (`MLXTS_HOME`, else the working folder), sorted by run id.

    Returns:
        run_id, name, mode, budget, n_total, task, horizon, seed, status, scores on validation
        (log_loss, of a number rmse; auc; skill over the reference), reference, verdict and times.
    """
    return pl.DataFrame(run_listing.listing(), infer_schema_length=None)


def forecast(
    run: Run | str | Path,
    data: Frame | None = None,
    *,
    date: date | None = None,
    symbol: str | None = None,
) -> dict[str, Any]:
    """A run's forecast at the close of a day, in words and numbers.

    Args:
        run: a run, its id, the beginning of one, or its folder.
        data: newer bars of the symbols that the run reads, as for `mlxts.train`; they are stored
            in the workspace. None: those that it was trained on where they came as a frame, else
            the newest that are registered.
        date: the day, one of the data; None: the latest.
        symbol: one of the data; None: the scored one.

    Returns:
        run_id, symbol, date, task, horizon, close; of binary tasks probability, else the number and
        its 90 % interval; `sentence`.

    Raises:
        RunError: there is no such run, or several begin so.
        DataError: no such bar, too few bars before it, or bars that cannot be true.
    """
    folder = folder_of(run)
    pins = {}
    if data is not None:
        score_on = Run(folder).config.data.score_on
        pins = {name: a.sha256 for name, a in frames.register(data, symbol or score_on).items()}
    return experiment.forecast(folder, date, symbol, artifact_sha256=pins)
