"""The other library's models: golden outputs without it, and both libraries side by side."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from mlxts.errors import InteropError
from mlxts.interop import counterpart, huggingface
from mlxts.model.hf_patchtst import Published
from mlxts.model.patchtst import PatchTST, Shape
from mlxts.model.residual import OffsetPatchTST
from tests.interop import golden
from tests.model.fixtures import make

TINY: dict[str, Any] = {
    "channels": "independent", "features": 3, "context": 20, "patch_length": 6, "stride": 4,
    "d_model": 8, "depth": 2, "heads": 2, "ffn_dim": 12, "rank": 3, "head": "mean",
}  # fmt: skip
# Every kind of our model that the other library has: channels, norms, patches, heads, positions.
OURS: dict[str, dict] = {
    "layer_mean": {},
    "layer_max": {"head": "max"},
    "batch_mean": {"norm": "batch"},
    "batch_max": {"norm": "batch", "head": "max"},
    "affine": {"revin_affine": True},
    "affine_batch": {"revin_affine": True, "norm": "batch"},
    "without_revin": {"revin": False},
    "one_feature": {"features": 1, "rank": 2},
    "many_features": {"features": 9, "rank": 8},
    "touching_patches": {"patch_length": 4, "stride": 4},
    "single_bars": {"patch_length": 1, "stride": 1, "context": 8},
    "deep": {"depth": 4, "heads": 4, "d_model": 16},
    "dropout": {"dropout": 0.5, "head_dropout": 0.2},
}


# Which kind of model it is.
_OPTIONS = (
    "share_embedding", "channel_attention", "norm_type", "bias", "activation_function", "pre_norm",
    "positional_encoding_type", "use_cls_token", "scaling", "pooling_type",
)  # fmt: skip


def _ours(name: str) -> PatchTST:
    """A model no parameter of which is what it was made with."""
    model = PatchTST(Shape(**{**TINY, **OURS[name]}), seed=4, bias=-0.7)
    rng = np.random.default_rng(5)
    for module in model.modules():
        for key, value in module.items():
            if isinstance(value, mx.array) and value.dtype == mx.float32:
                drawn = 0.3 * rng.random(value.shape, dtype=np.float32)
                module[key] = value + mx.array(drawn)
    model.eval()
    return model


def _windows(model: PatchTST) -> np.ndarray:
    rng, shape = np.random.default_rng(6), model.shape
    scales = np.geomspace(0.2, 5.0, shape.features)
    drawn = rng.normal(size=(6, shape.context, shape.features)) + 0.4
    return (scales * drawn).astype(np.float32)


def _transformers():
    pytest.importorskip("torch")
    return pytest.importorskip("transformers")


def _loaded(folder: Path):
    transformers = _transformers()
    named = json.loads((folder / "config.json").read_text())["architectures"][0]
    kind = getattr(transformers, named)
    model, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    return model.eval()


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_model_that_comes_says_what_it_said(name: str, tmp_path: Path) -> None:
    stored = golden.load(name)
    model = huggingface.read(golden.folder(stored, tmp_path)).built()
    np.testing.assert_allclose(np.array(model(mx.array(stored.x))), stored.y, **golden.TOLERANCE)


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_model_that_comes_and_goes_is_what_it_was(name: str, tmp_path: Path) -> None:
    stored = golden.load(name)
    came = huggingface.read(golden.folder(stored, tmp_path / "came"))
    went = huggingface.write(tmp_path / "went", huggingface.of(came.built()))
    state = mx.load(str(went / huggingface.WEIGHTS))
    assert isinstance(state, dict)
    assert set(state) == set(stored.state)
    for key, value in stored.state.items():
        assert state[key].shape == value.shape
        if not key.endswith("num_batches_tracked"):
            assert np.array_equal(np.array(state[key]), value), key
    assert huggingface.read(went).shape == came.shape


@pytest.mark.parametrize("name", golden.NAMES)
def test_the_fixtures_are_what_the_library_of_now_says(name: str) -> None:
    _transformers()
    stored = golden.load(name)
    np.testing.assert_allclose(make.says(make.model(name), stored.x), stored.y, **golden.TOLERANCE)


@pytest.mark.parametrize("name", ["defaults", "over_channels_post", "forecast_token"])
def test_what_save_pretrained_wrote_is_read(name: str, tmp_path: Path) -> None:
    """It writes down only what differs from its defaults, so these must be the same here."""
    _transformers()
    stored = golden.load(name)
    make.model(name).save_pretrained(tmp_path)
    model = huggingface.read(tmp_path).built()
    np.testing.assert_allclose(np.array(model(mx.array(stored.x))), stored.y, **golden.TOLERANCE)


def _defaults() -> dict[str, Any]:
    return {k: v for k, v in Published("classification").to_dict().items() if k != "task"}


def test_defaults_are_those_that_the_library_had() -> None:
    """A configuration that names no default, as `save_pretrained` leaves it, is read right."""
    stored = json.loads((make.FOLDER / "defaults.json").read_text())
    assert stored["defaults"] == _defaults()


def test_defaults_are_those_of_the_library() -> None:
    theirs = pytest.importorskip("transformers").PatchTSTConfig()
    assert {key: getattr(theirs, key) for key in _defaults()} == _defaults()


def test_every_option_that_an_export_may_name_is_in_a_golden_output() -> None:
    """Why the golden files are enough where the library is not: what we write for it is `Published`
    weights and options, `Published` gives the library's outputs for every value of every option
    that is no size, alone and together, and our model gives `Published`'s (the tests around this
    one)."""
    seen: dict[str, set[Any]] = {}
    for name in golden.NAMES:
        options = {**_defaults(), **golden.load(name).config}
        for key in _defaults():
            seen.setdefault(key, set()).add(str(options[key]))
    for name in OURS:
        for scale in (None, 0.013):
            record = counterpart.published(_ours(name), scale=scale).shape.to_dict()
            for key in _OPTIONS:
                assert str(record[key]) in seen[key], (name, key)
    heads = {golden.load(name).config["architectures"][0] for name in golden.NAMES}
    assert heads >= {"PatchTSTForClassification", "PatchTSTForRegression"}


def test_what_is_no_option_is_a_size_or_a_floor() -> None:
    sizes = {k for k, v in _defaults().items() if type(v) is int} | {"norm_eps", "output_range"}
    assert set(_OPTIONS) == set(_defaults()) - sizes


@pytest.mark.parametrize("name", OURS)
def test_the_counterpart_of_a_model_says_what_the_model_says(name: str) -> None:
    model = _ours(name)
    x = _windows(model)
    said = np.array(model(mx.array(x)))
    assert np.ptp(said) > 0.01
    logits = np.array(counterpart.published(model).built()(mx.array(x)))
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], said, **golden.TOLERANCE)


@pytest.mark.parametrize("name", OURS)
def test_a_model_that_goes_is_loaded_and_says_what_it_said(name: str, tmp_path: Path) -> None:
    _transformers()
    model = _ours(name)
    x = _windows(model)
    settings = counterpart.training_settings(model.shape)
    folder = huggingface.write(tmp_path, counterpart.published(model), settings)
    logits = make.says(_loaded(folder), x)
    said = np.array(model(mx.array(x)))
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], said, **golden.TOLERANCE)


@pytest.mark.parametrize("name", ["layer_mean", "batch_max", "affine"])
def test_a_regression_speaks_in_returns(name: str) -> None:
    model = _ours(name)
    x = _windows(model)
    made = counterpart.published(model, center=0.0004, scale=0.013)
    assert made.shape.task == "regression"
    said = np.array(made.built()(mx.array(x)))[:, 0]
    wanted = np.array(model(mx.array(x))) * 0.013 + 0.0004
    np.testing.assert_allclose(said, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["layer_mean", "batch_max", "affine"])
def test_a_regression_that_goes_says_what_it_said(name: str, tmp_path: Path) -> None:
    _transformers()
    model = _ours(name)
    x = _windows(model)
    made = counterpart.published(model, center=0.0004, scale=0.013)
    said = make.says(_loaded(huggingface.write(tmp_path, made)), x)
    wanted = np.array(model(mx.array(x))) * 0.013 + 0.0004
    np.testing.assert_allclose(said[:, 0], wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_model_that_went_back_loads_there_and_says_the_same(name: str, tmp_path: Path) -> None:
    _transformers()
    stored = golden.load(name)
    came = huggingface.read(golden.folder(stored, tmp_path / "came"))
    model = _loaded(huggingface.write(tmp_path / "went", came))
    np.testing.assert_allclose(make.says(model, stored.x), stored.y, **golden.TOLERANCE)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"channels": "mixing"}, "model.channels=independent"),
        ({"head": "flatten"}, "model.head=mean"),
        ({"res_attention": True}, "model.res_attention=false"),
        ({"revin_subtract_last": True}, "model.revin.subtract_last=false"),
        ({"statistics_to_head": True}, "model.revin.statistics_to_head=false"),
        ({"assets": 2}, "model.asset_embedding=false"),
        ({"last_bar": 3}, "model.last_bar_to_head=false"),
        ({"patch_length": 20}, "model.patch_length=10"),
    ],
)
def test_what_has_no_counterpart_is_named_with_its_remedy(changes: dict, setting: str) -> None:
    model = PatchTST(Shape(**{**TINY, **changes}))
    with pytest.raises(InteropError) as raised:
        counterpart.published(model)
    assert str(raised.value).endswith(f"mode=exploratory --set {setting}")


def test_a_model_above_an_offset_has_no_counterpart() -> None:
    with pytest.raises(InteropError, match=r"model\.residual_of=null"):
        counterpart.published(OffsetPatchTST(Shape(**TINY)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "informer"}, "describes no PatchTST"),
        ({"architectures": ["PatchTSTForPretraining"]}, "names PatchTSTForPretraining"),
        ({"architectures": None}, "names None"),
        ({"architectures": ["PatchTSTForRegression"], "loss": "nll"}, "loss: nll"),
        (
            {"architectures": ["PatchTSTForPrediction"], "share_projection": False},
            "share_projection: false",
        ),
        ({"activation_function": "tanh"}, "activation_function: tanh is none of gelu, relu"),
        ({"pooling_type": None}, "pooling_type: null has no classification head"),
        ({"d_model": 16}, "has the shape"),
        ({"use_cls_token": True}, "as config.json says"),
        ({"norm_type": "layernorm"}, "the weights hold no"),
        ({"d_model": "16"}, "d_model: '16' is no whole number above 0"),
        ({"num_hidden_layers": True}, "num_hidden_layers: True is no whole number"),
        ({"patch_length": 0}, "patch_length: 0 is no whole number above 0"),
        ({"pre_norm": "yes"}, "pre_norm: 'yes' is no true or false"),
        ({"norm_eps": [1]}, r"norm_eps: \[1\] is no number"),
        ({"norm_type": ["batchnorm"]}, "norm_type"),
        ({"architectures": {"a": 1}}, "names None"),
        ({"output_range": 3}, "output_range: 3 is no pair of numbers"),
    ],
)
def test_what_cannot_be_read_is_named(changes: dict, says: str, tmp_path: Path) -> None:
    stored = golden.load("defaults")
    folder = golden.folder(stored._replace(config={**stored.config, **changes}), tmp_path)
    with pytest.raises(InteropError, match=says):
        huggingface.read(folder)


def test_files_that_are_not_there_or_torn_are_named(tmp_path: Path) -> None:
    with pytest.raises(InteropError, match=r"config\.json cannot be read"):
        huggingface.read(tmp_path)
    folder = golden.folder(golden.load("defaults"), tmp_path)
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(InteropError, match="cannot be read as safetensors"):
        huggingface.read(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InteropError, match=r"there is no .*save_pretrained"):
        huggingface.read(folder)
