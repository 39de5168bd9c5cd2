"""`data`: which bars are read, and where the splits lie."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from mlxts import protocol, split_borders
from mlxts.config import dataset_matrix
from mlxts.config.validation import ConfigSection, Name, NotNegative, one_line
from mlxts.errors import ConfigError


def _splits(value: Any) -> Any:
    """Dates or fractions as the name that they go by."""
    if not isinstance(value, str | Mapping):
        return value  # refused below, by its type
    try:
        return split_borders.name_of(value)
    except ConfigError as error:
        raise ValueError(one_line(str(error))) from error


class DataConfig(ConfigSection):
    """Which bars are read, and where the splits lie."""

    source: Name = Field(
        "auto",
        description="`auto`: the newest registered artifact from yahoo or files; else a source of "
        "bars: yahoo, files, sample or a simulated market",
    )
    cell: Name | None = Field(
        None, description="cell of the dataset matrix, e.g. Cb; sets symbols and exogenous"
    )
    symbols: tuple[Name, ...] = Field(
        ("SPY",), min_length=1, strict=False, description="pooled as one data set"
    )
    exogenous: tuple[Name, ...] = Field(
        (), strict=False, description="series joined to every symbol as of their release"
    )
    train_symbols: tuple[Name, ...] | None = Field(
        None,
        min_length=1,
        strict=False,
        description="which of symbols the network trains and stops on; the others are scored, over "
        "references of their own; None: all",
    )
    score_on: Name = Field(protocol.SCORED_ON, description="the symbol whose rows are scored")
    splits: Annotated[str, BeforeValidator(_splits)] = Field(
        "protocol",
        description="`protocol`, `sample`, or one's own (exploratory): their last days as "
        "`{train_end: 2015-12-31, validation_end: 2018-12-31, test_end: 2024-12-31}`, or fractions "
        "of the scored symbol's days as `{train: 0.7, validation: 0.15}`",
    )
    walk_forward_window: Annotated[int, Field(gt=0, le=100)] | None = Field(
        None,
        description="score the validation years (1), or so many windows before them; each window "
        "draws its own random numbers from seed",
    )
    train_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="fraction of the training dates; smaller sets are subsets of larger ones"
    )
    train_blocks_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = Field(
        None, description="null: the latest dates; otherwise blocks of dates sampled with this seed"
    )
    rotate_labels_years: NotNegative = Field(
        0, description="a null control: labels of so many years later, rotated within a split"
    )
    artifact_sha256: dict[str, str] = Field(
        default_factory=dict, description="symbol -> sha256 of the artifact that must be used"
    )

    @model_validator(mode="before")
    @classmethod
    def _contents_from_cell(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("cell"), str):
            return values
        named = {key: values[key] for key in ("symbols", "exogenous") if key in values}
        if not all(isinstance(value, list | tuple) for value in named.values()):
            return values  # refused below, by its type
        try:
            cell = dataset_matrix.cell(values["cell"])
        except ConfigError as error:
            raise ValueError(f"cell: {error}") from error
        contents = {"symbols": cell.symbols, "exogenous": cell.exogenous}
        for key, members in contents.items():
            default = cls.model_fields[key].default
            if tuple(named.get(key, default)) not in (default, members):
                raise ValueError(
                    f"{key}: cell {cell.name} holds {', '.join(members) or 'none'}; leave {key} "
                    "out, or leave cell out"
                )
        return {**values, **contents}

    @model_validator(mode="after")
    def _scores_what_it_reads(self) -> Self:
        if self.score_on not in self.symbols:
            raise ValueError(f"score_on: {self.score_on} is not among symbols; add it there")
        unread = [name for name in self.train_symbols or () if name not in self.symbols]
        if unread:
            raise ValueError(f"train_symbols: {unread[0]} is not among symbols; add it there")
        for key in ("symbols", "exogenous", "train_symbols"):
            names = getattr(self, key) or ()
            if len(set(names)) != len(names):
                raise ValueError(f"{key}: one is named twice")
        return self

    @property
    def title(self) -> str:
        """The data in a few words: the cell, or else its contents; and what is trained on."""
        contents = self.cell or ", ".join((*self.symbols, *self.exogenous))
        if self.train_symbols is None:
            return contents
        return f"{contents}, trained on {', '.join(self.train_symbols)}"
