"""The figures of a paper as a file holds them, and how each is written."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mlxts.json_files import Shape

FORM = {
    "loss": ".4f", "loss_har": ".4f", "loss_linear": ".4f", "loss_prior": ".4f",
    "difference": "+.4f", "skill": "+.1%", "skill_har": "+.1%",
    "auc": ".3f", "auc_har": ".3f", "base_rate": ".1%", "n_eff": ".0f", "epoch": ".1f",
    "against_main": "+.4f", "n": ",", "samples": ",", "n_total": ",", "dates": ",", "gain": "+.4f",
    "margin": ".4f", "extrapolation": "+.2f",
}  # fmt: skip


class _Row(Shape):
    @model_validator(mode="after")
    def _holds_numbers(self) -> Self:
        for key, value in (self.model_extra or {}).items():
            if key in FORM and not (value is None or isinstance(value, int | float)):
                raise ValueError(f"{key}: {value!r} is no number")
        return self


class _Main(_Row):
    task: str
    symbol: str
    timescale: str


class _MadeOf(Shape):
    runs: list[str]
    machines: list[dict[str, Any]]
    code: list[str]
    data: list[str]


class Figures(Shape):
    """What `paper.collect` returns."""

    split: str
    span: str
    draws: int
    main: Annotated[list[_Main], Field(min_length=1)]
    seeds: list[_Row]
    beside: list[_Row]
    along: list[_Row]
    foreseen: list[_Row]
    made_of: _MadeOf
