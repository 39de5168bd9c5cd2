"""How the report names cells, configurations and files. One place, so that all agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlxts import protocol
from mlxts.scaling import config_diff
from mlxts.scaling.configuration_scores import CONFIGURATION, ConfigurationScores
from mlxts.scaling.ledger import LATEST, REAL
from mlxts.scaling.results import file_name

EXPLORATORY = " (exploratory)"


def cell(key: Mapping[str, Any]) -> str:
    """`threshold_1pct H1 daily`, as in `scaling/`; the symbol where it is not the usual one,
    nor all of the data, which a configuration names."""
    name = f"{key['task']} H{key['horizon']} {key['timescale']}"
    return f"{name} {symbol(key)}".strip()


def symbol(key: Mapping[str, Any]) -> str:
    """The scored symbol; empty where it is the usual one or all of the data."""
    return "" if key["symbol"] in (protocol.SCORED_ON, key.get("data")) else key["symbol"]


@dataclass(frozen=True)
class CommonSettings:
    """Settings that labels leave out, because all models shown share them.

    Attributes:
        names: of `CONFIGURATION`. changes: non-default settings, see `scaling/config_diff.py`.
    """

    names: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()

    def __or__(self, name: str) -> "CommonSettings":
        return replace(self, names=self.names | {name})


def configuration(key: Mapping[str, Any], common: CommonSettings = CommonSettings()) -> str:
    """A model's size and data: `2M, Aa, 20 features`; and its non-default settings."""
    settings = {
        "budget": key.get("budget"),
        "data": key["data"],
        "features": f"{key['features']:,} features",
        "fraction": "" if key["fraction"] == 1.0 else f"{key['fraction']:g} of the history",
        "history": "" if key["history"] == LATEST else key["history"],
        "data_generator": "" if key["data_generator"] == REAL else key["data_generator"],
        "config_hash": config_diff.describe(
            key["non_default_settings"], key["config_hash"], common.changes
        ),
        "artifacts": f"files {key['artifacts']}",
    }
    return ", ".join(text for name, text in settings.items() if name not in common.names and text)


def marked(name: str, mode: str) -> str:
    """The name, labelled where its configuration is exploratory."""
    return name if mode == "strict" else name + EXPLORATORY


def settings(
    group: Sequence[ConfigurationScores], common: CommonSettings = CommonSettings()
) -> str:
    """Of a caption: what the members of a group share, and whether they are exploratory."""
    strict = all(scores.mode == "strict" for scores in group)
    return configuration(group[0].key, common) + ("" if strict else ", exploratory")


def title_and_settings(name: str) -> tuple[str, str]:
    """A cell's name apart: what is predicted, and the rest of it."""
    first, *others = name.replace(EXPLORATORY, "").split(", ")
    return first, ", ".join([*others, *["exploratory"] * (EXPLORATORY in name)])


def common_settings(keys: Sequence[Mapping[str, Any]]) -> CommonSettings:
    """What all keys agree on: settings, and the market; hashes of files are worth their place only
    where they distinguish two models."""
    files = {(key["data"], key["artifacts"]) for key in keys}
    common = {
        name for name in ("config_hash", "data_generator") if len({key[name] for key in keys}) < 2
    }
    if len(files) == len({data for data, _ in files}):
        common.add("artifacts")
    return CommonSettings(
        frozenset(common), config_diff.shared([key["non_default_settings"] for key in keys])
    )


def slug(*parts: Any) -> str:
    """A file's name."""
    return file_name("-".join(str(part) for part in parts))


def of_configuration(key: Mapping[str, Any]) -> tuple:
    return tuple(key[name] for name in CONFIGURATION)
