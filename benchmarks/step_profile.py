"""Where the time of a training step goes.

Each piece of the step is compiled alone, with its gradient, at the sizes it has in the step, and
timed in turns with the whole step in one process; its share is the processor time of one call,
times how often the step does it, over the whole step's. Pieces alone keep their data nearer than
in the step and are not fused with their neighbours, so the rest is what is left either way.
"""

from collections.abc import Callable, Iterator
from time import process_time
from typing import Any, NamedTuple

from harness import Benchmark, Picture, fresh, main

CASES = (("2M", "independent", 8), ("2M", "mixing", 64), ("20M", "mixing", 64),
         ("200M", "mixing", 16))  # fmt: skip
QUICK = CASES[:1]
FEATURES = 20


class Piece(NamedTuple):
    name: str
    times: int  # in one step
    run: Callable[[], Any]


def profile(budget: str, channels: str, batch: int, turns: int) -> list[dict[str, Any]]:
    """The rows of one case."""
    from contenders.case import Case
    from contenders.ours import Ours

    ours = Ours(Case(budget, channels, FEATURES, batch), 0.5)
    taken = iter(range(10**6))
    whole = Piece("whole step", 1, lambda: ours.step(next(taken)))
    found = [whole, *pieces(ours, batch)]
    best = dict.fromkeys((piece.name for piece in found), float("inf"))
    for piece in found:
        piece.run()  # compiles
        piece.run()
    for _ in range(turns):
        for piece in found:
            began = process_time()
            piece.run()
            best[piece.name] = min(best[piece.name], process_time() - began)
    seconds = {piece.name: piece.times * best[piece.name] for piece in found}
    total = seconds["whole step"]
    seconds["rest"] = total - sum(seconds.values()) + total
    return [
        {"model": f"{budget} {channels} B{batch}", "piece": name, "seconds": taken_by,
         "share": taken_by / total}
        for name, taken_by in seconds.items()
    ]  # fmt: skip


def pieces(ours: Any, batch: int) -> Iterator[Piece]:
    """Forward and backward of what the encoder repeats, and what a step does once."""
    import mlx.core as mx
    import mlx.nn as nn
    import numpy as np

    from mlxts import transfer
    from mlxts.config.training import TrainingConfig
    from mlxts.model.layers import Dense, LayerNorm, dropout
    from mlxts.training.step import clip, make_optimizer, windows

    shape, rng = ours.shape, np.random.default_rng(0)
    S, P, D, H = batch * shape.sequences, shape.patches, shape.d_model, shape.heads

    def drawn(*sizes: int) -> mx.array:
        return mx.array(rng.standard_normal(sizes, dtype=np.float32))

    def both_ways(function: Callable[..., mx.array], *inputs: Any) -> Callable[[], None]:
        """`function` and its gradients by every input, compiled."""
        cotangent = drawn(*function(*inputs).shape)
        flow = mx.compile(lambda *given: mx.vjp(function, list(given), [cotangent]))
        return lambda: transfer.evaluate(flow(*inputs))

    wide, narrow = drawn(S, P, shape.ffn_dim), drawn(S, P, D)
    keys = mx.array(rng.integers(0, 2**32, (batch, 2), dtype=np.uint32))
    for name, x, outputs in (
        ("products: queries, keys, values", narrow, 3 * D),
        ("products: attention's output", narrow, D),
        ("products: ffn_up", narrow, shape.ffn_dim),
        ("products: ffn_down", wide, D),
    ):
        weight, bias = Dense(x.shape[-1], outputs, rng).weight, drawn(outputs)
        run = both_ways(lambda x, w, b: mx.addmm(b, x, w), x, weight, bias)
        yield Piece(name, shape.depth, run)
    q, k, v = (drawn(S, H, P, D // H) for _ in range(3))
    yield Piece(
        "attention core",
        shape.depth,
        both_ways(
            lambda q, k, v: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.2), q, k, v
        ),
    )
    norm = LayerNorm(D)
    yield Piece("layer norm", 2 * shape.depth + 1, both_ways(norm, narrow))
    yield Piece("GELU", shape.depth, both_ways(nn.gelu, wide))
    yield Piece(
        "dropout, feed-forward", shape.depth, both_ways(lambda x: dropout(x, 0.5, keys), wide)
    )
    yield Piece(
        "dropout, residual branches",
        2 * shape.depth + 1,
        both_ways(lambda x: dropout(x, 0.5, keys), narrow),
    )

    gradients = ours.model.trainable_parameters()
    norm_of = mx.compile(lambda tree: clip(tree, 1.0)[1])
    yield Piece("gradient norm", 1, lambda: transfer.evaluate(norm_of(gradients)))
    optimizer = make_optimizer(TrainingConfig())
    optimizer.init(gradients)
    state = [optimizer.state]

    step = mx.compile(optimizer.apply_gradients, inputs=state, outputs=state)
    adamw = lambda: transfer.evaluate(step(gradients, gradients), optimizer.state)  # noqa: E731
    yield Piece("AdamW", 1, adamw)
    features, rows = drawn(4000, FEATURES), mx.arange(100, 100 + batch)
    yield Piece("gather", 1, lambda: transfer.evaluate(windows(features, rows, shape.context)))


def measure(quick: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for budget, channels, batch in QUICK if quick else CASES:
        case = {
            "budget": budget,
            "channels": channels,
            "batch": batch,
            "turns": 5 if quick else 12,
        }
        one = {"MLXTS_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        rows += fresh(__file__, case, one)
    return rows


BENCHMARK = Benchmark(
    name="step_profile",
    question="Where does the time of a training step go?",
    measure=measure,
    columns={
        "model": "model",
        "piece": "piece",
        "seconds": "CPU s|.4f",
        "share": "of the step|.1%",
    },
    picture=Picture("bars", ("model", "piece"), "share"),
    notes=(
        "One thread, float32, dropout 0.5, 20 features; each piece forward and backward, alone.",
        "rest: residual sums, permutations of heads, embedding, head, loss, MLX's overhead a call.",
    ),
    case=profile,
)

if __name__ == "__main__":
    main(BENCHMARK)
