"""Every source of data by name: a new one is a file in this folder and a line in `SOURCES`.

Configurations, `mlxts data download`, `mlxts quickstart`, docs/data_sources.md and the advice of an
error read this list. Nothing is imported until a source is used. What a run depends on are the
bytes that are stored, so nothing that decides its numbers reads the list: a new source leaves every
run id as it is.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlxts.errors import ConfigError

if TYPE_CHECKING:
    from mlxts.data.sources.base import Source

DEFAULT = "yahoo"
AUTO = (DEFAULT, "files")  # what `data.source: auto` looks through
_DOWNLOAD = "mlxts data download"


@dataclass(frozen=True)
class SourceInfo:
    """What is known of a source before it is opened.

    Attributes:
        factory: `module:Class`; called without arguments, or with `tell`, which is called with a
            message before each wait.
        example: a symbol that it has; empty: the user has to name one.
        command: what stores a series of it.
        bars: whether it delivers bars, so that a configuration can name it as `data.source`.
        splits: the `data.splits` that its years are made for.
        notes: for docs/data_sources.md.
    """

    factory: str
    example: str = ""
    command: str = _DOWNLOAD + " --source {source} {symbol}"
    bars: bool = True
    splits: str = "protocol"
    notes: str = ""


_HERE = "mlxts.data.sources"
SOURCES: Mapping[str, SourceInfo] = MappingProxyType(
    {
        "sample": SourceInfo(
            f"{_HERE}.sample:SampleSource", "SP500", splits="sample",
            notes="two indices and the VIX from 1999 to 2018 (package `arch`) and four "
            "stocks from 2000 to 2013 (public domain, in this package), without a network",
        ),
        "yahoo": SourceInfo(
            f"{_HERE}.yahoo:YahooSource", "SPY", _DOWNLOAD + " {symbol}",
            notes="bars; adjusted closes are rewritten after each dividend",
        ),
        "files": SourceInfo(
            f"{_HERE}.files:FilesSource", "", "mlxts data import FILE --symbol {symbol}",
            notes="CSV or Parquet of your own (series: `--values`); dates must be those that the "
            "source itself would give; [importing.md](importing.md)",
        ),
        "simulated": SourceInfo(
            "mlxts.simulation.source:SimulatedSource", "SV",
            "mlxts data simulate sv --symbol {symbol}",
            notes="a market whose probabilities are known; [controls.md](controls.md)",
        ),
        "fred": SourceInfo(
            f"{_HERE}.fred:FredSource", "DGS10", bars=False,
            notes="no key; `.` or nothing where a value is missing",
        ),
        "cboe_vix": SourceInfo(
            f"{_HERE}.cboe_vix:CboeVixSource", "VIX", bars=False,
            notes="only closes are taken: older opens, highs and lows are unreliable",
        ),
        "sffed": SourceInfo(
            f"{_HERE}.sffed:SFFedSource", "SFFED_NEWS_SENTIMENT", bars=False,
            notes="an Excel workbook, replaced about once a week",
        ),
        "trends_csv": SourceInfo(
            f"{_HERE}.trends_csv:TrendsByHand", "GT_RECESSION",
            "mlxts data import FILE --trends --symbol {symbol}", bars=False,
            notes="your own export; its scale is a share of the highest value in it, so only "
            "comparisons with its own past are used",
        ),
    }
)  # fmt: skip


def downloadable() -> tuple[str, ...]:
    """Those that `mlxts data download` can ask."""
    return tuple(name for name, source in SOURCES.items() if source.command.startswith(_DOWNLOAD))


def for_quickstart() -> tuple[str, ...]:
    """Those whose bars a first experiment can be about: fetched, or files of one's own."""
    offered = (*downloadable(), "files")
    return tuple(name for name in offered if SOURCES[name].bars)


def require_bars(name: str) -> None:
    """Refuse a `data.source` that is neither `auto` nor a source of bars. Raises ConfigError."""
    bar_sources = ("auto", *(name for name, source in SOURCES.items() if source.bars))
    if name not in bar_sources:
        raise ConfigError(f"data.source: {name} is none of {', '.join(bar_sources)}")


def open_source(name: str, tell: Callable[[str], None]) -> "Source":
    """A source, ready to fetch.

    Args:
        name: key of `SOURCES`.
        tell: called with a message before each wait.
    """
    module, _, attribute = SOURCES[name].factory.partition(":")
    factory = getattr(import_module(module), attribute)
    return factory(tell=tell) if "tell" in inspect.signature(factory).parameters else factory()


def command(name: str, symbol: str) -> str:
    """What stores a series of a source."""
    return SOURCES[name].command.format(source=name, symbol=symbol)


def advice(symbol: str, names: Sequence[str]) -> str:
    """What to run to get a symbol that none of these sources has delivered."""
    commands = [f"`{command(name, symbol)}`" for name in names if name in SOURCES]
    if not all(SOURCES[name].bars for name in names if name in SOURCES):
        commands = [text.replace("FILE --symbol", "FILE --values --symbol") for text in commands]
    return "run " + " or ".join(commands or [f"`{command(DEFAULT, symbol)}`"])
