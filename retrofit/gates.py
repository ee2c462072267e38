"""The eviction gates: where the decision comes from, how it is softened for training, and attention under it.

Shapes: B sequences, T tokens, H query heads, K key/value heads, D channels a head. The bit computed at token t + 1
decides over token t (`verdicts`). arXiv 2506.05345, sections 3.1 and 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface

ATTENTION = "dms_gated"


def row_block(device: torch.device) -> int:
    """Query rows that are scored together: keys after the block are never multiplied. A GPU wants larger products."""
    return 256 if device.type == "cpu" else 1024


@dataclass(frozen=True)
class DmsSettings:
    window: int
    scale: float = 100.0
    offset: float = 5.0
    tau: float = 0.1


class EvictionGate(nn.Module):
    """Variant B: a norm of its own and a linear map from the residual stream to one logit a KV head."""

    def __init__(self, hidden: int, heads: int, eps: float):
        super().__init__()
        self.norm = nn.Parameter(torch.ones(hidden))
        self.weight = nn.Parameter(torch.zeros(heads, hidden))
        self.eps = eps

    def forward(self, x: Tensor, scale: float, offset: Tensor | float) -> Tensor:
        """x [B, T, hidden], the residual stream before `input_layernorm`; returns logits [B, K, T], float32."""
        x = x.float()
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.norm
        return (F.linear(x, self.weight) * scale - offset).transpose(1, 2)


def verdicts(per_token: Tensor, empty: float) -> Tensor:
    """Moves what token t + 1 says to token t, which it is about; the last token's fate is open. [..., T] -> [..., T]"""
    return F.pad(per_token[..., 1:], (0, 1), value=empty)


def soft_gate(logits: Tensor, noise: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """Training's decision. Returns (what attention adds to the scores of far keys [B, K, T], bits [B, K, T]).

    The bits are hard, with the sigmoid's gradient (straight through); attention sees logsigmoid(-z).
    """
    z = (logits + noise) / tau
    soft = torch.sigmoid(z)
    bits = (z > 0).to(soft.dtype) + soft - soft.detach()
    return verdicts(F.logsigmoid(-z), 0.0), bits


def hard_gate(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The decision as it is served: 0 or minus infinity for far keys [B, K, T], and bits [B, K, T]."""
    bits = (logits > 0).to(logits.dtype)
    return torch.zeros_like(bits).masked_fill(verdicts(bits, 0.0) > 0, float("-inf")), bits


def logistic_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Gumbel minus Gumbel, drawn on the CPU so that every device trains on the same noise."""
    u = torch.rand(shape, generator=generator).clamp(1e-6, 1 - 1e-6)
    return torch.log(u) - torch.log1p(-u)


def gated_attention(module, query, key, value, attention_mask=None, scaling=None, gate=None, window=0, **_):
    """Causal attention that adds `gate` [B, K, N] to the scores of keys more than `window` tokens back.

    query [B, H, T, D] of the newest T tokens, key and value [B, K, N, D]; returns [B, T, H, D] for
    `transformers`.
    """
    b, h, t, d = query.shape
    heads = key.shape[1]
    rows = query.view(b, heads, h // heads, t, d)
    before = key.shape[2] - t
    positions = torch.arange(key.shape[2], device=query.device)
    step = row_block(query.device)
    out = []
    for start in range(0, t, step):
        end = min(start + step, t)
        seen = before + end
        block = rows[:, :, :, start:end].reshape(b, heads, -1, d)
        scores = block @ key[:, :, :seen].transpose(-1, -2) * scaling
        scores = scores.view(b, heads, h // heads, end - start, seen)
        back = positions[before + start : seen, None] - positions[None, :seen]
        if gate is not None and seen > window + 1:
            scores = scores + torch.where(back > window, gate[:, :, None, None, :seen].to(scores.dtype), 0.0)
        weights = torch.softmax(scores.masked_fill(back < 0, float("-inf")), -1, dtype=torch.float32).to(value.dtype)
        part = weights.view(b, heads, -1, seen) @ value[:, :, :seen]
        out.append(part.view(b, h, end - start, d))
    return torch.cat(out, 2).transpose(1, 2), None


AttentionInterface.register(ATTENTION, gated_attention)
