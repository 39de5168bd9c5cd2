"""The same PatchTST in PyTorch, with the idioms that are fast there.

Fused QKV, `scaled_dot_product_attention`, one `layer_norm` call, exact GELU, AdamW in its fused
form, `set_to_none`; windows are gathered from a tensor by index, as ours are.
"""

from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from contenders import case as given


class Layer(nn.Module):
    """Pre-norm encoder layer; dropout on the attention's output, hidden units and output."""

    def __init__(self, d_model: int, heads: int, ffn_dim: int, rate: float):
        super().__init__()
        self.heads, self.rate = heads, rate
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv, self.out = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.ffn_up, self.ffn_down = nn.Linear(d_model, ffn_dim), nn.Linear(ffn_dim, d_model)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(S, P, D) -> (S, P, D)."""
        S, P, D = x.shape
        qkv = self.qkv(self.norm1(x)).view(S, P, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(S, P, D)
        x = x + F.dropout(self.out(mixed), self.rate)
        hidden = F.dropout(F.gelu(self.ffn_up(self.norm2(x))), self.rate)
        return x + F.dropout(self.ffn_down(hidden), self.rate)


class PatchTST(nn.Module):
    """Both channel modes, from the record of our `Shape`."""

    def __init__(self, shape: dict[str, Any]):
        super().__init__()
        self.shape = shape
        P = (shape["context"] - shape["patch_length"]) // shape["stride"] + 1
        D, K, self.features = shape["d_model"], shape["rank"], shape["features"]
        self.mixing = shape["channels"] == "mixing"
        if self.mixing:
            self.input_proj = nn.Linear(self.features, K)
            self.embed = nn.Linear(K * shape["patch_length"], D)
        else:
            self.embed = nn.Linear(shape["patch_length"], D)
            self.head_down = nn.Linear(P * D, K)
        self.position = nn.Parameter(torch.zeros(P, D))
        self.layers = nn.ModuleList(
            Layer(D, shape["heads"], shape["ffn_dim"], shape["dropout"])
            for _ in range(shape["depth"])
        )
        self.norm = nn.LayerNorm(D)
        self.head = nn.Linear(P * D if self.mixing else self.features * K, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, F) -> (B,)."""
        B = x.shape[0]
        mean = x.mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt((x - mean).square().mean(1, keepdim=True) + 1e-5)
        if self.mixing:
            x = self.input_proj(x)
        tokens = x.unfold(1, self.shape["patch_length"], self.shape["stride"])  # (B, P, C, L)
        if self.mixing:
            tokens = tokens.transpose(2, 3).flatten(2)
        else:
            tokens = tokens.transpose(1, 2).flatten(0, 1)
        x = F.dropout(self.embed(tokens) + self.position, self.shape["dropout"])
        for layer in self.layers:
            x = layer(x)
        flat = self.norm(x).flatten(1)
        if not self.mixing:
            flat = self.head_down(flat).reshape(B, -1)
        return self.head(flat).squeeze(-1)

    def load(self, ours: dict[str, np.ndarray]) -> None:
        """Copy our parameters; our dense weights are (in, out), PyTorch's (out, in)."""
        with torch.no_grad():
            for name, value in self.named_parameters():
                value.copy_(torch.from_numpy(as_ours(name, ours)))


def as_ours(name: str, ours: dict[str, np.ndarray]) -> np.ndarray:
    """The array among ours that belongs to a PyTorch parameter, in PyTorch's layout."""
    path = f"encoder.{name}" if name.startswith(("layers.", "norm.")) else name
    path = path.replace(".qkv.", ".attention.qkv.").replace(".out.", ".attention.out.")
    return ours[path].T if ours[path].ndim == 2 and name != "position" else ours[path]


class Torch:
    """See `case.Contender`. `compiled` uses torch.compile on the model."""

    def __init__(self, case: given.Case, shape: dict[str, Any], *, compiled: bool = False):
        torch.manual_seed(0)
        self._data = given.data(case)
        self._features = torch.from_numpy(self._data.features)
        self._context = torch.arange(1 - shape["context"], 1)
        self.model = self._build(shape)
        self._forward = torch.compile(self.model) if compiled else self.model
        parameters = list(self.model.named_parameters())
        matrices = [p for name, p in parameters if p.ndim > 1 and name != "position"]
        others = [p for name, p in parameters if p.ndim < 2 or name == "position"]
        self._parameters = matrices + others
        self._optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": given.WEIGHT_DECAY},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=given.LEARNING_RATE,
            betas=given.BETAS,
            fused=True,
        )

    def _build(self, shape: dict[str, Any]) -> nn.Module:
        return PatchTST(shape)

    def _loss(self, index: int) -> torch.Tensor:
        chosen = self._data.batches[index % len(self._data.batches)]
        rows = torch.from_numpy(chosen).long()
        outputs = self._forward(self._features[rows[:, None] + self._context])
        targets = torch.from_numpy(self._data.targets[chosen])
        return F.binary_cross_entropy_with_logits(outputs, targets)

    def step(self, index: int) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        self._loss(index).backward()
        nn.utils.clip_grad_norm_(self._parameters, given.CLIP)
        self._optimizer.step()

    def differences(
        self, loss: float, parameters: dict[str, np.ndarray], gradients: dict[str, np.ndarray]
    ) -> tuple[float, float]:
        """Relative differences of the loss and of the gradient, tensor by tensor the largest."""
        self.model.load(parameters)
        found = self._loss(0)
        found.backward()
        theirs = {name: value.grad.numpy() for name, value in self.model.named_parameters()}
        apart = given.gradient_difference({n: as_ours(n, gradients) for n in theirs}, theirs)
        self.model.zero_grad(set_to_none=True)
        return abs(loss - found.item()) / abs(found.item()), apart

    def peak(self) -> float:
        left, right = torch.randn(2, 2048, 2048)
        return given.best_gflops(lambda: left @ right, 2048)
