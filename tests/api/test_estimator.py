"""The estimator of scikit-learn: its conventions, and that the latest rows decide."""

import pickle
from datetime import date

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import mlxts
from mlxts.errors import BudgetError, ConfigError, DataError
from mlxts.training.loop import Arrays
from tests.api.conftest import frame

CLASSIFIER = mlxts.PatchTSTClassifier(
    "0.02M", max_epochs=1, overrides={"model.depth": 1, "training.validations_per_epoch": 1}
)


@parametrize_with_checks([CLASSIFIER])
def test_scikit_learns_own_checks(estimator, check) -> None:
    """All of them: none is expected to fail."""
    if check.func.__name__ == "check_array_api_input":
        pytest.skip("arrays of other libraries only with SCIPY_ARRAY_API")
    check(estimator)


def _windows(count: int = 96, bars: int = 12, width: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Windows that rise or fall, in the order of time."""
    rng = np.random.default_rng(0)
    y = np.where(rng.random(count) < 0.5, "down", "up")
    slope = np.where(y == "up", 1.0, -1.0)[:, None, None] * np.linspace(-1, 1, bars)[:, None]
    return (slope + 0.3 * rng.normal(size=(count, bars, width))).astype(np.float32), y


def test_windows_of_several_features_are_learned_and_the_same_seed_gives_the_same_bits() -> None:
    X, y = _windows()
    learner = clone(CLASSIFIER).set_params(max_epochs=5, learning_rate=3e-3, dropout=0.0)
    fitted = learner.fit(X[:72], y[:72])
    assert fitted.classes_.tolist() == ["down", "up"]
    probabilities = fitted.predict_proba(X)
    assert fitted.score(X[72:], y[72:]) > 0.9
    assert np.array_equal(clone(learner).fit(X[:72], y[:72]).predict_proba(X), probabilities)
    other = clone(learner).set_params(random_state=1).fit(X[:72], y[:72])
    assert not np.array_equal(other.predict_proba(X), probabilities)
    restored = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(restored.predict_proba(X), probabilities)
    assert abs(fitted.network_.counts().total / 20_000 - 1) <= 0.01
    with pytest.raises(ValueError, match="12 bars and 2 features"):
        fitted.predict(X[:, :, :2])


def test_the_latest_rows_stop_training_and_those_before_them_are_purged(monkeypatch) -> None:
    seen = []
    post_init = Arrays.__init__

    def record(self, *arguments, **named) -> None:
        post_init(self, *arguments, **named)
        seen.append((self.train_rows // 12, self.validation_rows // 12))

    monkeypatch.setattr(Arrays, "__init__", record)
    X, y = _windows(50)
    clone(CLASSIFIER).set_params(validation_fraction=0.3, purge=4).fit(X, y)
    ((train, validation),) = seen
    assert train.tolist() == list(range(50 - 15 - 4))
    assert validation.tolist() == list(range(35, 50))


def test_a_frame_is_windows_of_a_tiers_features_whatever_the_order_of_its_rows() -> None:
    bars = pl.from_pandas(frame(first=date(2023, 1, 3)), include_index=True)
    two = pl.concat([bars.with_columns(ticker=pl.lit(name)) for name in ("AAA", "BBB")])
    up = (bars["Close"].shift(-1) > bars["Close"]).cast(pl.Int8)  # the last one is not known
    y = pl.concat([up, up])
    model = clone(CLASSIFIER).set_params(context=16).fit(two, y.to_pandas().convert_dtypes())
    probabilities = model.predict_proba(bars)[:, 1]
    known = ~np.isnan(probabilities)
    first = int(known.argmax())
    assert first >= 15 and known[first:].all()
    assert np.allclose(model.predict_proba(bars.reverse().to_pandas())[::-1, 1][first:],
                       probabilities[first:], rtol=1e-6)  # fmt: skip
    shorter = model.predict_proba(bars.head(400))[:, 1]
    assert np.allclose(shorter[first:], probabilities[first:400], rtol=1e-6)  # nothing looks ahead
    with pytest.raises(ValueError, match=f"{first} rows have no complete window"):
        model.predict(bars)
    with pytest.raises(DataError, match="no column Volume"):
        model.predict(bars.drop("Volume"))
    with pytest.raises(ValueError, match="a label each"):
        model.fit(bars, up[1:])


@pytest.mark.parametrize(
    ("parameters", "error", "says"),
    [
        ({"budget": "3M"}, ConfigError, "budget: 3M"),
        ({"dropout": 2.0}, ConfigError, "dropout"),
        ({"overrides": {"model.residual_of": "har"}}, ConfigError, "model.residual_of"),
        ({"budget": "0.02M", "overrides": {"model.depth": 999}}, BudgetError, "depth 999"),
    ],
)
def test_parameters_that_no_experiment_can_have_are_named(parameters, error, says) -> None:
    with pytest.raises(error, match=says):
        mlxts.PatchTSTClassifier(**parameters).fit(*_windows(20))
