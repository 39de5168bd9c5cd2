"""Whether a cell holds enough evidence to be scored at all, decided before any score is seen."""

import numpy as np
from jaxtyping import Float, Shaped

from mlxts.protocol import MIN_CLASS_SAMPLES, MIN_POSITIVE_CLUSTERS, Task


def positive_clusters(
    dates: Shaped[np.ndarray, " n"],
    targets: Float[np.ndarray, " n"],
    horizon: int,
    spacing: int = 1,
) -> int:
    """Runs of dates with a positive, separated by more than H days.

    Labels of H days overlap, so positives closer than that may all be one move of the market.

    Args:
        dates: the date of each sample; targets: 0 or 1; horizon: H, trading days.
        spacing: trading days from one date to the next.
    """
    _, date_of = np.unique(dates, return_inverse=True)
    positions = np.unique(date_of[targets > 0.5])
    return int(len(positions) > 0) + int((np.diff(positions) * spacing > horizon).sum())


def obstacle_of(
    task: Task,
    dates: Shaped[np.ndarray, " n"],
    targets: Float[np.ndarray, " n"],
    horizon: int,
    spacing: int = 1,
) -> str | None:
    """`obstacle` of labels; numbers are not estimable where they are all the same."""
    if task.binary:
        return obstacle(dates, targets, horizon, spacing)
    constant = len(targets) > 0 and targets.min() == targets.max()
    return f"every {task.unit} is the same" if constant else None


def obstacle(
    dates: Shaped[np.ndarray, " n"],
    targets: Float[np.ndarray, " n"],
    horizon: int,
    spacing: int = 1,
) -> str | None:
    """Why the cell is not estimable, or None when it is."""
    positives = int((targets > 0.5).sum())
    negatives = len(targets) - positives
    if min(positives, negatives) < MIN_CLASS_SAMPLES:
        return (
            f"{positives} positives and {negatives} negatives, "
            f"at least {MIN_CLASS_SAMPLES} of each are needed"
        )
    clusters = positive_clusters(dates, targets, horizon, spacing)
    if clusters < MIN_POSITIVE_CLUSTERS:
        return f"{clusters} separate clusters of positives, {MIN_POSITIVE_CLUSTERS} are needed"
    return None
