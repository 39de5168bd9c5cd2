"""A first experiment from four answers: its configuration, and the commands that go on from it."""

import shlex
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from mlxts import protocol, split_borders, tasks
from mlxts.config.experiment import ExperimentConfig
from mlxts.config.loading import build_config, load_config
from mlxts.data import checks, panel, store
from mlxts.data.sources import registry
from mlxts.data.sources.files import FilesSource
from mlxts.dataset import split_dates
from mlxts.errors import ConfigError

TASK, BUDGET, OUTPUT = "threshold_1pct", "2M", Path("quickstart.yaml")
FRACTIONS = {"train": 0.7, "validation": 0.15}  # of data that the source's splits do not fit
_NO_SYMBOL = "--symbols: name at least one, e.g. SPY"
_FEWEST_YEARS = 3  # of training, in the source's splits


@dataclass(frozen=True)
class Answers:
    """What a first experiment is about.

    Attributes:
        source: one of `registry.for_quickstart`.
        symbols: tickers; the first one is scored. Of source files: paths of CSV or Parquet files.
        output: where the configuration goes; its name is the experiment's.
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


def require_symbols(source: str, text: str) -> None:
    """Raises ConfigError, DataError: not one is named, or one that can be had without a network
    cannot be read."""
    names = split(text)
    if not names:
        raise ConfigError(_NO_SYMBOL)
    for name in names:
        if source == "files":
            file = FilesSource(Path(name))
            checks.require(file.fetch(file.symbol).frame, subject=name)
        elif source == "sample":
            registry.open_source(source, lambda text: None).fetch(name.upper())


def require_task(name: str) -> None:
    """Raises ConfigError: it is no task."""
    try:
        tasks.named(name)
    except ConfigError as error:
        raise ConfigError(f"--task: {error}") from error


def require_budget(name: str) -> None:
    """Raises ConfigError: there is no such budget."""
    if name not in protocol.BUDGETS:
        raise ConfigError(f"--budget: {name} is none of {', '.join(protocol.BUDGETS)}")


def fitted(config: ExperimentConfig) -> tuple[ExperimentConfig, list[str]]:
    """The experiment on the data that are stored, and a sentence on each thing that they decide.

    Data of other years get splits of their own, 70 % and 15 % of the days; data without a volume
    no feature of it.

    Raises:
        DataError, IntegrityError: they cannot be read.
        EmptySplitError: too few days.
    """
    scored = panel.choose(config.data.score_on, config.data)
    borders = split_borders.borders(config.data.splits)
    fits = borders.train[1].year - scored.first.year >= _FEWEST_YEARS
    values, notes = config.model_dump(mode="json"), []
    if not fits or scored.last < borders.validation[1]:
        values["data"]["splits"] = FRACTIONS
        values = split_dates.resolved(build_config(values)).model_dump(mode="json")
        train, validation, test = values["data"]["splits"].split("/")
        notes.append(
            f"{scored.symbol} has days from {scored.first} to {scored.last}: it is trained on "
            f"until {train}, validated until {validation} and tested until {test} (data.splits)"
        )
    artifacts = [panel.choose(symbol, config.data) for symbol in config.data.symbols]
    if any(store.load(artifact)["volume"].has_nulls() for artifact in artifacts):
        values["features"]["volume"] = False
        notes.append("without a volume there are no features of it (features.volume: false)")
    return build_config(values), notes


def place(config: ExperimentConfig, output: Path | None) -> tuple[Path, ExperimentConfig]:
    """A file that is free or holds the experiment already, and the experiment under its name.

    Args:
        output: the file; None: quickstart.yaml, or the first of quickstart-2.yaml, ... that is.

    Raises:
        ConfigError: `output` holds something else, or names no experiment.
    """
    values = config.model_dump(mode="json")
    others = (Path(f"{OUTPUT.stem}-{number}{OUTPUT.suffix}") for number in count(2))
    for path in [output] if output else chain([OUTPUT], others):
        named = build_config({**values, "name": path.stem}, origin="quickstart")
        if not path.exists() or _holds(path, named):
            return path, named
    raise ConfigError(f"{output} exists and holds something else; choose another --output")


def _holds(path: Path, config: ExperimentConfig) -> bool:
    try:
        return load_config(path) == config
    except ConfigError:
        return False


def configuration(answers: Answers) -> ExperimentConfig:
    """The experiment: exploratory, since a strict one wants a batch size tuned beforehand.

    Raises:
        ConfigError: an answer that no experiment can have.
    """
    if not answers.symbols:
        raise ConfigError(_NO_SYMBOL)
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
