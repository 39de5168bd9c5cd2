"""`training`: the optimizer and the loop."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mlxts import protocol
from mlxts.config.validation import ConfigSection, Fraction, NotNegative, Positive

Precision = Literal["float32", "bfloat16"]
StopOn = Literal["samples", "scored", "panel"]


class TrainingConfig(ConfigSection):
    """The optimizer and the loop."""

    learning_rate: Annotated[float, Field(gt=0)] = Field(
        protocol.FIXED.learning_rate, description="of AdamW, after warm-up"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="of AdamW, decoupled")
    beta1: Fraction = Field(0.9, description="of AdamW: decay of the mean gradient")
    beta2: Fraction = Field(0.999, description="of AdamW: decay of its mean square")
    clip_norm: Annotated[float, Field(gt=0)] = Field(
        1.0, description="gradients are scaled down to this global norm"
    )
    warmup_steps: NotNegative = Field(0, description="optimizer steps of linear warm-up")
    batch_size: Positive = Field(64, description="samples an optimizer step")
    micro_batch: Positive | None = Field(
        None, description="samples a forward pass; null: from the tuning record, else batch_size"
    )
    precision: Precision = Field(
        "float32", description="bfloat16: for speed on Metal and CUDA; on a CPU it is slower"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute encoder layers twice, to need less memory"
    )
    max_epochs: Positive = Field(20, description="passes over the training samples, at most")
    validations_per_epoch: Positive = Field(
        4, description="evenly spaced; early stopping counts them"
    )
    patience: Positive = Field(12, description="validations without improvement before stopping")
    min_delta: Annotated[float, Field(ge=0)] = Field(
        0.0, description="improvement that counts, nats"
    )
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="score and keep an exponential moving average of the weights, e.g. 0.99; null: "
        "the weights themselves",
    )
    stop_on: StopOn = Field(
        "samples",
        description="whose validation loss decides: of all samples, of the scored asset's, or the "
        "mean of all assets' own means (panel)",
    )
    huber_delta: Annotated[float, Field(gt=0)] = Field(
        1.0,
        description="loss of regression, in units of the training targets' deviation; "
        "that of range is the squared error",
    )

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> Self:
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ValueError(
                f"micro_batch: {self.micro_batch} does not divide batch_size {self.batch_size}"
            )
        return self
