"""Shapes that meet a parameter budget exactly.

Depth and feed-forward ratio fix how a model is proportioned; the width is solved so that the
encoder takes what embedding and head leave of the budget at the widest tier. Along the feature
axis the encoder then stays the same, to the layer: only the rank (R in mixing mode, K in
independent mode) gives way, so that features and parameters are two axes and not one.
"""

from dataclasses import replace
from typing import Any

from mlxts import protocol
from mlxts.config.model import ModelConfig
from mlxts.errors import BudgetError
from mlxts.model.patchtst import Counts, Shape

# Layers at each budget: depth grows slower than width, near the aspect ratios of the
# published PatchTST and GPT ladders (D / depth between 12 and 85).
_DEPTH = {
    "0.02M": 2, "0.06M": 2, "0.2M": 3, "0.6M": 3, "2M": 4,
    "6M": 5, "20M": 6, "60M": 10, "200M": 16,
}  # fmt: skip
_WIDEST_TIER = protocol.TIERS[-1]
_RANK_SHARE = 8  # the rank is D / 8 at the widest tier


def count(shape: Shape) -> Counts:
    """Trainable parameters of `shape`, in closed form (the built model agrees, see its tests)."""
    D, F, K = shape.d_model, shape.features, shape.rank
    attention = 4 * D * D + 4 * D
    feed_forward = 2 * D * shape.ffn_dim + shape.ffn_dim + D
    closing = 2 * D if shape.head == "flatten" else 0
    body = shape.depth * (attention + feed_forward + 4 * D) + closing
    embed = (shape.patches + shape.assets) * D + (2 * F if shape.revin_affine else 0) + D
    if shape.channels == "mixing":
        embed += F * K + K + K * shape.patch_length * D
        head = shape.pooled + 1
    else:
        embed += shape.patch_length * D
        head = shape.pooled * K + K + F * K + 1
    if shape.last_bar:
        head += (F + shape.last_bar + 2) * K
    return Counts(body, embed, head + (2 * F if shape.statistics_to_head else 0))


def solve(budget: str, features: int, model: ModelConfig | None = None, assets: int = 0) -> Shape:
    """The shape whose trainable parameters meet `budget` at `features` inputs.

        model = mlxts.PatchTST(mlxts.parameter_budget.solve("2M", features=20))

    Args:
        budget: a name in `protocol.BUDGETS`.
        features: F, the model's inputs.
        model: channel mode, patches and RevIN; depth, heads and ffn_ratio where they are fixed;
            None: the protocol's.
        assets: that the model has vectors for, see `ExperimentConfig.assets`.

    Raises:
        BudgetError: no such budget; or no shape comes within 1 % (a tiny one with too many
            features, say).
    """
    if budget not in protocol.BUDGETS:
        raise BudgetError(f"budget: {budget} is none of {', '.join(protocol.BUDGETS)}")
    target = protocol.BUDGETS[budget].parameters
    model = model or ModelConfig()
    depth = model.depth or _DEPTH[budget]
    best: Shape | None = None
    for d_model, heads in _widths(target, depth, model.heads):
        shape = _at_width(target, d_model, depth, heads, features, model, assets)
        if shape and (
            best is None or _badness(shape, target, model) < _badness(best, target, model)
        ):
            best = shape
    if best is None or not within(best, target):
        raise BudgetError(
            f"no {budget} model reads {features} features with depth {depth}; "
            "choose a larger budget, a smaller tier, or another model.depth / model.ffn_ratio"
        )
    return best


def within(shape: Shape, target: int) -> bool:
    """Whether the shape's own count lies within the protocol's tolerance of `target`."""
    return abs(count(shape).total / target - 1) <= protocol.BUDGET_TOLERANCE


def table(shape: Shape) -> dict[str, Any]:
    """The parameter table that is printed before training: N_body, N_embed, N_head, N_total."""
    counts = count(shape)
    return {
        "n_total": counts.total,
        "n_body": counts.body,
        "n_embed": counts.embed,
        "n_head": counts.head,
    }


def _widths(target: int, depth: int, heads: int | None) -> list[tuple[int, int]]:
    """(D, H) to try. Without given heads, a head is 16, 32 or 64 wide by model size."""
    widest = int((target / (4 * depth)) ** 0.5)
    if heads is not None:
        return [(width, heads) for width in range(heads, widest + 1, heads) if width % 2 == 0]
    head = 64 if target > 10_000_000 else 32 if target > 1_000_000 else 8
    return [(width, width // head) for width in range(head, widest + 1, head)]


def _at_width(
    target: int,
    d_model: int,
    depth: int,
    heads: int,
    features: int,
    model: ModelConfig,
    assets: int,
) -> Shape | None:
    """The best shape of one width, or None where the encoder alone would be too big."""
    shape = Shape(
        channels=model.channels,
        features=_WIDEST_TIER,
        context=model.context,
        patch_length=model.patch_length,
        stride=model.stride,
        d_model=d_model,
        depth=depth,
        heads=heads,
        ffn_dim=1,
        rank=max(1, d_model // _RANK_SHARE),
        dropout=model.dropout,
        head_dropout=model.head_dropout,
        revin=model.revin.enabled,
        revin_affine=model.revin.affine,
        revin_subtract_last=model.revin.subtract_last,
        statistics_to_head=model.revin.statistics_to_head,
        norm=model.norm,
        res_attention=model.res_attention,
        head=model.head,
        assets=assets,
        last_bar=model.last_bar_columns,
    )
    # The encoder is fixed at the widest tier, whatever `features` is.
    per_unit = depth * (2 * d_model + 1)
    quantum = _ffn_quantum(target)
    without_ffn = count(shape).total - per_unit
    ffn_dim = quantum * round((target - without_ffn) / (per_unit * quantum))
    if ffn_dim < 1:
        return None
    shape = replace(shape, ffn_dim=ffn_dim, features=features, rank=1)
    per_rank = count(replace(shape, rank=2)).total - count(shape).total
    without_rank = count(shape).total - per_rank
    shape = replace(shape, rank=max(1, round((target - without_rank) / per_rank)))
    if quantum > 1:
        return shape
    # One step of a tiny model's rank is a large share of it: feed-forward units take up the rest.
    remainder = round((target - count(shape).total) / per_unit)
    return replace(shape, ffn_dim=max(1, ffn_dim + remainder))


def _ffn_quantum(target: int) -> int:
    """Multiples of feed-forward units that suit matrix units, as far as the tolerance allows."""
    return 16 if target > 10_000_000 else 8 if target > 1_000_000 else 1


def _badness(shape: Shape, target: int, model: ModelConfig) -> tuple[bool, float]:
    """Within the budget first, then nearest to the wanted feed-forward ratio."""
    return not within(shape, target), abs(shape.ffn_dim / shape.d_model - model.ffn_ratio)
