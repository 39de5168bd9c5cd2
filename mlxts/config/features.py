"""`features`: which inputs the model reads."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mlxts import protocol
from mlxts.config.validation import ConfigSection


class FeaturesConfig(ConfigSection):
    """Which inputs the model reads."""

    source: Literal["indicators", "simulated"] = Field(
        "indicators",
        description="`simulated`: those that a simulated market generates with its bars",
    )
    volume: bool = Field(
        True,
        description="false: without those features of the tier that need the volume, for assets "
        "that came without one",
    )
    tier: int = Field(
        20, description=f"number of relational features: {', '.join(map(str, protocol.TIERS))}"
    )

    @model_validator(mode="after")
    def _is_a_tier(self) -> Self:
        if self.tier not in protocol.TIERS:
            raise ValueError(f"tier: {self.tier} is none of {', '.join(map(str, protocol.TIERS))}")
        return self
