"""The forms that a loss may take as a function of size: families of scaling laws.

Legend: L the loss, x a size (parameters N, samples D or features F) in units of the geometric mean
of the sizes at hand, so that coefficients are parts of the loss at that reference; u = ln x.
B problems at once, G points of a grid, n observed points, k parameters, p linear coefficients.

Each family is written twice. `log_loss` is the law itself, analytic in its parameters (they may be
complex, which gives exact derivatives). `linear` is the same law for variable projection (Golub,
Pereyra 1973): for given nonlinear parameters it is a linear model of a transformed loss, whose
coefficients follow in closed form and need no start.

Sources: power laws, with floor and additive: Hestness et al. 2017, Hoffmann et al. 2022. Joint:
Kaplan et al. 2020, equation 1.5. Bounded by the loss of a forecast without information, with a term
for too many parameters on too few samples: arXiv 2605.09189 (its term in the tokens seen is left
out: all runs of a table train alike). Broken: Caballero et al. 2023, one break, no floor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.special import expit, logit

SHARPNESS = 0.5  # of a break, in units of u: the exponent turns within about one e-fold of x
EXPONENT = (0.01, 5.0)  # of a term that falls towards a floor
FREE_EXPONENT = (-3.0, 3.0)  # of a law that may rise as well
LOG_COEFFICIENT = (-30.0, 30.0)

Linear = tuple[np.ndarray, np.ndarray, np.ndarray]  # design (n, p), response (B, n), weights (B, n)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law, with its search scale.

    Attributes:
        name: as in the formula.
        scale: how the value follows from the search variable v: `exp` is e^v, `share` is the
            share expit(v) of the bound L0, `plain` is v.
        limits: of v; None: those of the observed u (the place of a break).
        exponent: a rate of scaling, the figure that laws are compared by.
    """

    name: str
    scale: str = "plain"
    limits: tuple[float, float] | None = FREE_EXPONENT
    exponent: bool = False

    def values(self, searched: np.ndarray, bound: float) -> np.ndarray:
        if self.scale == "exp":
            return np.exp(searched)
        return bound * expit(searched) if self.scale == "share" else searched


@dataclass(frozen=True)
class Family:
    """One form.

    Attributes:
        axes: how many sizes it has: 1, or 2 for surfaces over (N, D).
        parameters: in the order of a vector of searched values.
        log_loss: ((..., k) searched, (n, axes) u, bound L0) -> (..., n).
        grid: u -> (G, q) nonlinear parameters.
        linear: (one of the G, (B, n) losses, u, bound) -> the linear problem.
        join: (one of the G, (B, p) coefficients) -> (B, k) searched values.
        positive: coefficients must not be negative (they are parts of a loss).
    """

    name: str
    formula: str
    axes: int
    parameters: tuple[Parameter, ...]
    log_loss: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    grid: Callable[[np.ndarray], np.ndarray]
    linear: Callable[[np.ndarray, np.ndarray, np.ndarray, float], Linear]
    join: Callable[[np.ndarray, np.ndarray], np.ndarray]
    positive: bool = True

    def limits(self, u: np.ndarray) -> np.ndarray:
        """(k, 2) of the searched values; a break lies strictly inside the observed sizes."""
        inner = np.unique(u[:, 0])
        inner = inner[1:-1] if len(inner) > 2 else inner
        within = (float(inner.min()), float(inner.max()))
        return np.array([p.limits if p.limits else within for p in self.parameters])

    def values(self, searched: np.ndarray, bound: float) -> dict[str, np.ndarray]:
        """(..., k) searched values as {name: (...)} in the units of the formula."""
        return {p.name: p.values(searched[..., i], bound) for i, p in enumerate(self.parameters)}


def _exponent(name: str, limits: tuple[float, float] = EXPONENT) -> Parameter:
    return Parameter(name, "plain", limits, exponent=True)


def _coefficient(name: str) -> Parameter:
    return Parameter(name, "exp", LOG_COEFFICIENT)


def _log(coefficients: np.ndarray) -> np.ndarray:
    """Logs of coefficients >= 0; of zero a small part of the others, so that it can grow again."""
    small = 1e-4 * coefficients.sum(axis=-1, keepdims=True)
    return np.log(np.maximum(coefficients, np.maximum(small, 1e-12)))


def _product(*axes: np.ndarray) -> np.ndarray:
    return np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=-1)


def _no_grid(u: np.ndarray) -> np.ndarray:
    return np.zeros((1, 0))


def _ones(losses: np.ndarray) -> np.ndarray:
    return np.ones_like(losses)


_RATES = np.geomspace(0.02, 3.0, 24)
_COARSE = np.geomspace(0.03, 2.0, 9)
_SHARES = np.array([0.02, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96, 0.99])


def _turn(u: np.ndarray, place: np.ndarray) -> np.ndarray:
    """How far u has gone beyond a break, smoothly: 0 before it, u - place after it."""
    return SHARPNESS * np.log1p(np.exp((u - place) / SHARPNESS))


def _odds(losses: np.ndarray, floor: float, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """h = (L - E) / (L0 - L), and the weight that makes its residuals relative ones of L.

    A loss that noise took out of (E, L0) is put just inside.
    """
    margin = 1e-3 * (bound - floor)
    inside = np.clip(losses, floor + margin, bound - margin)
    return (inside - floor) / (bound - inside), (bound - inside) ** 2 / ((bound - floor) * inside)


def _bounded(h: np.ndarray, share: np.ndarray, bound: float) -> np.ndarray:
    """ln of E + (L0 - E) h / (1 + h), with E = L0 expit(share)."""
    floor = 1.0 / (1.0 + np.exp(-share))
    return np.log(bound * (floor + (1.0 - floor) * h / (1.0 + h)))


def _flat_log(v, u, bound):
    return v[..., 0:1] + 0.0 * u[:, 0]


def _power_log(v, u, bound):
    return v[..., 0:1] - v[..., 1:2] * u[:, 0]


def _floor_log(v, u, bound):
    return np.log(np.exp(v[..., 0:1]) + np.exp(v[..., 1:2] - v[..., 2:3] * u[:, 0]))


def _broken_log(v, u, bound):
    first, second = v[..., 1:2], v[..., 2:3]
    return v[..., 0:1] - first * u[:, 0] - (second - first) * _turn(u[:, 0], v[..., 3:4])


def _bounded_log(v, u, bound):
    return _bounded(np.exp(v[..., 1:2] - v[..., 2:3] * u[:, 0]), v[..., 0:1], bound)


def _overfit_log(v, u, bound):
    falls = np.exp(v[..., 1:2] - v[..., 2:3] * u[:, 0])
    rises = np.exp(v[..., 3:4] + v[..., 4:5] * u[:, 0])
    return _bounded(falls + rises, v[..., 0:1], bound)


def _product_log(v, u, bound):
    return v[..., 0:1] - v[..., 1:2] * u[:, 0] - v[..., 2:3] * u[:, 1]


def _additive_log(v, u, bound):
    terms = np.exp(v[..., 1:2] - v[..., 2:3] * u[:, 0]) + np.exp(
        v[..., 3:4] - v[..., 4:5] * u[:, 1]
    )
    return np.log(np.exp(v[..., 0:1]) + terms)


def _kaplan_log(v, u, bound):
    of_n = np.exp(v[..., 0:1] - v[..., 1:2] / v[..., 3:4] * u[:, 0])
    return v[..., 3:4] * np.log(of_n + np.exp(v[..., 2:3] - u[:, 1]))


def _surface_log(v, u, bound):
    falls = np.exp(v[..., 1:2] - v[..., 2:3] * u[:, 0])
    rises = np.exp(v[..., 3:4] + v[..., 4:5] * u[:, 0] - v[..., 5:6] * u[:, 1])
    return _bounded(falls + rises, v[..., 0:1], bound)


def _on_logs(columns: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]):
    """A law that is linear in the log of the loss."""

    def linear(theta, losses, u, bound):
        return np.stack(columns(theta, u), axis=-1), np.log(losses), _ones(losses)

    return linear


def _on_losses(columns: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]):
    """A law that is a sum of terms; residuals count in parts of the loss, as they do in logs."""

    def linear(theta, losses, u, bound):
        return np.stack(columns(theta, u), axis=-1), losses, 1.0 / losses

    return linear


def _on_odds(columns: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]):
    """A bounded law, whose first nonlinear parameter is E as a share of L0."""

    def linear(theta, losses, u, bound):
        response, weights = _odds(losses, theta[0] * bound, bound)
        return np.stack(columns(theta, u), axis=-1), response, weights

    return linear


def _kaplan_linear(theta, losses, u, bound):
    of_n, of_d = theta
    response = losses ** (1.0 / of_d)
    design = np.stack([np.exp(-of_n / of_d * u[:, 0]), np.exp(-u[:, 1])], axis=-1)
    return design, response, of_d / response


def _columns(*values: np.ndarray) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*values), axis=-1)


def _plus_one(u: np.ndarray) -> np.ndarray:
    return np.ones(len(u))


_SHARE = Parameter("E", "share", (-12.0, 12.0))

_ALL = (
    Family(
        "flat", "E", 1, (_coefficient("E"),), _flat_log, _no_grid,
        _on_logs(lambda t, u: [_plus_one(u)]), lambda t, c: c, positive=False,
    ),
    Family(
        "power", "A x^-a", 1, (_coefficient("A"), _exponent("a", FREE_EXPONENT)),
        _power_log, _no_grid,
        _on_logs(lambda t, u: [_plus_one(u), -u[:, 0]]), lambda t, c: c, positive=False,
    ),
    Family(
        "power_floor", "E + A x^-a", 1, (_coefficient("E"), _coefficient("A"), _exponent("a")),
        _floor_log, lambda u: _RATES[:, None],
        _on_losses(lambda t, u: [_plus_one(u), np.exp(-t[0] * u[:, 0])]),
        lambda t, c: _columns(*np.moveaxis(_log(c), -1, 0), t[0]),
    ),
    Family(
        "bounded", "E + (L0 - E) h / (1 + h), h = A x^-a", 1,
        (_SHARE, _coefficient("A"), _exponent("a")),
        _bounded_log, lambda u: _product(_SHARES[::2], _RATES[::2]),
        _on_odds(lambda t, u: [np.exp(-t[1] * u[:, 0])]),
        lambda t, c: _columns(logit(t[0]), _log(c)[..., 0], t[1]),
    ),
    Family(
        "broken", "A x^-a (1 + (x / d)^2)^((a - b) / 2)", 1,
        (_coefficient("A"), _exponent("a", FREE_EXPONENT), _exponent("b", FREE_EXPONENT),
         Parameter("ln d", "plain", None)),
        _broken_log, lambda u: np.linspace(u.min(), u.max(), 13)[1:-1, None],
        _on_logs(lambda t, u: [_plus_one(u), -u[:, 0], -_turn(u[:, 0], t[0])]),
        lambda t, c: _columns(c[..., 0], c[..., 1], c[..., 1] + c[..., 2], t[0]), positive=False,
    ),
    Family(
        "bounded_overfit", "E + (L0 - E) h / (1 + h), h = A x^-a + B x^c", 1,
        (_SHARE, _coefficient("A"), _exponent("a"), _coefficient("B"), _exponent("c")),
        _overfit_log, lambda u: _product(_SHARES[::2], _COARSE[::2], _COARSE[::2]),
        _on_odds(lambda t, u: [np.exp(-t[1] * u[:, 0]), np.exp(t[2] * u[:, 0])]),
        lambda t, c: _columns(logit(t[0]), _log(c)[..., 0], t[1], _log(c)[..., 1], t[2]),
    ),
    Family(
        "flat_surface", "E", 2, (_coefficient("E"),), _flat_log, _no_grid,
        _on_logs(lambda t, u: [_plus_one(u)]), lambda t, c: c, positive=False,
    ),
    Family(
        "power_surface", "A N^-a D^-b", 2,
        (_coefficient("A"), _exponent("a", FREE_EXPONENT), _exponent("b", FREE_EXPONENT)),
        _product_log, _no_grid,
        _on_logs(lambda t, u: [_plus_one(u), -u[:, 0], -u[:, 1]]), lambda t, c: c, positive=False,
    ),
    Family(
        "kaplan", "(A N^(-a/b) + B / D)^b", 2,
        (_coefficient("A"), _exponent("a"), _coefficient("B"), _exponent("b")),
        _kaplan_log, lambda u: _product(_COARSE / 2, _COARSE / 2), _kaplan_linear,
        lambda t, c: _columns(_log(c)[..., 0], t[0], _log(c)[..., 1], t[1]),
    ),
    Family(
        "additive", "E + A N^-a + B D^-b", 2,
        (_coefficient("E"), _coefficient("A"), _exponent("a"), _coefficient("B"), _exponent("b")),
        _additive_log, lambda u: _product(_COARSE, _COARSE),
        _on_losses(
            lambda t, u: [_plus_one(u), np.exp(-t[0] * u[:, 0]), np.exp(-t[1] * u[:, 1])]
        ),
        lambda t, c: _columns(_log(c)[..., 0], _log(c)[..., 1], t[0], _log(c)[..., 2], t[1]),
    ),
    Family(
        "bounded_surface", "E + (L0 - E) h / (1 + h), h = A N^-a + B N^c D^-d", 2,
        (_SHARE, _coefficient("A"), _exponent("a"), _coefficient("B"),
         _exponent("c", (0.0, 5.0)), _exponent("d")),
        _surface_log, lambda u: _product(_SHARES[::2], _COARSE[::3], _COARSE[::3], _COARSE[::3]),
        _on_odds(
            lambda t, u: [np.exp(-t[1] * u[:, 0]), np.exp(t[2] * u[:, 0] - t[3] * u[:, 1])]
        ),
        lambda t, c: _columns(
            logit(t[0]), _log(c)[..., 0], t[1], _log(c)[..., 1], t[2], t[3]
        ),
    ),
)  # fmt: skip

# In the order of their number of parameters, which is the order of simplicity.
FAMILIES = MappingProxyType({family.name: family for family in _ALL})


def available(axes: int, points: int) -> tuple[Family, ...]:
    """The families over `axes` axes that can be fitted to `points` distinct sizes.

    At least one point more than parameters is required; a law that passes through every point is
    not testable. `points` counts the fitted sizes, so one less where the largest is left out.
    """
    return tuple(f for f in _ALL if f.axes == axes and len(f.parameters) < points)
