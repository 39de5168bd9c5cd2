"""The mean forecast of a size's seeds, a model of its own: exploratory, and part of no law.

An ensemble (Hansen and Salamon 1990; Lakshminarayanan and others 2017) loses less than its members
do on average, by what they disagree about: how much less tells noise of training from what a size
cannot know.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlxts.evaluation.block_bootstrap import DRAWS, BlockBootstrap
from mlxts.formats import difference, loss
from mlxts.scaling.loss_table import LossTable
from mlxts.tables import Column, Table


def rows(tables: Sequence[LossTable], draws: int = DRAWS, seed: int = 0) -> list[dict[str, Any]]:
    """Of each cell and size with several seeds: the loss of their mean forecast, and minus that of
    the reference, with the mean of the single networks' beside it."""
    found = []
    for table in tables:
        several = np.flatnonzero(table.seeds > 1)
        if table.ensembles is None or table.references is None or not len(several):
            continue
        blocks = BlockBootstrap(table.dates, table.horizon, table.spacing)
        weights = blocks.weights(draws, seed)
        for index in several:
            of_size = table.rung_of_run == index
            ensemble = table.ensembles[:, index]
            reference = table.references[:, of_size].mean(axis=1)
            over = weights.T @ (ensemble - reference) / weights.sum(axis=0)
            low, high = blocks.interval(over)
            found.append(
                {
                    "cell": table.name,
                    "size": float(table.rungs[index, 0]),
                    "seeds": int(table.seeds[index]),
                    "reference": table.reference_name,
                    "loss": float(ensemble.mean()),
                    "single": float((table.losses[:, of_size].mean(axis=1) - reference).mean()),
                    "difference": float(over[0]),
                    "low": low,
                    "high": high,
                    "unit": table.unit,
                }
            )
    return found


def table(rows: Sequence[dict[str, Any]], axis: str) -> Table:
    """Of what `rows` returned, for a terminal, the report and files."""
    return Table(
        f"Mean forecast of the seeds along {axis}, exploratory",
        (
            "cell",
            (Column("size", form=",.6g"), "seeds"),
            (Column("loss", form=loss), "unit"),
            Column("difference", "minus the reference's", difference, ("low", "high")),
            Column("single", "single networks', mean", difference),
        ),
        rows,
        note=(
            "The mean logit (of numbers the mean) of all seeds of a size is a model of its own. "
            "Its loss minus that of the reference on the same rows, with a 95 % block-bootstrap "
            "interval over dates; below zero it is better. Beside it the same of single networks, "
            "mean over seeds. In no verdict and no law."
        ),
        name=f"seed_ensembles_{axis}",
    )
