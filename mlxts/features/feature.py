"""What a feature is, and how tables of subjects and relations make many of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from mlxts.features.quantity import Column, Quantity

Unit = Literal["percent", "sigma", "ATR", "bars", "ratio"]


@dataclass(frozen=True, eq=False)
class Feature:
    """A relational, scale-free, causal series.

    Attributes:
        name: `<subject>_<relation>`, unique in the catalog.
        family: the table that it comes from.
        relation: one of those in `relations.py`.
        unit: percent, sigma (deviations), ATR (average true ranges), bars, or a pure ratio.
        quantity: its expression, formula and warm-up.
    """

    name: str
    family: str
    relation: str
    unit: Unit
    quantity: Quantity

    @property
    def warmup(self) -> int:
        """Bars without a value at the start of a symbol."""
        return self.quantity.warmup

    @property
    def formula(self) -> str:
        """What it computes; where it is a named column itself, that column's formula."""
        for column in self.quantity.columns:
            if column.name == self.quantity.formula:
                return column.quantity.formula
        return self.quantity.formula

    def parts(self) -> list[Column]:
        """The named columns that it is computed from, directly or not, in order of name."""
        return sorted(closure([self.quantity]), key=lambda column: column.name)


class Named(Protocol):
    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=Named)


@dataclass(frozen=True)
class Relation(Generic[S]):
    """One derivation from a subject (a level, an oscillator, ...), for every row of its table.

    Attributes:
        name: the last part of the feature's name.
        relation: what it is of the protocol's list (position, distance, duration, ...).
        unit: of the feature, or how to ask the subject for it.
        build: subject -> quantity.
    """

    name: str
    relation: str
    unit: Unit | Callable[[S], Unit]
    build: Callable[[S], Quantity]


@dataclass(frozen=True)
class Family:
    """A table of features, in the order in which tiers take them."""

    name: str
    features: tuple[Feature, ...]


def product(
    family: str, subjects: Sequence[S], relations: Sequence[Relation[S]]
) -> tuple[Feature, ...]:
    """Every relation of every subject, both lists given by priority.

    The order walks the diagonals of the table, so that its head holds several subjects and
    several relations.
    """
    cells = [
        ((row + 0.5) / len(subjects) + (column + 0.5) / len(relations), row, subject, relation)
        for row, subject in enumerate(subjects)
        for column, relation in enumerate(relations)
    ]
    cells.sort(key=lambda cell: cell[:2])
    return tuple(
        Feature(
            f"{subject.name}_{relation.name}",
            family,
            relation.relation,
            relation.unit(subject) if callable(relation.unit) else relation.unit,
            relation.build(subject),
        )
        for _, _, subject, relation in cells
    )


def merge(*tables: Sequence[Feature]) -> tuple[Feature, ...]:
    """Several tables of one family as one, each taken in proportion to its length."""
    placed = [
        ((place + 0.5) / len(table), number, feature)
        for number, table in enumerate(tables)
        for place, feature in enumerate(table)
    ]
    return tuple(feature for _, _, feature in sorted(placed, key=lambda cell: cell[:2]))


def closure(quantities: Sequence[Quantity]) -> dict[Column, int]:
    """The columns that some quantities need -> the stage (1, 2, ...) in which each is computed."""
    stages: dict[Column, int] = {}

    def stage(column: Column) -> int:
        if column not in stages:
            stages[column] = 1 + max(map(stage, column.quantity.columns), default=0)
        return stages[column]

    for quantity in quantities:
        for column in quantity.columns:
            stage(column)
    return stages
