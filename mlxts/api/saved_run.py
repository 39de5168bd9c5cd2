"""A run as an object: the content of its folder, read on access."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mlxts import predict, tasks
from mlxts.api import scores
from mlxts.api.selected_runs import one_run
from mlxts.config.experiment import ExperimentConfig
from mlxts.errors import ConfigError, DataError
from mlxts.evaluation.metrics import Forecast
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.model.residual import OffsetPatchTST
from mlxts.model.saved_shape import read_shape
from mlxts.protocol import SPLIT_NAMES
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import NETWORK
from mlxts.tables import Column, Table, ranged
from mlxts.training import run as training

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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

    @property
    def verdict(self) -> str:
        """One sentence: whether the model beats the reference on validation. Raises RunError."""
        return self.summary["verdict"]

    @property
    def scores(self) -> pl.DataFrame:
        """Scores of the model and its references, a row for each model and split.

        Returns:
            split, model, n, n_eff, then losses and skills; 95 % intervals in `<score>_low` and
            `<score>_high`. `mlxts.evaluate` scores other splits.

        Raises:
            RunError: the run has not been trained to its end.
        """
        return scores.frame(self.summary["scores"])

    def predictions(self, split: str | None = None, model: str | None = NETWORK) -> pl.DataFrame:
        """The model's predictions, row by row; see `load_predictions`."""
        return load_predictions(self.folder, split, model)

    def _repr_html_(self) -> str:
        """For a notebook: what it is, its scores on validation, the verdict."""
        from markupsafe import Markup

        folder = RunFolder(self.folder)
        if not folder.is_finished:
            return Markup("<p><b>{}</b>, not finished</p>").format(self.id)
        loss = "log_loss" if self.binary else "rmse"
        table = Table(
            f"{self.id}: validation",
            (
                "model",
                Column("n"),
                ranged(loss, None, ".4f"),
                *((Column("auc", "AUC", ".3f"),) if self.binary else ()),
                ranged(f"{loss}_difference", "difference to the reference", "+.4f"),
            ),
            scores.frame({"validation": self.summary["scores"]["validation"]}).to_dicts(),
        )
        return table.html(sortable=False) + Markup("<p>{}</p>").format(self.verdict)

    @property
    def binary(self) -> bool:
        """Whether a probability is predicted, not a number."""
        return tasks.named(self.record["config"]["task"]).binary

    def plot_losses(self) -> "Figure":
        """Training and validation loss over steps, and those of the references."""
        from mlxts.report import run_page

        return run_page.losses(self.folder)

    def plot_reliability(self, split: str = "validation") -> "Figure":
        """Observed against predicted frequency, with 95 % intervals, and histograms of forecasts.

        Raises:
            DataError: the run has no predictions of that split.
        """
        from mlxts.report import run_page

        return run_page.reliability(self.folder, split)

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
        >>> run.verdict
    """
    return Run(one_run(str(run)))


def folder_of(run: Run | str | Path) -> Path:
    """The folder of a run, by whatever names it. Raises RunError."""
    return run.folder if isinstance(run, Run) else one_run(str(run))


def load_predictions(
    run: Run | str | Path, split: str | None = None, model: str | None = NETWORK
) -> pl.DataFrame:
    """Predictions of a run's model, or of one that it is compared with, and targets, row by row.

    Args:
        run: a run, its id, the beginning of one, or its folder.
        split: train, validation or test (which `mlxts.evaluate(run, "test")` opens); None: all
            that were predicted.
        model: patchtst, one of the baselines (har, linear, lhar, trees, volatility,
            base_rate_by_volatility, base_rate), or bayes, the oracle of a simulated market; None:
            all of them.

    Returns:
        model, date (of the decision bar), symbol, split, canonical (whether the bar is of the
        timescale's canonical phase), then logit, probability and target (0 or 1), for regression
        and range predicted and target; of each model sorted by split, date and symbol.

    Raises:
        RunError: there is no such run, or several begin so.
        DataError: it has no predictions yet, not of that split or model, or they cannot be read.
        ConfigError: no split has that name.
    """
    if split is not None and split not in SPLIT_NAMES:
        raise ConfigError(f"split: {split} is none of {', '.join(SPLIT_NAMES)}")
    folder = folder_of(run)
    table = predict.read_or_predict(folder)
    if model is not None:
        if model not in table["model"]:
            models = ", ".join(table["model"].unique(maintain_order=True))
            raise DataError(
                f"{folder.name} has no predictions of {model}; it has those of {models}"
            )
        table = table.filter(model=model)
    if split is not None:
        table = table.filter(split=split)
    if table.is_empty():
        raise DataError(
            f"{folder.name} has no predictions of {split} yet; "
            f"`mlxts evaluate {folder.name} --split {split}` makes them"
        )
    if not Run(folder).binary:
        return table.rename({"logit": "predicted"})
    forecast = Forecast(table["logit"].to_numpy(), table["target"].to_numpy())
    probability = pl.Series("probability", forecast.probabilities)
    return table.insert_column(table.get_column_index("target"), probability)
