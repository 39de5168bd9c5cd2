"""The ONNX graph of a model computes what the model does, in every variant of its shape."""

import mlx.core as mx
import numpy as np
import pytest

from mlxts import transfer
from mlxts.interop import onnx_graph
from mlxts.interop.weight_export import graph_arrays
from mlxts.model.patchtst import PatchTST, Shape, flat_arrays
from mlxts.model.residual import OffsetPatchTST

onnxruntime = pytest.importorskip("onnxruntime")

FEATURES, CONTEXT = 5, 22
BASE = {
    "features": FEATURES, "context": CONTEXT, "patch_length": 6, "stride": 3, "d_model": 8,
    "depth": 2, "heads": 2, "ffn_dim": 12, "rank": 3,
}  # fmt: skip
VARIANTS = {
    "plain": {},
    "without RevIN": {"revin": False},
    "RevIN on the last bar": {"revin_affine": True, "revin_subtract_last": True},
    "statistics to the head": {"statistics_to_head": True},
    "batch norm, mean": {"norm": "batch", "head": "mean"},
    "residual attention, max": {"res_attention": True, "head": "max"},
    "assets": {"assets": 3},
    "last bar": {"last_bar": 2},
    "everything": {"assets": 3, "last_bar": 2, "statistics_to_head": True, "res_attention": True},
}


def built(channels: str, changes: dict, kind: type[PatchTST]) -> PatchTST:
    """A model whose weights are all away from their initial zeros and ones."""
    rng = np.random.default_rng(0)
    statistics = np.stack([rng.normal(size=FEATURES), rng.uniform(0.5, 2.0, FEATURES)])
    model = kind(Shape(channels=channels, **BASE, **changes), statistics=statistics)  # ty: ignore[invalid-argument-type]
    weights = {
        name: mx.array(
            np.abs(value) + rng.uniform(0.1, 0.2, value.shape).astype(np.float32)
            if name.endswith("running_var")
            else value + rng.normal(0, 0.1, value.shape).astype(np.float32)
        )
        for name, value in transfer.on_host(flat_arrays(model.parameters())).items()
    }
    model.load_weights(list(weights.items()))
    model.eval()
    return model


def graph_of(model: PatchTST, **options):
    offset = isinstance(model, OffsetPatchTST)
    return onnx_graph.model_proto(model.shape, graph_arrays(model), offset=offset, **options)


def windows(model: PatchTST, count: int = 7) -> np.ndarray:
    rng = np.random.default_rng(1)
    x = rng.normal(0.3, 1.5, (count, CONTEXT, model.columns)).astype(np.float32)
    if model.shape.assets:
        place = -2 if isinstance(model, OffsetPatchTST) else -1
        x[..., place] = (np.arange(count) % model.shape.assets)[:, None]
    return x


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("channels", ["mixing", "independent"])
@pytest.mark.parametrize("kind", [PatchTST, OffsetPatchTST])
def test_the_graph_computes_what_the_model_does(channels, variant, kind) -> None:
    model = built(channels, VARIANTS[variant], kind)
    x = windows(model)
    made = graph_of(model, binary=True, metadata={"run_id": "r"})
    session = onnxruntime.InferenceSession(made.SerializeToString())
    logit, probability = session.run(None, {onnx_graph.INPUT: x})
    expected = np.array(model(x))
    np.testing.assert_allclose(logit, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-expected)), atol=1e-5)
    assert np.ptp(expected) > 0.01  # it is no constant that agrees
    assert session.get_modelmeta().custom_metadata_map == {"run_id": "r"}


def test_numbers_come_in_units_of_the_targets() -> None:
    model = built("mixing", {}, PatchTST)
    made = graph_of(model, binary=False, center=0.5, scale=3.0)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    x = windows(model)
    (value,) = session.run([onnx_graph.VALUE], {onnx_graph.INPUT: x})
    np.testing.assert_allclose(value, 3.0 * np.array(model(x)) + 0.5, rtol=1e-5, atol=1e-5)
