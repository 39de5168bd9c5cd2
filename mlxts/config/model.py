"""`model`: the architecture, and what a budget leaves open of it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlxts import protocol
from mlxts.config.validation import ConfigSection, Fraction, Positive


class RevINConfig(ConfigSection):
    """Reversible instance normalisation (Kim et al. 2022)."""

    enabled: bool = Field(True, description="normalise each window by its own mean and deviation")
    affine: bool = Field(False, description="learn a scale and a shift per channel")
    subtract_last: bool = Field(False, description="centre on the last bar, not on the mean")
    statistics_to_head: bool = Field(
        False, description="give the head the window's location and log scale"
    )


class ModelConfig(ConfigSection):
    """PatchTST. Widths are solved from the budget; depth, heads and ffn_ratio may be fixed."""

    channels: Literal["mixing", "independent"] = Field(
        "mixing", description="mixing: a patch holds all features; independent: one series each"
    )
    context: Positive = Field(protocol.FIXED.context, description="bars that the network reads")
    patch_length: Positive = Field(protocol.FIXED.patch_length, description="bars of a patch")
    stride: Positive = Field(protocol.FIXED.stride, description="bars between two patches")
    dropout: Fraction = Field(protocol.FIXED.dropout, description="in the encoder layers")
    head_dropout: Fraction = Field(protocol.FIXED.head_dropout, description="before the head")
    depth: Positive | None = Field(None, description="encoder layers; null: solved from the budget")
    heads: Positive | None = Field(
        None, description="attention heads; null: solved from the budget"
    )
    ffn_ratio: Annotated[float, Field(gt=0)] = Field(
        4.0, description="hidden width of the feed-forward part / model width"
    )
    revin: RevINConfig = RevINConfig()
    residual_of: Literal["har", "linear"] | None = Field(
        None, description="learn what is left after a forecast that is fitted first: har, linear"
    )

    asset_embedding: bool = Field(
        False, description="tell the network which of data.symbols a window is of"
    )
    last_bar_to_head: bool = Field(
        False,
        description="give the head the decision bar's features, log ranges and, with residual_of, "
        "the reference forecast",
    )
    norm: Literal["layer", "batch"] = Field(
        "layer", description="normalisation of the encoder's tokens"
    )
    res_attention: bool = Field(False, description="add the attention scores of the layer before")
    head: Literal["flatten", "mean", "max"] = Field(
        "flatten", description="mean, max: over patches, with no closing norm (as transformers)"
    )

    @property
    def last_bar_columns(self) -> int:
        """How many columns behind the features the head is given of the decision bar."""
        return self.last_bar_to_head * (len(protocol.HAR_WINDOWS) + bool(self.residual_of))

    @model_validator(mode="after")
    def _patch_fits(self) -> Self:
        if self.patch_length > self.context:
            raise ValueError(
                f"patch_length: {self.patch_length} is longer than context {self.context}"
            )
        return self
