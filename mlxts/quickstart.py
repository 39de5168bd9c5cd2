"""A first experiment from four answers: its configuration, and the commands that go on from it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config
from mlxts.data.sources import registry
from mlxts.data.sources.files import FilesSource
from mlxts.errors import ConfigError

TASK, BUDGET = "threshold_1pct", "2M"


@dataclass(frozen=True)
class Answers:
    """What a first experiment is about.

    Attributes:
        source: one of `registry.for_quickstart`.
        symbols: tickers; the first one is scored. Of source files: paths of CSV or Parquet files.
        output: where the configuration goes.
    """

    source: str
    symbols: tuple[str, ...]
    task: str
    budget: str
    output: Path

    @property
    def names(self) -> tuple[str, ...]:
        """The symbols of the stored series: of files as `data import` names them."""
        if self.source == "files":
            return tuple(FilesSource(Path(path)).symbol.upper() for path in self.symbols)
        return tuple(symbol.upper() for symbol in self.symbols)


def split(text: str) -> tuple[str, ...]:
    """Symbols or files as people list them, with commas or spaces; quotes hold a path together."""
    try:
        return tuple(shlex.split(text.replace(",", " ")))
    except ValueError as error:
        raise ConfigError(f"--symbols {text}: a quotation is not closed") from error


def configuration(answers: Answers) -> ExperimentConfig:
    """The experiment: exploratory, since a strict one wants a batch size tuned beforehand.

    Raises:
        ConfigError: an answer that no experiment can have.
    """
    if not answers.symbols:
        raise ConfigError("--symbols: name at least one, e.g. SPY")
    return build_config(
        {
            "name": answers.output.stem,
            "mode": "exploratory",
            "budget": answers.budget,
            "task": answers.task,
            "data": {
                "source": answers.source,
                "symbols": answers.names,
                "score_on": answers.names[0],
                "splits": registry.SOURCES[answers.source].splits,
            },
            "training": {"max_epochs": 5},
        },
        origin="quickstart",
    )


def store_commands(answers: Answers) -> list[str]:
    """What brings the data here."""
    if answers.source == "files":
        pairs = zip(answers.symbols, answers.names, strict=True)
        return [f"mlxts data import {shlex.quote(path)} --symbol {name}" for path, name in pairs]
    return [registry.command(answers.source, " ".join(answers.names))]


def next_commands(answers: Answers) -> list[str]:
    """What to type once the data are there."""
    path = shlex.quote(str(answers.output))
    return [
        f"mlxts train {path} --dry-run",
        f"mlxts baselines {path}",
        f"mlxts train {path} --resume",
        "mlxts runs",
    ]
