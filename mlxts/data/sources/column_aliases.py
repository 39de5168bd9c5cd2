"""How vendors spell columns, and which of ours each is."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mlxts.errors import SourceError

# As vendors write them, in English, German, French and Spanish; compared by letters and digits
# alone, without case and accents, a single letter as it stands. Of groups the first that a file
# has counts: a time of day or a row's number may accompany a date, a company's name its symbol, and
# a turnover in money the shares that changed hands. Two columns of one group may differ, and none
# is the right one.
SPELLINGS: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "date": (
            ("Date",), ("Datum",), ("Fecha",), ("Datetime",), ("Timestamp",), ("Time",), ("Zeit",),
            ("Day",), ("Tag",), ("Jour",), ("Día",), ("observation_date",), ("trade_date",),
            ("trading_date",), ("price_date",), ("Handelstag",), ("Open time",), ("window_start",),
            ("ts_event",), ("Gmt time",), ("Local time",), ("Unix",), ("Unix timestamp",),
            ("Epoch",), ("t",), ("ds",), ("__index_level_0__",), ("Unnamed: 0",), ("",),
        ),
        "open": ((
            "Open", "Open price", "Opening", "o", "O", "Eröffnung", "Eroeffnung", "Eröffn.",
            "Eröffnungskurs", "Erster", "Offen", "Ouverture", "Ouv.", "Cours d'ouverture",
            "Apertura", "Abrir", "Precio de apertura",
        ),),
        "high": ((
            "High", "High price", "Max", "h", "H", "Hoch", "Höchst", "Hoechst", "Höchstkurs",
            "Tageshoch", "Haut", "Plus haut", "Élevé", "Máximo", "Máx.", "Alto",
        ),),
        "low": ((
            "Low", "Low price", "Min", "l", "L", "Tief", "Tiefst", "Tiefstkurs", "Tagestief",
            "Niedrig", "Bas", "Plus bas", "Faible", "Mínimo", "Mín.", "Bajo",
        ),),
        "close": ((
            "Close", "Close/Last", "Close price", "Closing", "Last", "Price", "c", "C", "Schluss",
            "Schlusskurs", "Zuletzt", "Letzter", "Clôture", "Dernier", "Fermeture",
            "Cours de clôture", "Cierre", "Cerrar", "Último", "Precio de cierre",
        ),),
        "volume": (
            ("Stücke", "Stuecke"),
            (
                "Volume", "Vol.", "Total volume", "Share volume", "v", "V", "Volumen", "Volumes",
            ),
        ),
        "adj_close": ((
            "Adj Close", "Adjusted Close", "Adj Close Price", "Close Adj", "Close Adjusted", "Adj",
            "Adj. Schlusskurs", "Bereinigter Schlusskurs", "Clôture ajustée",
            "Cours de clôture ajusté", "Cierre ajustado",
        ),),
        "dividends": ((
            "Dividends", "Dividend", "Dividend amount", "divCash", "Ex-Dividend", "Dividende",
            "Dividenden", "Dividendes", "Dividendo", "Dividendos",
        ),),
        "splits": ((
            "Splits", "Stock Splits", "Split", "Split coefficient", "Split factor", "Split ratio",
            "Aktiensplit", "Aktiensplits",
        ),),
        "symbol": (
            ("Symbol",), ("Ticker",), ("Tic",), ("act_symbol",), ("raw_symbol",), ("unique_id",),
            ("Símbolo",), ("Symbole",), ("T",), ("Stock",), ("Instrument",), ("Name",),
        ),
        "value": (("Value", "Wert", "Valeur", "Valor", "y"),),
    }
)  # fmt: skip
BARS = ("date", "open", "high", "low", "close")
_NOT_EVERYWHERE = ("volume", "adj_close", "dividends", "splits", "symbol")
_VALUES = ("date", "value", "symbol")


def plain(name: str) -> str:
    """A column name stripped to what identifies it: `1. Adj Close*` -> `adjclose`."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"^\d+(?=[a-z])", "", re.sub(r"[^a-z0-9]", "", letters))


def match(
    columns: Sequence[str], *, values: bool, named: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Map our names to the columns at hand.

    Args:
        values: a series of values is wanted (date and one number) instead of bars.
        named: some of our names -> the user's own choice of a column; empty text: none.

    Raises:
        SourceError: a needed column is missing, two columns could be the same one, or `named`
            holds a name that neither we nor the file have.
    """
    ours = _VALUES if values else (*BARS, *_NOT_EVERYWHERE)
    chosen = {name: _named(columns, name, ours, theirs) for name, theirs in named.items()}
    free = [column for column in columns if column not in chosen.values()]
    fitting = {name: candidates(free, name) for name in ours if name not in chosen}
    if values and "value" in fitting:
        fitting["value"] += candidates(free, "close")
    for name, rivals in fitting.items():
        if len(rivals) > 1:
            raise SourceError(
                f"columns {' and '.join(rivals)} both read as {name}; keep one, rename the other, "
                f"or choose with --columns {name}={rivals[0]}"
            )
    matched = {name: rivals[0] for name, rivals in fitting.items() if rivals}
    matched |= {name: column for name, column in chosen.items() if column}
    if values:
        return _match_value(columns, matched)
    missing = [name for name in BARS if name not in matched]
    if missing:
        hint = "; a series without open, high and low is imported with --values"
        raise SourceError(
            f"columns {', '.join(missing)} are missing (found: {', '.join(columns)}); rename "
            f"the columns, or name them with --columns {missing[0]}=..."
            f"{hint if 'close' in matched or len(columns) == 2 else ''}"
        )
    return {name: matched[name] for name in ours if name in matched}


def _named(columns: Sequence[str], name: str, ours: Sequence[str], theirs: str) -> str:
    """The column that the user means."""
    if name not in ours:
        raise SourceError(f"--columns {name}={theirs}: {name} is none of {', '.join(ours)}")
    same = [column for column in columns if column == theirs]
    same = same or [column for column in columns if plain(column) == plain(theirs)]
    if theirs and len(same) != 1:
        raise SourceError(
            f"--columns {name}={theirs}: no column is named so (found: {', '.join(columns)})"
        )
    return same[0] if theirs else ""


def candidates(columns: Sequence[str], name: str) -> list[str]:
    """The columns of the first group of spellings that names any."""
    for group in SPELLINGS[name]:
        fitting = [c for spelling in group for c in columns if _same(c, spelling)]
        if fitting:
            return list(dict.fromkeys(fitting))
    return []


def _same(column: str, spelling: str) -> bool:
    if len(spelling) < 2:
        return column.strip() == spelling
    return plain(column) == plain(spelling)


def _match_value(columns: Sequence[str], matched: dict[str, str]) -> dict[str, str]:
    others = [name for name in columns if name != matched.get("date")]
    value = matched.get("value") or (others[0] if len(others) == 1 else None)
    if "date" not in matched or value is None:
        raise SourceError(
            "a series of values needs a date and a value (or close) column "
            f"(found: {', '.join(columns)}); rename the columns, or name them with --columns "
            "date=...,value=..."
        )
    optional = {"symbol": matched["symbol"]} if "symbol" in matched else {}
    return {"date": matched["date"], "value": value} | optional


def volume_in_units(columns: Sequence[str], symbol: str) -> str | None:
    """The volume of a file that names its unit: of `Volume BTC, Volume USDT` the traded asset's.

    Raises:
        SourceError: there are several, and the symbol begins with none of their units or more.
    """
    units = {name: plain(name)[6:] for name in columns if plain(name).startswith("volume")}
    own = [name for name, unit in units.items() if unit and plain(symbol).startswith(unit)]
    if len(units) > 1 and len(own) != 1:
        raise SourceError(
            f"columns {' and '.join(units)} both read as volume; choose with --columns "
            f"volume='{next(iter(units))}'"
        )
    return (own or list(units) or [None])[0]


def is_read(name: str) -> bool:
    """Whether a column of this name may be one of ours."""
    return any(
        _same(name, spelling)
        for groups in SPELLINGS.values()
        for group in groups
        for spelling in group
    )
