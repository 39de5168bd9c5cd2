"""A trained PatchTST as an ONNX graph, written node by node from its weights.

MLX has no exporter of its own to ONNX. The graph has what `PatchTST` computes in evaluation, in
operators of opset 17, which every runtime of the last years has; dropout is left out.

Shapes: B batch, T bars, C columns, F features, P patches, L patch length, D model width, H heads.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlxts.errors import InteropError
from mlxts.files import atomic_path
from mlxts.model import normalisation, revin
from mlxts.model.patchtst import _CLIP, Shape

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT, LOGIT, PROBABILITY, VALUE = "windows", "logit", "probability", "value"
_OPSET, _IR = 17, 8  # of 2022
_LAYER_EPSILON = 1e-5  # of `layers.LayerNorm`


class _Graph:
    """Nodes and constants as they are added; values go by name."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        """`arrays`: the weights, which nodes may name."""
        self.nodes: list[Any] = []
        self.constants = dict(arrays)

    def add(
        self, operator: str, *inputs: str | np.ndarray, name: str = "", **attributes: Any
    ) -> str:
        """A node, its inputs names of values or constants. Returns the name of its output."""
        from onnx import helper

        output = name or f"{operator}_{len(self.nodes)}"
        names = [self._named(value, f"{output}_{place}") for place, value in enumerate(inputs)]
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def _named(self, value: str | np.ndarray, name: str) -> str:
        if isinstance(value, str):
            return value
        self.constants[name] = value
        return name

    def reshaped(self, x: str, *shape: int) -> str:
        return self.add("Reshape", x, np.array(shape, np.int64))

    def part(self, x: str, axis: int, first: int, last: int) -> str:
        """x[first:last] along an axis; a `last` beyond its end is the end."""
        ends = (np.array([value], np.int64) for value in (first, last, axis))
        return self.add("Slice", x, *ends)

    def mean(self, x: str, axis: int, *, keep: bool = True) -> str:
        return self.add("ReduceMean", x, axes=[axis], keepdims=int(keep))

    def dense(self, x: str, layer: str) -> str:
        return self.add("Add", self.add("MatMul", x, f"{layer}.weight"), f"{layer}.bias")

    def gelu(self, x: str) -> str:
        """x/2 (1 + erf(x / √2)), exact as in `nn.gelu`."""
        erf = self.add("Erf", self.add("Mul", x, _scalar(math.sqrt(0.5))))
        return self.add("Mul", self.add("Mul", x, _scalar(0.5)), self.add("Add", erf, _scalar(1.0)))


_END = 2**31 - 1


def model_proto(
    shape: Shape,
    arrays: dict[str, np.ndarray],
    *,
    offset: bool,
    binary: bool,
    center: float = 0.0,
    scale: float = 1.0,
    metadata: dict[str, str] | None = None,
) -> "ModelProto":
    """The graph of a model with its weights.

    Args:
        arrays: the weights under our names; where the shape has use of them `center` and `spread`,
            (F,) of the features on the training rows.
        offset: the last column is a forecast that the output is added to (`OffsetPatchTST`).
        binary: its outputs are `logit` and `probability`; else `value`, scale · output + center.
        metadata: text under text, for who reads the file.

    Returns:
        From `windows` (B, T, C) float32, columns as `PatchTST.columns` counts them, to (B,).

    Raises:
        InteropError: the `onnx` package is not installed.
    """
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError as error:
        raise InteropError(
            "an ONNX file needs the onnx package: pip install 'mlxts[export]'"
        ) from error

    graph = _Graph(arrays)
    output = _forward(graph, shape, offset=offset)
    columns = shape.features + shape.last_bar + bool(shape.assets) + offset
    if binary:
        graph.add("Identity", output, name=LOGIT)
        graph.add("Sigmoid", output, name=PROBABILITY)
    else:
        scaled = graph.add("Mul", output, _scalar(scale))
        graph.add("Add", scaled, _scalar(center), name=VALUE)
    used = {name for node in graph.nodes for name in node.input}
    floats = TensorProto.FLOAT
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "patchtst",
            [helper.make_tensor_value_info(INPUT, floats, ["B", shape.context, columns])],
            [
                helper.make_tensor_value_info(name, floats, ["B"])
                for name in ((LOGIT, PROBABILITY) if binary else (VALUE,))
            ],
            [
                numpy_helper.from_array(np.array(array, order="C"), name)
                for name, array in graph.constants.items()
                if name in used
            ],
        ),
        producer_name="mlxts",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
    )
    helper.set_model_props(made, metadata or {})
    checker.check_model(made)
    return made


def write(path: Path, made: "ModelProto") -> Path:
    """Write a model. Raises StorageError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(made.SerializeToString())
    return path


def _forward(graph: _Graph, shape: Shape, *, offset: bool) -> str:
    """`PatchTST.forward` of `INPUT`, in evaluation; its output's name."""
    x, asset, bar, added = INPUT, "", "", ""
    if offset:
        added, x = _last(graph, x), graph.part(x, 2, 0, -1)
    if shape.assets:
        asset, x = _last(graph, x), graph.part(x, 2, 0, -1)
    if shape.last_bar:
        columns = shape.features + shape.last_bar
        bar = graph.reshaped(graph.part(x, 1, -1, _END), -1, columns)
        x = graph.part(x, 2, 0, shape.features)
    x, location, deviation = _revin(graph, shape, x)
    tokens = _tokens(graph, shape, x)
    tokens = graph.add("Add", graph.dense(tokens, "embed"), "position")
    if shape.assets:
        vectors = graph.add("Gather", "asset_embedding", graph.add("Cast", asset, to=7), axis=0)
        apart = graph.reshaped(tokens, -1, shape.sequences, shape.patches, shape.d_model)
        apart = graph.add("Add", apart, graph.reshaped(vectors, -1, 1, 1, shape.d_model))
        tokens = graph.reshaped(apart, -1, shape.patches, shape.d_model)
    flat = _pooled(graph, shape, _encoded(graph, shape, tokens))
    if shape.channels == "independent":
        flat = graph.reshaped(graph.dense(flat, "head_down"), -1, shape.features * shape.rank)
    parts = [flat]
    if shape.statistics_to_head:
        removed = (graph.reshaped(value, -1, shape.features) for value in (location, deviation))
        level, spread = removed
        parts.append(graph.add("Div", graph.add("Sub", level, "center"), "spread"))
        parts.append(graph.add("Log", graph.add("Div", spread, "spread")))
    if shape.last_bar:
        parts.append(graph.gelu(graph.dense(_levels(graph, shape, bar), "last_bar")))
    flat = graph.add("Concat", *parts, axis=1) if len(parts) > 1 else flat
    output = graph.reshaped(graph.dense(flat, "head"), -1)
    return graph.add("Add", output, added) if offset else output


def _last(graph: _Graph, x: str) -> str:
    """(B,) of the last column at the last bar."""
    return graph.reshaped(graph.part(graph.part(x, 1, -1, _END), 2, -1, _END), -1)


def _revin(graph: _Graph, shape: Shape, x: str) -> tuple[str, str, str]:
    """`revin.RevIN`: normalised windows, and (B, 1, F) what was removed."""
    mean = graph.mean(x, 1)
    centred = graph.add("Sub", x, mean)
    variance = graph.mean(graph.add("Mul", centred, centred), 1)
    deviation = graph.add("Sqrt", graph.add("Add", variance, _scalar(revin.EPSILON)))
    location = graph.part(x, 1, -1, _END) if shape.revin_subtract_last else mean
    if not shape.revin:
        return x, location, deviation
    normalised = graph.add("Div", graph.add("Sub", x, location), deviation)
    if shape.revin_affine:
        normalised = graph.add("Mul", normalised, "revin.weight")
        normalised = graph.add("Add", normalised, "revin.bias")
    return normalised, location, deviation


def _tokens(graph: _Graph, shape: Shape, x: str) -> str:
    """Patches as rows: (B, P, L·R) of projected features, or (B·F, P, L)."""
    first = (shape.context - shape.patch_length) % shape.stride  # the oldest bars are left out
    starts = first + shape.stride * np.arange(shape.patches)
    bars = starts[:, None] + np.arange(shape.patch_length)  # (P, L)
    if shape.channels == "mixing":
        patches = graph.add("Gather", graph.dense(x, "input_proj"), bars.astype(np.int64), axis=1)
        return graph.reshaped(patches, -1, shape.patches, shape.patch_length * shape.rank)
    patches = graph.add("Gather", x, bars.astype(np.int64), axis=1)  # (B, P, L, F)
    patches = graph.add("Transpose", patches, perm=[0, 3, 1, 2])
    return graph.reshaped(patches, -1, shape.patches, shape.patch_length)


def _encoded(graph: _Graph, shape: Shape, x: str) -> str:
    """The layers of the encoder and what closes it."""
    scores = ""
    for index in range(shape.depth):
        layer = f"encoder.layers.{index}"
        inputs = _normalised(graph, shape, x, f"{layer}.norm1")
        attended, scores = _attention(graph, shape, inputs, f"{layer}.attention", scores)
        x = graph.add("Add", x, attended)
        inputs = _normalised(graph, shape, x, f"{layer}.norm2")
        hidden = graph.gelu(graph.dense(inputs, f"{layer}.ffn_up"))
        x = graph.add("Add", x, graph.dense(hidden, f"{layer}.ffn_down"))
    return _normalised(graph, shape, x, "encoder.norm") if shape.head == "flatten" else x


def _normalised(graph: _Graph, shape: Shape, x: str, norm: str) -> str:
    if shape.norm == "layer":
        names = (f"{norm}.weight", f"{norm}.bias")
        return graph.add("LayerNormalization", x, *names, axis=-1, epsilon=_LAYER_EPSILON)
    weight, bias, mean, variance = (
        graph.constants[f"{norm}.{part}"]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = weight / np.sqrt(variance + np.float32(normalisation.EPSILON))
    return graph.add("Add", graph.add("Mul", x, factor), bias - mean * factor)


def _attention(graph: _Graph, shape: Shape, x: str, layer: str, before: str) -> tuple[str, str]:
    """Outputs and, with residual attention, scores, which start from those `before`."""
    width = shape.d_model // shape.heads
    qkv = graph.reshaped(graph.dense(x, f"{layer}.qkv"), -1, shape.patches, 3, shape.heads, width)
    qkv = graph.add("Transpose", qkv, perm=[2, 0, 3, 1, 4])
    q, k, v = (graph.add("Gather", qkv, np.array(part, np.int64), axis=0) for part in range(3))
    q = graph.add("Mul", q, _scalar(1.0 / math.sqrt(width)))
    scores = graph.add("MatMul", q, graph.add("Transpose", k, perm=[0, 1, 3, 2]))
    if before:
        scores = graph.add("Add", scores, before)
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), v)
    mixed = graph.reshaped(
        graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), -1, shape.patches, shape.d_model
    )
    return graph.dense(mixed, f"{layer}.out"), scores if shape.res_attention else ""


def _pooled(graph: _Graph, shape: Shape, x: str) -> str:
    if shape.head == "flatten":
        return graph.reshaped(x, -1, shape.pooled)
    if shape.head == "mean":
        return graph.mean(x, 1, keep=False)
    return graph.add("ReduceMax", x, axes=[1], keepdims=0)


def _levels(graph: _Graph, shape: Shape, bar: str) -> str:
    """The last bar in deviations of the training rows, and what follows its features."""
    levels = graph.add("Sub", graph.part(bar, 1, 0, shape.features), "center")
    levels = graph.add("Div", levels, "spread")
    levels = graph.add("Clip", levels, _scalar(-_CLIP), _scalar(_CLIP))
    return graph.add("Concat", levels, graph.part(bar, 1, shape.features, _END), axis=1)


def _scalar(value: float) -> np.ndarray:
    return np.array(value, np.float32)
