"""Hugging Face's PatchTST with the same sizes: a reference for speed, independent mode only.

Its head differs from ours (and is smaller), so no equality is asked of it.
"""

from typing import Any

import torch
import torch.nn as nn
from transformers import PatchTSTConfig, PatchTSTForClassification, PatchTSTForPrediction

from contenders.pytorch import Torch


class _Logit(nn.Module):
    """One logit a window from either of the two published models."""

    def __init__(self, shape: dict[str, Any], *, prediction: bool):
        super().__init__()
        rate = shape["dropout"]
        config = PatchTSTConfig(
            num_input_channels=shape["features"],
            context_length=shape["context"],
            patch_length=shape["patch_length"],
            patch_stride=shape["stride"],
            d_model=shape["d_model"],
            num_hidden_layers=shape["depth"],
            num_attention_heads=shape["heads"],
            ffn_dim=shape["ffn_dim"],
            norm_type="layernorm",
            pre_norm=True,
            positional_dropout=rate,
            path_dropout=rate,
            ff_dropout=rate,
            attention_dropout=0.0,
            # Prediction flattens the patches, as we do; classification can only pool them.
            pooling_type=None if prediction else "mean",
            prediction_length=1,
            num_targets=1,
            loss="mse",
            do_mask_input=False,
        )
        self.prediction = prediction
        self.inner = (
            PatchTSTForPrediction(config) if prediction else PatchTSTForClassification(config)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, F) -> (B,)."""
        found = self.inner(past_values=x)
        if self.prediction:
            return found.prediction_outputs.mean((1, 2))
        return found.prediction_logits.squeeze(-1)


class HuggingFace(Torch):
    """See `case.Contender`."""

    def __init__(self, case: Any, shape: dict[str, Any], *, prediction: bool):
        self._prediction = prediction
        super().__init__(case, shape)

    def _build(self, shape: dict[str, Any]) -> nn.Module:
        return _Logit(shape, prediction=self._prediction).train()
