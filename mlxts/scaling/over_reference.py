"""What the network adds, separated from what its reference gains.

Along features and history, and from one column of the data to the next, the reference reads what
the network reads: a loss that falls may be the reference's doing. So a cell is reported three
times: the network's own loss; that loss over the reference on the same data; and the reference
alone.
"""

from dataclasses import replace

import numpy as np

from mlxts.scaling.loss_table import LossTable, named

OVER, ALONE = "network over its reference", "reference alone"


def differ(table: LossTable) -> bool:
    """Whether the sizes of a table have references of their own."""
    references = table.references
    return references is not None and not np.allclose(
        references, references[:, :1], rtol=1e-9, atol=0.0
    )


def parts(table: LossTable) -> list[LossTable]:
    """The network over its reference, and the reference alone.

    The gain over the reference is added to the losses of the smallest size's reference, the
    same for all runs, so that losses stay losses and only differences between sizes change.

    Args:
        table: with `references`.
    """
    assert table.references is not None
    first = np.unique(table.rung_of_run, return_index=True)[1]  # a run of each size, ascending
    common = table.references[:, first[0]]
    over = table.losses - table.references + common[:, None]
    alone = replace(
        table,
        losses=table.references[:, first],
        sizes=table.sizes[first],
        runs=tuple(table.runs[run] for run in first),
        deterministic=True,
        ensembles=None,
    )
    return [named(replace(table, losses=over, ensembles=None), OVER), named(alone, ALONE)]
