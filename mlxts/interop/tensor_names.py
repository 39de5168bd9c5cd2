"""The tensors of `transformers`' PatchTST and ours: the same numbers under other names.

Its linear layers store (out, in), ours (in, out); its query, key and value are three layers, ours
is one. Arrays are NumPy float32 on both sides.
"""

import numpy as np

from mlxts.errors import InteropError
from mlxts.model.hf_patchtst import Published

Arrays = dict[str, np.ndarray]
_ENCODER = "model.encoder"
_EMBEDDING = f"{_ENCODER}.embedder.input_embedding"
_POSITION = f"{_ENCODER}.positional_encoder.position_enc"
_TOKEN = f"{_ENCODER}.positional_encoder.cls_token"
_STATISTICS = ("running_mean", "running_var")


def to_transformers(shape: Published, ours: Arrays) -> Arrays:
    """A `PublishedPatchTST`'s parameters as the state of the `transformers` model."""
    state: Arrays = {_POSITION: ours["position"]}
    for name in _embeddings(shape):
        index = name.removeprefix(_EMBEDDING).strip(".")
        at = int(index) if index else ...
        state[f"{name}.weight"] = ours["embed.weight"][at].T
        state[f"{name}.bias"] = ours["embed.bias"][at].reshape(-1)
    if shape.use_cls_token:
        state[_TOKEN] = ours["cls_token"].reshape(1, 1, 1, -1)
    for name, our_name in _linears(shape).items():
        state[f"{name}.weight"] = ours[f"{our_name}.weight"].T
        state[f"{name}.bias"] = ours[f"{our_name}.bias"]
    for layer in range(shape.num_hidden_layers):
        of_layer = f"{_ENCODER}.layers.{layer}"
        qkv = f"layers.{layer}.attention.qkv"
        weights = np.split(ours[f"{qkv}.weight"].T, 3)
        biases = np.split(ours[f"{qkv}.bias"], 3)
        for part, weight, bias in zip("qkv", weights, biases, strict=True):
            state[f"{of_layer}.self_attn.{part}_proj.weight"] = weight
            state[f"{of_layer}.self_attn.{part}_proj.bias"] = bias
    for name, our_name in _norms(shape).items():
        for part in _norm_parts(shape):
            state[f"{name}.{part}"] = ours[f"{our_name}.{part}"]
        if shape.norm_type == "batchnorm":
            state[f"{name}.num_batches_tracked"] = np.array(1, dtype=np.int64)
    if not shape.bias:
        state = {key: value for key, value in state.items() if not _is_absent(key)}
    return {name: np.array(value, order="C") for name, value in state.items()}


def from_transformers(shape: Published, theirs: Arrays) -> Arrays:
    """The state of a `transformers` model as parameters of a `PublishedPatchTST`.

    Raises:
        InteropError: a tensor is missing or has another shape than in the configuration.
    """
    D, taken = shape.d_model, _TensorReader(theirs)
    arrays: Arrays = {"position": taken(_POSITION, shape.tokens, D)}
    weights = [taken(f"{name}.weight", D, shape.patch_length).T for name in _embeddings(shape)]
    biases = [taken(f"{name}.bias", D) for name in _embeddings(shape)]
    shared = shape.share_embedding
    arrays["embed.weight"] = weights[0] if shared else np.stack(weights)
    arrays["embed.bias"] = biases[0] if shared else np.stack(biases)[:, None, :]
    if shape.use_cls_token:
        arrays["cls_token"] = taken(_TOKEN, 1, 1, 1, D).reshape(D)
    for name, our_name in _linears(shape).items():
        inputs, outputs = _sizes(shape, our_name)
        arrays[f"{our_name}.weight"] = taken(f"{name}.weight", outputs, inputs).T
        absent = not shape.bias and _is_absent(f"{name}.bias")
        arrays[f"{our_name}.bias"] = (
            np.zeros(outputs, np.float32) if absent else taken(f"{name}.bias", outputs)
        )
    for layer in range(shape.num_hidden_layers):
        at, qkv = f"{_ENCODER}.layers.{layer}.self_attn", f"layers.{layer}.attention.qkv"
        arrays[f"{qkv}.weight"] = np.concatenate(
            [taken(f"{at}.{part}_proj.weight", D, D).T for part in "qkv"], axis=1
        )
        arrays[f"{qkv}.bias"] = np.concatenate(
            [taken(f"{at}.{part}_proj.bias", D) for part in "qkv"]
        )
    for name, our_name in _norms(shape).items():
        for part in _norm_parts(shape):
            arrays[f"{our_name}.{part}"] = taken(f"{name}.{part}", D)
    # A transposed view multiplies as well, but rounds otherwise.
    return {name: np.ascontiguousarray(value) for name, value in arrays.items()}


class _TensorReader:
    """Tensors by name and shape."""

    def __init__(self, tensors: Arrays):
        self._tensors = tensors

    def __call__(self, name: str, *shape: int) -> np.ndarray:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise InteropError(
                f"the weights hold no {name}; save the model again with save_pretrained, "
                "configuration and weights together"
            )
        if tensor.shape != shape:
            raise InteropError(
                f"{name} has the shape {tensor.shape} and not {shape}, as config.json says; "
                "save the model again with save_pretrained, configuration and weights together"
            )
        return tensor.astype(np.float32)


def _embeddings(shape: Published) -> list[str]:
    if shape.share_embedding:
        return [_EMBEDDING]
    return [f"{_EMBEDDING}.{channel}" for channel in range(shape.num_input_channels)]


def _linears(shape: Published) -> dict[str, str]:
    """Their linear layers besides embedding, query, key and value: their name to ours."""
    names = {}
    for layer in range(shape.num_hidden_layers):
        at = f"{_ENCODER}.layers.{layer}"
        names[f"{at}.self_attn.out_proj"] = f"layers.{layer}.attention.out"
        names[f"{at}.ff.0"] = f"layers.{layer}.ffn_up"
        names[f"{at}.ff.3"] = f"layers.{layer}.ffn_down"
    names["head.linear" if shape.task == "classification" else "head.projection"] = "head"
    return names


def _sizes(shape: Published, our_name: str) -> tuple[int, int]:
    D = shape.d_model
    sizes = {"out": (D, D), "ffn_up": (D, shape.ffn_dim), "ffn_down": (shape.ffn_dim, D)}
    return sizes.get(our_name.rpartition(".")[2], (shape.head_inputs, shape.head_outputs))


def _norms(shape: Published) -> dict[str, str]:
    numbers = (1, 2, 3) if shape.channel_attention else (1, 3)
    wrapped = ".batchnorm" if shape.norm_type == "batchnorm" else ""
    return {
        f"{_ENCODER}.layers.{layer}.norm_sublayer{number}{wrapped}": f"layers.{layer}.norm{number}"
        for layer in range(shape.num_hidden_layers)
        for number in numbers
    }


def _norm_parts(shape: Published) -> tuple[str, ...]:
    affine = ("weight", "bias")
    return (*affine, *_STATISTICS) if shape.norm_type == "batchnorm" else affine


def _is_absent(key: str) -> bool:
    """Whether a tensor is one that a configuration with `bias: false` has not."""
    return key.endswith((".ff.0.bias", ".ff.3.bias"))
