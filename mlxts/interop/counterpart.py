"""Our PatchTST as the published one: the same outputs from other weights, where that is possible.

Both see windows in units of their own deviation, cut patches that end on the last bar, and run a
pre-norm encoder. What ours has besides is linear, so that it goes into other weights exactly:

- RevIN's learned scale and shift of each feature go into an embedding of its own;
- the head's two factors, D to K and F*K to 1, are multiplied into one of F*D to 1;
- a logit z becomes two, (0, z), whose softmax is its sigmoid;
- of a regression, the unit of the targets goes into the head.

What is computed here is float64, rounded once.
"""

from typing import Any

import numpy as np

from mlxts import transfer
from mlxts.errors import InteropError
from mlxts.interop.huggingface import Model
from mlxts.interop.tensor_names import Arrays
from mlxts.model.hf_patchtst import Published
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.model.residual import OffsetPatchTST


def published(model: PatchTST, *, center: float = 0.0, scale: float | None = None) -> Model:
    """The published model with the outputs of `model`.

    Args:
        center, scale: of a regression, the targets' mean and deviation, log returns; outputs are
            then log returns. With `scale` None it is a classification: class 1 is the event, and
            its logit less class 0's is the model's.

    Raises:
        InteropError: its shape has no counterpart; names the settings to change.
    """
    require(model.shape, offset=isinstance(model, OffsetPatchTST))
    learned = transfer.on_host(flat_arrays(model.parameters()))
    arrays = {name: value.astype(np.float64) for name, value in learned.items()}
    shape = _shape(model.shape, "classification" if scale is None else "regression")
    D, F, K = model.shape.d_model, model.shape.features, model.shape.rank
    head = arrays["head.weight"].reshape(F, K)
    weight = (head @ arrays["head_down.weight"].T).reshape(F * D)
    bias = arrays["head.bias"][0] + (head @ arrays["head_down.bias"]).sum()
    made: Arrays = {"position": arrays["position"], **_embedding(model.shape, arrays)}
    if scale is None:
        made["head.weight"] = np.stack([np.zeros(F * D), weight], axis=1)
        made["head.bias"] = np.array([0.0, bias])
    else:
        made["head.weight"] = weight[:, None] * scale
        made["head.bias"] = np.array([bias * scale + center])
    for name, value in arrays.items():
        if name.startswith("encoder."):
            # The published layer counts attention over channels as its second branch.
            made[name.removeprefix("encoder.").replace(".norm2.", ".norm3.")] = value
    return Model(shape, {name: value.astype(np.float32) for name, value in made.items()})


def require(shape: Shape, *, offset: bool = False) -> None:
    """That a model has a counterpart.

    Args:
        offset: whether it learns what another forecast leaves over.

    Raises:
        InteropError: it has none; names every setting to change.
    """
    wrong = {
        "model.channels=independent": shape.channels == "mixing",
        "model.head=mean": shape.head == "flatten",
        "model.res_attention=false": shape.res_attention,
        "model.revin.subtract_last=false": shape.revin_subtract_last,
        "model.revin.statistics_to_head=false": shape.statistics_to_head,
        "model.residual_of=null": offset,
        "model.asset_embedding=false": shape.assets > 0,
        "model.last_bar_to_head=false": shape.last_bar > 0,
        f"model.patch_length={max(1, shape.context // 2)}": shape.patch_length == shape.context,
    }
    settings = [f"--set {setting}" for setting, is_wrong in wrong.items() if is_wrong]
    if settings:
        raise InteropError(
            "transformers' PatchTST has no counterpart of this run's model; train one with "
            f"--set mode=exploratory {' '.join(settings)}"
        )


def training_settings(shape: Shape) -> dict[str, Any]:
    """Keys of the published configuration that matter only if it is trained further."""
    return {
        "positional_dropout": shape.dropout,
        "path_dropout": shape.dropout,
        "ff_dropout": shape.dropout,
        "attention_dropout": 0.0,
        "head_dropout": shape.head_dropout,
    }


def _shape(shape: Shape, task: Any) -> Published:
    return Published(
        task=task,
        num_input_channels=shape.features,
        context_length=shape.context,
        patch_length=shape.patch_length,
        patch_stride=shape.stride,
        num_hidden_layers=shape.depth,
        d_model=shape.d_model,
        num_attention_heads=shape.heads,
        share_embedding=not (shape.revin and shape.revin_affine),
        ffn_dim=shape.ffn_dim,
        norm_type="batchnorm" if shape.norm == "batch" else "layernorm",
        positional_encoding_type="random",
        scaling="std" if shape.revin else None,
        pooling_type="max" if shape.head == "max" else "mean",
        num_targets=2 if task == "classification" else 1,
    )


def _embedding(shape: Shape, arrays: Arrays) -> Arrays:
    weight, bias = arrays["embed.weight"], arrays["embed.bias"]
    if shape.revin and shape.revin_affine:
        gain, shift = arrays["revin.weight"], arrays["revin.bias"]
        bias = (shift[:, None] * weight.sum(axis=0) + bias)[:, None, :]
        weight = gain[:, None, None] * weight
    return {"embed.weight": weight, "embed.bias": bias}
