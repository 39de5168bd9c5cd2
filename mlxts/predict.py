"""Every model's predictions of a run, made where the data are and written once.

The network, the references and the constant base rate of each asset, and on a simulated market the
best possible forecast. Train and validation are predicted when training has ended; the test split
and the windows of walk-forward runs when they are opened.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from mlxts.baselines.base_rate import BaseRate
from mlxts.dataset.build import build_dataset
from mlxts.dataset.samples import Dataset, is_scored, of_symbol
from mlxts.errors import DataError, EmptySplitError, MlxtsError
from mlxts.evaluation import oracle
from mlxts.evaluation.reference import fit_baselines
from mlxts.memo import memoised
from mlxts.protocol import SPLIT_NAMES
from mlxts.runs import layout, predictions, references
from mlxts.runs.folder import RunFolder
from mlxts.runs.predictions import BASE_RATE, NETWORK
from mlxts.runs.references import Reference
from mlxts.training import run
from mlxts.training.early_stopping import stopping_samples
from mlxts.training.loop import Permit, always
from mlxts.training.losses import TargetScale, mean_loss
from mlxts.training.plan import Plan
from mlxts.training.run import Trained

ENDED = ("train", "validation")  # what is predicted when training has ended


def predict_network(trained: Trained, splits: Iterable[str]) -> pl.DataFrame:
    """Predictions of a trained network on some splits of its data."""
    samples, outputs = trained.plan.dataset.samples, trained.on(trained.plan.dataset)
    return pl.concat(
        predictions.table(NETWORK, samples[split], split, outputs(samples[split].rows))
        for split in splits
    )


@memoised
def predict_references(
    data: Dataset, splits: Sequence[str]
) -> tuple[pl.DataFrame, dict[str, Reference]]:
    """Every other model's predictions of the same rows, and each asset's reference by symbol.

    Where nothing can be fitted at all there is the base rate alone.
    """
    every = np.unique(np.concatenate([data.samples[split].symbols for split in splits])).tolist()
    baselines = fit_baselines(data, splits, symbols=every)
    base_rates = [table for symbol in every for table in _base_rate(data, splits, symbol)]
    best = oracle.forecast(data, splits).values()
    return pl.concat([*baselines.tables.values(), *base_rates, *best]), baselines.references


def _base_rate(data: Dataset, splits: Sequence[str], symbol: str) -> list[pl.DataFrame]:
    """That of the asset's own training samples; of all where it was never trained on."""
    symbol_data = of_symbol(data, symbol)
    forecast = BaseRate().fit(symbol_data if len(symbol_data.samples["train"]) else data)
    return [
        predictions.table(
            BASE_RATE, symbol_data.samples[split], split, forecast(symbol_data.samples[split])
        )
        for split in splits
    ]


def reference_loss(plan: Plan) -> tuple[str, float] | None:
    """The name of what a network has to beat, and its loss on the samples that stop training.

    Returns:
        The loss is in the unit of validation losses; None where an asset has no reference.
    """
    data, training = plan.dataset, plan.config.training_of_task
    table, chosen = predict_references(data, ENDED)
    validation, scale = data.samples["validation"], TargetScale.fit(data)
    outputs = np.full(len(validation), np.nan)
    for symbol, reference in chosen.items():
        own = table.filter(split="validation", symbol=symbol, model=reference.name or "")
        of_symbol = validation.symbols == symbol
        if own.height != of_symbol.sum():
            return None
        outputs[of_symbol] = own["logit"].to_numpy()
    decisive, weights = stopping_samples(validation, training.stop_on, data.score_on)
    loss = mean_loss(
        scale.scaled(outputs)[decisive],
        scale.scaled(validation.targets)[decisive],
        binary=plan.binary,
        huber_delta=training.huber_delta,
        weights=weights,
    )
    names = {reference.name or "" for reference in chosen.values()}
    return names.pop() if len(names) == 1 else "reference", loss


def can_score(data: Dataset, split: str) -> bool:
    """Whether a split holds a sample of the scored symbol."""
    return bool(is_scored(data.samples[split], data.score_on).any())


def predict_run(trained: Trained, folder: Path, permit: Permit = always) -> pl.DataFrame:
    """Write all models' predictions on training and validation into a run's folder."""
    return _write(predict_network(trained, ENDED), trained.plan.dataset, ENDED, folder, permit)


def predict_split(trained: Trained, folder: Path, split: str) -> pl.DataFrame:
    """Add all models' predictions of one more split to a run's predictions.

    Returns:
        The whole table.
    """
    network = predict_network(trained, (split,))
    others, chosen = predict_references(trained.plan.dataset, (split,))
    stored_references = RunFolder(folder).references()
    if chosen.keys() - stored_references.keys():  # an asset that begins in this split
        references.write(folder / layout.REFERENCES, chosen | stored_references)
    return predictions.replace_split(folder / layout.PREDICTIONS, pl.concat([network, others]))


def read_or_predict(folder: Path) -> pl.DataFrame:
    """The predictions of a run; a finished run whose table is gone predicts again.

    Rows of the test split come back when it is opened again, which is recorded. A table of an
    earlier version, which holds the network alone, is made whole.

    Raises:
        DataError: the run is not finished, or its table is damaged; or the table is of an earlier
            version and the run's data are not here, or not what they were.
        MlxtsError: see `run.load`.
    """
    path = folder / layout.PREDICTIONS
    if not path.exists() and RunFolder(folder).is_finished:
        return predict_run(run.load(folder), folder)
    earlier = predictions.read_earlier(path)
    if earlier is None:
        return RunFolder(folder).predictions()
    try:
        data = build_dataset(run.pinned_configuration(folder))
    except MlxtsError as error:
        raise DataError(
            f"the predictions of {folder.name} are of an earlier version, without its references; "
            f"to fit these once its data are needed: {error}"
        ) from error
    splits = [split for split in SPLIT_NAMES if split in earlier["split"]]
    return _write(_with_phases(earlier, data, folder), data, splits, folder)


def open_test(folder: Path, permit: Permit) -> pl.DataFrame:
    """The predictions of a run with those of the test split, which are read, or made and stored.

    Args:
        permit: records the evaluation; called when it is known that there are rows, before any is
            looked at.

    Raises:
        EmptySplitError: the test split holds no row of the scored symbol.
        DataError, MlxtsError: see `read_or_predict`.
    """
    predicted, score_on = read_or_predict(folder), RunFolder(folder).scored_task.score_on
    if predicted.filter(split="test", symbol=score_on).height:
        permit()
        return predicted
    trained = run.load(folder)
    if not can_score(trained.plan.dataset, "test"):
        raise EmptySplitError(
            f"the test split of this run's data holds no sample of {score_on}; "
            "train on data that reaches into it"
        )
    permit()
    return predict_split(trained, folder, "test")


def _write(
    network: pl.DataFrame,
    data: Dataset,
    splits: Sequence[str],
    folder: Path,
    permit: Permit = always,
) -> pl.DataFrame:
    others, chosen = predict_references(data, splits)
    rows = pl.concat([network, others])
    permit()
    references.write(folder / layout.REFERENCES, chosen)  # first: a reader of predictions needs it
    predictions.write(folder / layout.PREDICTIONS, rows)
    return rows


def _with_phases(earlier: pl.DataFrame, data: Dataset, folder: Path) -> pl.DataFrame:
    """The network's rows in a table of an earlier version, in the columns of this one."""
    keys = ["date", "symbol", "split", "target"]
    rows = pl.concat(
        predictions.table(NETWORK, data.samples[split], split, np.zeros(len(data.samples[split])))
        for split in SPLIT_NAMES
        if split in earlier["split"]
    )
    joined = rows.drop("logit").join(earlier.select(*keys, "logit"), on=keys)
    if not joined.height == earlier.height == rows.height:
        raise DataError(f"{folder.name} predicts other rows than its data hold now; train it again")
    return joined.select(predictions.SCHEMA.names())
