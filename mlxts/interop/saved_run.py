"""A run as an object: the content of its folder, read on access."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from mlxts import predict
from mlxts.config.experiment import ExperimentConfig
from mlxts.errors import ConfigError, DataError
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.model.residual import OffsetPatchTST
from mlxts.model.saved_shape import read_shape
from mlxts.protocol import SPLIT_NAMES
from mlxts.runs import index
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.search import study_runs
from mlxts.training import run as training


@dataclass(frozen=True)
class Run:
    """A trained run.

    Attributes:
        folder: of the run, under outputs/runs.
    """

    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json: what was known before the first step (parameters, samples, machine, hashes)."""
        return RunFolder(self.folder).metadata()

    @property
    def id(self) -> str:
        return self.record["run_id"]

    @cached_property
    def config(self) -> ExperimentConfig:
        """The resolved configuration. Raises ConfigError where this version cannot read it."""
        return RunFolder(self.folder).config()

    @cached_property
    def shape(self) -> Shape:
        """What the built model is: widths, depth, patches, flags."""
        return read_shape(RunFolder(self.folder))

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json: scores of the model and its baselines, verdict, times.

        Raises:
            RunError: the run has not been trained to its end, or the file is damaged.
        """
        return RunFolder(self.folder).summary()

    def predictions(self, split: str | None = None, model: str | None = NETWORK) -> pl.DataFrame:
        """The model's predictions, row by row; see `load_predictions`."""
        return load_predictions(self.folder, split, model)

    def metrics(self) -> pl.DataFrame:
        """The numbers of training, a row for each step, validation and epoch.

        Returns:
            step, split (train, validation, train_epoch), loss (nats; for regression Huber, for
            range half the squared error, in units of the targets' deviation) and an event's other
            fields, else null.
        """
        return pl.DataFrame(RunFolder(self.folder).metrics(), infer_schema_length=None)

    def model(self) -> PatchTST:
        """The model with its best weights, in evaluation mode.

        It maps windows (B, T, F), float32, features in the order of the catalog's tier, to (B,)
        logits, or to numbers in units of the training targets' deviation around their mean.

        Raises:
            CheckpointError: the best checkpoint is gone or damaged.
            DataError: the model needs its data's statistics (`statistics_to_head`, `last_bar`), and
                they are gone or were changed.
        """
        if self.shape.statistics_to_head or self.shape.last_bar:
            return training.load(self.folder).model
        kind = OffsetPatchTST if self.config.model.residual_of else PatchTST
        model = kind(self.shape)
        training.load_best(self.folder, self.id, model)
        return model


def load_run(run: str | Path) -> Run:
    """A run by its id, the beginning of one, or its folder.

    Raises:
        RunError: there is no such run, or several begin so.

    Example:
        >>> run = mlxts.load_run("2M-daily-threshold_1pct")
        >>> run.summary["verdict"]
    """
    return Run(index.find(str(run), study_runs.finder()))


def load_predictions(
    run: str | Path, split: str | None = None, model: str | None = NETWORK
) -> pl.DataFrame:
    """Predictions of a run's model, or of one that it is compared with, and targets, row by row.

    Args:
        run: a run's id, the beginning of one, or its folder.
        split: train, validation or test (which `mlxts evaluate RUN --split test` opens); None: all
            that were predicted.
        model: patchtst, one of the baselines (har, linear, lhar, trees, volatility,
            base_rate_by_volatility, base_rate), or bayes, the oracle of a simulated market; None:
            all of them.

    Returns:
        model, date (of the decision bar), symbol, split, canonical (whether the bar is of the
        timescale's canonical phase), logit (for regression and range the predicted number) and
        target (0 or 1; the number), of each model sorted by split, date and symbol.

    Raises:
        RunError: there is no such run, or several begin so.
        DataError: it has no predictions yet, not of that split or model, or they cannot be read.
        ConfigError: no split has that name.
    """
    if split is not None and split not in SPLIT_NAMES:
        raise ConfigError(f"split: {split} is none of {', '.join(SPLIT_NAMES)}")
    folder = index.find(str(run), study_runs.finder())
    table = predict.read_or_predict(folder)
    if model is not None:
        if model not in table["model"]:
            models = ", ".join(table["model"].unique(maintain_order=True))
            raise DataError(
                f"{folder.name} has no predictions of {model}; it has those of {models}"
            )
        table = table.filter(model=model)
    if split is None:
        return table
    rows = table.filter(split=split)
    if rows.is_empty():
        raise DataError(
            f"{folder.name} has no predictions of {split} yet; "
            f"`mlxts evaluate {folder.name} --split {split}` makes them"
        )
    return rows
