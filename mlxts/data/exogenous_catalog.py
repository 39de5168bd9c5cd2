"""The exogenous series: where each comes from, when a value of it is known, and in which form.

A value is dated by its source at the *reference* date, which lies before the day on which anybody
could read it. The one thing that matters here is that lags err to the late side: `lag_days` after
the reference date everyone could know the value, in every ordinary month of the sample. Months in
which a closed government published later have a lag of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Literal

from mlxts.data.sources.trends_csv import PREFIX as TRENDS_PREFIX
from mlxts.errors import ConfigError

Frequency = Literal["daily", "weekly", "monthly"]
Form = Literal["level", "log", "growth"]

# Days after its last release for which a series counts as alive; one that ended earlier is stale.
ALIVE_DAYS: Mapping[str, int] = MappingProxyType({"daily": 14, "weekly": 35, "monthly": 100})


@dataclass(frozen=True)
class Late:
    """Reference dates, both included, whose values took longer."""

    first: date
    last: date
    lag_days: int


@dataclass(frozen=True)
class Series:
    """One dated series.

    Attributes:
        id: its name in configurations and in the store.
        source: the source that fetches it; `mlxts data import` may deliver any.
        frequency: of its observations.
        lag_days: calendar days from the reference date until the value counts as released.
        form: what features are computed from: the level, its logarithm, or the growth over a year.
        description: what it measures, and in which unit.
        release: when its publisher releases it, which `lag_days` covers.
        terms: on what terms its publisher lets it be used.
        late: exceptions to `lag_days`.
        revised: whether later vintages change old values (the stored ones are the latest).
    """

    id: str
    source: str
    frequency: Frequency
    lag_days: int
    form: Form
    description: str
    release: str
    terms: str
    late: tuple[Late, ...] = ()
    revised: bool = False

    @property
    def column(self) -> str:
        """The name of its column in a panel; its features' names start with it."""
        return f"{COLUMN_PREFIX}{self.id.lower()}"


COLUMN_PREFIX = "exog_"

_FED = "public domain (Board of Governors, via FRED); cite source and FRED"
_BLS = "public domain (Bureau of Labor Statistics, via FRED); cite source and FRED"
_YIELD = (
    "the Treasury publishes the curve on the evening of the day, the H.15 release on the next "
    "business day"
)
# Federal shutdowns: the latest of the delayed releases (industrial production of 2025-09, on
# 2025-12-03) came 93 days after its reference date.
_SHUTDOWNS = (
    Late(date(1995, 11, 1), date(1996, 1, 1), 100),
    Late(date(2013, 9, 1), date(2013, 10, 1), 100),
    Late(date(2025, 9, 1), date(2025, 11, 1), 100),
)
# Weekly claims of these weeks came with the first release after the shutdown.
_CLAIMS = (
    Late(date(1995, 11, 11), date(1996, 1, 20), 40),
    Late(date(2025, 9, 20), date(2025, 11, 22), 65),
)


def _yield(id_: str, description: str) -> Series:
    return Series(id_, "fred", "daily", 1, "level", description, _YIELD, _FED)


SERIES: Mapping[str, Series] = MappingProxyType(
    {
        s.id: s
        for s in (
            _yield("DGS10", "10-year Treasury yield, percent"),
            _yield("DGS2", "2-year Treasury yield, percent"),
            _yield("DGS3MO", "3-month Treasury yield, percent"),
            _yield("T10Y2Y", "10-year less 2-year Treasury yield, percentage points"),
            _yield("T10Y3M", "10-year less 3-month Treasury yield, percentage points"),
            _yield("T10YIE", "10-year breakeven inflation, percent"),
            Series(
                "NFCI", "fred", "weekly", 7, "level",
                "National financial conditions, 0 is average, above is tight",
                "Wednesday after the Friday that it is dated, Thursday after a holiday",
                "Chicago Fed, via FRED: free use with citation", revised=True,
            ),
            Series(
                "ICSA", "fred", "weekly", 7, "log", "Initial claims for unemployment insurance",
                "Thursday after the Saturday that it is dated, Friday after a holiday",
                "public domain (Department of Labor, via FRED); cite source and FRED",
                late=_CLAIMS, revised=True,
            ),
            Series(
                "FEDFUNDS", "fred", "monthly", 40, "level",
                "Effective federal funds rate, mean of the month, percent",
                "first business days of the month after", _FED,
            ),
            Series(
                "CPIAUCSL", "fred", "monthly", 55, "growth", "Consumer prices, all items",
                "10th to 21st of the month after", _BLS, late=_SHUTDOWNS, revised=True,
            ),
            Series(
                "PAYEMS", "fred", "monthly", 45, "growth", "Employees on nonfarm payrolls",
                "1st to 11th of the month after, mostly its first Friday", _BLS,
                late=_SHUTDOWNS, revised=True,
            ),
            Series(
                "INDPRO", "fred", "monthly", 52, "growth", "Industrial production",
                "14th to 18th of the month after", _FED, late=_SHUTDOWNS, revised=True,
            ),
            Series(
                "UNRATE", "fred", "monthly", 45, "level", "Unemployment rate, percent",
                "1st to 11th of the month after, mostly its first Friday", _BLS,
                late=_SHUTDOWNS, revised=True,
            ),
            Series(
                "UMCSENT", "fred", "monthly", 35, "level", "Consumer sentiment, 1966 = 100",
                "final reading in the last days of the month itself; FRED shows it a month later",
                "University of Michigan, via FRED: copyrighted, personal use with citation",
            ),
            Series(
                "SFFED_NEWS_SENTIMENT", "sffed", "daily", 10, "level",
                "Sentiment of economic news, 0 is neutral",
                "once a week, the last value then being about 3 days old",
                "Federal Reserve Bank of San Francisco: free use with citation", revised=True,
            ),
            Series(
                "VIX", "cboe_vix", "daily", 1, "log",
                "Implied volatility of the S&P 500 over 30 days, percent a year",
                "a quarter of an hour after the stock market's close",
                "Cboe: for personal, non-commercial use; not to be redistributed",
            ),
        )
    }
)  # fmt: skip

TRENDS = Series(
    f"{TRENDS_PREFIX}<TERM>", "trends_csv", "weekly", 10, "level",
    "Google searches for a term, share of the highest in the export",
    "complete about 3 days after the end of the day, week or month; dated at its last day",
    "Google: for use with attribution; your own export",
    revised=True,
)  # fmt: skip


def get(id_: str) -> Series:
    """What is known of a series.

    Raises:
        ConfigError: the series is unknown, and so is its release lag.
    """
    if id_ in SERIES:
        return SERIES[id_]
    if id_.startswith(TRENDS_PREFIX) and id_ != TRENDS_PREFIX:
        return replace(TRENDS, id=id_)
    raise ConfigError(
        f"no publication lag is known for {id_}; join one of {', '.join(SERIES)} or "
        f"{TRENDS.id}, or add it to mlxts/data/exogenous_catalog.py"
    )
