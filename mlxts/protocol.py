"""What is fixed: the experimental protocol as typed constants.

Nothing else in the code decides any of these. Documents render them (`mlxts docs render`),
configurations pick from them, and a *strict* configuration may pick from nothing else.
There is no logic here.
"""

from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

TaskKind = Literal["direction", "threshold", "regression", "range"]


@dataclass(frozen=True)
class Budget:
    """A parameter budget: the built model's own trainable count lies within `tolerance` of it."""

    name: str
    parameters: int
    strict: bool  # one of the three budgets of the protocol; the others are exploratory rungs


@dataclass(frozen=True)
class Task:
    """What is predicted at the decision bar t for the horizon of H trading days.

    direction   Close[t+H] > Close[t]
    threshold   max(High[t+1..t+H]) >= Close[t] * (1 + threshold), or, of the asset's own range,
                >= Close[t] * exp(threshold * mean(log(High / Low)) of t-21..t)
    regression  log(Close[t+H] / Close[t])
    range       log(log(max(High[t+1..t+H]) / min(Low[t+1..t+H])))
    """

    name: str
    kind: TaskKind
    threshold: float | None  # fraction of Close[t]; None unless kind is "threshold"
    unit: str | None = None  # of the number that is predicted; None: whether something happens
    strict: bool = False  # a strict configuration may have it
    of_range: bool = False  # whether the threshold is a multiple of the asset's own range

    @property
    def binary(self) -> bool:
        return self.unit is None


@dataclass(frozen=True)
class Timescale:
    """The bars that a model reads, and its forecast horizon in trading days."""

    name: str
    unit: Literal["session", "week", "fortnight", "month"]
    length: int  # units a bar
    horizon: int  # trading days, the default
    horizons: tuple[int, ...]  # trading days a strict configuration may ask for


@dataclass(frozen=True)
class Splits:
    """Closed date ranges. None means open-ended."""

    name: str
    train: tuple[date | None, date]
    validation: tuple[date, date]
    test: tuple[date, date | None]


@dataclass(frozen=True)
class DatasetRow:
    """The assets axis of the dataset matrix: each row holds the one above."""

    name: str
    adds: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class DatasetColumn:
    """The quality axis of the dataset matrix: each column holds the one before."""

    name: str
    adds: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class ThermalBands:
    """Degrees Celsius. `leave_warning` is the hysteresis: a warning ends below it."""

    acceptable: float
    warning: float
    critical: float
    leave_warning: float
    resume: float  # an optional pause ends below this


@dataclass(frozen=True)
class LossNoise:
    """What a difference in size is measured against, in nats; see `evaluation/power.py`."""

    seed: float  # deviation of a network's mean loss between seeds
    day: float  # deviation of a day's part of the gain per decade


@dataclass(frozen=True)
class Fixed:
    """Hyperparameters that a strict configuration cannot change."""

    dropout: float
    head_dropout: float
    learning_rate: float
    context: int  # bars
    patch_length: int  # bars
    stride: int  # bars


BUDGETS = MappingProxyType(
    {
        b.name: b
        for b in (
            Budget("0.02M", 20_000, False),
            Budget("0.06M", 60_000, False),
            Budget("0.2M", 200_000, False),
            Budget("0.6M", 600_000, False),
            Budget("2M", 2_000_000, True),
            Budget("6M", 6_000_000, False),
            Budget("20M", 20_000_000, True),
            Budget("60M", 60_000_000, False),
            Budget("200M", 200_000_000, True),
        )
    }
)
BUDGET_TOLERANCE = 0.01  # |N_total / budget - 1|
BODY_TOLERANCE = 0.02  # spread of N_body along the feature axis

TASKS = MappingProxyType(
    {
        t.name: t
        for t in (
            Task("direction", "direction", None, None, True),
            Task("threshold_1pct", "threshold", 0.01, None, True),
            Task("threshold_2pct", "threshold", 0.02, None, True),
            Task("threshold_3pct", "threshold", 0.03, None, True),
            Task("threshold_5pct", "threshold", 0.05, None, True),
            Task("regression", "regression", None, "log return", True),
            Task("range", "range", None, "log(log range)", False),
        )
    }
)

TIMESCALES = MappingProxyType(
    {
        t.name: t
        for t in (
            Timescale("daily", "session", 1, 1, (1, 2, 3, 5)),
            Timescale("2d", "session", 2, 2, (2,)),
            Timescale("3d", "session", 3, 3, (3,)),
            Timescale("5d", "session", 5, 5, (5,)),
            Timescale("weekly", "week", 1, 5, (5,)),
            Timescale("2wk", "fortnight", 1, 10, (10,)),
            Timescale("monthly", "month", 1, 21, (21,)),
            Timescale("daily_multi", "session", 1, 1, (1,)),
        )
    }
)

SPLITS = MappingProxyType(
    {
        s.name: s
        for s in (
            Splits(
                "protocol",
                (None, date(2022, 12, 31)),
                (date(2023, 1, 1), date(2024, 12, 31)),
                (date(2025, 1, 1), None),
            ),
            # The bundled sample data ends in 2018, so it has borders of its own.
            Splits(
                "sample",
                (None, date(2014, 12, 31)),
                (date(2015, 1, 1), date(2016, 12, 31)),
                (date(2017, 1, 1), date(2018, 12, 31)),
            ),
        )
    }
)
# Walk-forward windows by splits: of the protocol those of 2005-06 to 2023-24.
ORIGINS = MappingProxyType({"protocol": 10, "sample": 6})
SPLIT_NAMES = ("train", "validation", "test")

DATASET_ROWS = MappingProxyType(
    {
        r.name: r
        for r in (
            DatasetRow("A", ("SPY",), "SPY"),
            DatasetRow("B", ("DIA",), "+ DIA"),
            DatasetRow("C", ("QQQ",), "+ QQQ"),
            DatasetRow("D", ("sector_etfs", "large_stocks"), "+ sector ETFs and large stocks"),
            DatasetRow("E", ("economic_series",), "+ economic series (FRED)"),
        )
    }
)
DATASET_COLUMNS = MappingProxyType(
    {
        c.name: c
        for c in (
            DatasetColumn("a", (), "OHLCV + indicators"),
            DatasetColumn("b", ("news_sentiment",), "+ news sentiment (SF Fed daily)"),
            DatasetColumn("c", ("vix",), "+ VIX"),
            DatasetColumn("d", ("search_trends",), "+ search trends (Google Trends CSV)"),
        )
    }
)
# The names in `adds`: symbols are themselves, groups are lists in universe.yaml.
ASSET_GROUPS = ("sector_etfs", "large_stocks")
SERIES_GROUPS = ("economic_series", "news_sentiment", "vix", "search_trends")
SCORED_ON = "SPY"  # every cell of the matrix is scored on this symbol

TIERS = (20, 50, 100, 200, 500, 1000, 2000)

FIXED = Fixed(
    dropout=0.5, head_dropout=0.0, learning_rate=1e-4, context=80, patch_length=16, stride=8
)

THERMAL = ThermalBands(
    acceptable=70.0, warning=85.0, critical=95.0, leave_warning=80.0, resume=75.0
)

# As measured on SPY before the study; runs that are there replace it. By what a network learns.
NOISE = MappingProxyType({"strict": LossNoise(0.007, 0.10), "residual": LossNoise(0.004, 0.05)})
# Independent assets among so many, of differences between models: large stocks move together.
N_EFF_ASSETS = MappingProxyType({1: 1.0, 7: 2.3, 12: 5.0, 19: 4.5})

MIN_CLASS_SAMPLES = 30  # fewer of either class: not estimable
MIN_POSITIVE_CLUSTERS = 10  # runs of positives separated by more than H days
MIN_BLOCK_DAYS = 22  # bootstrap block = max(H, this)
COLLAPSE_RANGE = 0.01  # max - min probability below this: collapsed
BASELINE = "har"
LINEAR = "linear"
REFERENCES = (
    BASELINE,
    LINEAR,
)  # the primary figure is log-loss skill against the better of the two
HAR_WINDOWS = (1, 5, 22)  # trading days

EXIT_USAGE = 2
EXIT_UNEXPECTED = 70
EXIT_DEVICE = 71
EXIT_STALLED = 74
EXIT_OVERHEATED = 75
EXIT_INTERRUPTED = 130
