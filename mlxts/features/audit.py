"""What a tier's features are like on real bars: drift, duplicates, dimension, causality."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlxts.features import catalog, engine
from mlxts.features.causality import CANARY, LookAhead, look_ahead
from mlxts.features.correlation_filter import THRESHOLD, complete_rows, correlation, most_common
from mlxts.protocol import Splits

ONE_VALUE = 0.99  # share of the bars with one and the same value: as good as constant
VARIANCE = (0.90, 0.95, 0.99)  # of which principal components explain


@dataclass(frozen=True)
class Shift:
    """How a feature moved from the training years to the test years.

    Attributes:
        mean: change of the mean, in deviations of the training years.
        scale: log of the ratio of the deviations.
        distance: largest difference of the two distribution functions (Kolmogorov–Smirnov).
    """

    feature: str
    mean: float
    scale: float
    distance: float


@dataclass(frozen=True)
class Audit:
    """Findings on one symbol.

    Attributes:
        constant: features with one value.
        one_value: features with one value on more than 99 % of the bars.
        infinite: features with a value that is not finite.
        late_nulls: features with a null after their declared warm-up, or a value inside it.
        null_share: nulls among all values.
        near_duplicates: pairs above the threshold, with their correlation.
        components: share of variance -> principal components that explain it.
        shifts: from training to test years, largest distance first; empty without both.
        look_ahead: what saw the future.
        canary_caught: whether the check for it found the feature that does so on purpose.
    """

    symbol: str
    bars: int
    constant: tuple[str, ...]
    one_value: tuple[str, ...]
    infinite: tuple[str, ...]
    late_nulls: tuple[str, ...]
    null_share: float
    near_duplicates: tuple[tuple[str, str, float], ...]
    components: dict[float, int]
    shifts: tuple[Shift, ...]
    look_ahead: tuple[LookAhead, ...]
    canary_caught: bool

    @property
    def ok(self) -> bool:
        """Nothing that breaks a promise (near-duplicates and shifts are reported, no promise)."""
        wrong = (self.constant, self.one_value, self.infinite, self.late_nulls, self.look_ahead)
        return self.canary_caught and not any(wrong)


def audit(bars: pl.DataFrame, names: Sequence[str], splits: Splits, cuts: Sequence[int]) -> Audit:
    """Check features of one symbol's bars.

    Args:
        splits: where the training years end and the test years begin.
        cuts: histories (in bars) that the look-ahead check compares with the whole.
    """
    table = engine.build(bars.lazy(), names)
    features = [catalog.get(name) for name in names]
    columns = [table[name] for name in names]
    values = [column.drop_nulls() for column in columns]
    matrix = complete_rows(table)
    correlations = correlation(matrix)
    ahead = look_ahead(bars, [*features, CANARY], cuts)
    rows, others = np.nonzero(np.triu(correlations > THRESHOLD, k=1))
    pairs = [
        (names[a], names[b], float(correlations[a, b])) for a, b in zip(rows, others, strict=True)
    ]
    return Audit(
        symbol=bars["symbol"][0],
        bars=bars.height,
        constant=_flagged(names, [column.n_unique() < 2 for column in values]),
        one_value=_flagged(names, [most_common(column) > ONE_VALUE for column in values]),
        infinite=_flagged(names, [not column.is_finite().all() for column in values]),
        late_nulls=_flagged(
            names,
            [
                column.null_count() != min(feature.warmup, len(column))
                or column.head(feature.warmup).null_count() != column.null_count()
                for feature, column in zip(features, columns, strict=True)
            ],
        ),
        null_share=sum(column.null_count() for column in columns) / max(1, table.height)
        / len(names),
        near_duplicates=tuple(sorted(pairs, key=lambda pair: -pair[2])),
        components=dimension(matrix),
        shifts=shifts(table, names, splits),
        look_ahead=tuple(finding for finding in ahead if finding.feature != CANARY.name),
        canary_caught=any(finding.feature == CANARY.name for finding in ahead),
    )  # fmt: skip


def dimension(matrix: np.ndarray) -> dict[float, int]:
    """Share of the variance of the standardised columns -> principal components for it."""
    deviation = matrix.std(axis=0)
    varying = deviation > 0
    scaled = (matrix[:, varying] - matrix[:, varying].mean(axis=0)) / deviation[varying]
    small = scaled @ scaled.T if len(scaled) < scaled.shape[1] else scaled.T @ scaled
    eigenvalues = np.linalg.eigvalsh(small)[::-1].clip(min=0.0)
    explained = np.cumsum(eigenvalues) / eigenvalues.sum()
    return {share: int(np.searchsorted(explained, share)) + 1 for share in VARIANCE}


def shifts(table: pl.DataFrame, names: Sequence[str], splits: Splits) -> tuple[Shift, ...]:
    """How each feature moved from the training to the test years, largest distance first."""
    first, last = splits.test
    train = table.filter(pl.col("date") <= splits.train[1])
    test = table.filter(pl.col("date").is_between(first, last or pl.col("date").max()))
    shifts_by_feature = []
    for name in names:
        before, after = (table[name].drop_nulls().to_numpy() for table in (train, test))
        if len(before) and len(after) and (spread := float(before.std())) > 0:
            mean = float(after.mean() - before.mean()) / spread
            scale = float(np.log(max(after.std(), 1e-6 * spread) / spread))
            shifts_by_feature.append(Shift(name, mean, scale, _distance(before, after)))
    return tuple(sorted(shifts_by_feature, key=lambda shift: -shift.distance))


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    points = np.concatenate([first, second])
    shares = [
        np.searchsorted(np.sort(sample), points, side="right") / len(sample)
        for sample in (first, second)
    ]
    return float(np.abs(shares[0] - shares[1]).max())


def _flagged(names: Sequence[str], flags: Sequence[bool]) -> tuple[str, ...]:
    return tuple(name for name, hit in zip(names, flags, strict=True) if hit)
