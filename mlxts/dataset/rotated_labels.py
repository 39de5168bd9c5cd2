"""A negative control on real data: labels rotated by years, so that nothing is predictable."""

from dataclasses import replace

import numpy as np

from mlxts.data import bars as timescale_bars
from mlxts.dataset.samples import Samples
from mlxts.protocol import Timescale

_SESSIONS_A_YEAR = 252


def rotate_labels(samples: Samples, years: int, timescale: Timescale) -> Samples:
    """Each sample with the target of the sample `years` later, the last ones with the first's.

    A negative control: base rate, seasonality and autocorrelation of the labels are kept, and their
    relation to the inputs is removed. Targets stay within their split and series, so the purge is
    unaffected. A split (or an asset) of fewer than twice as many years is rotated by half of its
    length, so that no sample gets the label of a neighbour.
    """
    rotated = samples.targets.copy()
    series = np.char.add(np.char.add(samples.symbols, "/"), samples.phases.astype(str))
    for symbol in np.unique(series):
        rows = np.flatnonzero(series == symbol)
        later = years * _SESSIONS_A_YEAR // timescale_bars.spacing(timescale)
        rotated[rows] = np.roll(samples.targets[rows], -min(later, len(rows) // 2))
    return replace(samples, targets=rotated)
