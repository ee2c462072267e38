"""Low-rank updates (LoRA) beside frozen projections."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ATTENTION_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")
FEED_FORWARD_PROJECTIONS = ("gate_proj", "up_proj", "down_proj")
TARGETS = {
    "attention": ATTENTION_PROJECTIONS,
    "all": ATTENTION_PROJECTIONS + FEED_FORWARD_PROJECTIONS,
}


class LowRankLinear(nn.Module):
    """y = x W' with W' = W + (alpha / rank) B A; A [rank, in] starts small and random, B [out, rank] at zero."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float, generator: torch.Generator):
        super().__init__()
        self.base = base
        self.gain = alpha / rank
        bound = 1 / math.sqrt(base.in_features)
        start = (torch.rand(rank, base.in_features, generator=generator) * 2 - 1) * bound
        self.lora_A = nn.Parameter(start)
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(F.linear(x, self.lora_A.to(x.dtype)), self.lora_B.to(x.dtype))
        return self.base(x) + self.gain * low

    @torch.no_grad()
    def merged(self) -> Tensor:
        """W' [out, in], float32."""
        return self.base.weight.float() + self.gain * (self.lora_B @ self.lora_A)


def add_low_rank(layer: nn.Module, names: tuple[str, ...], rank: int, alpha: float, generator: torch.Generator) -> None:
    """Puts an update beside each named projection of a decoder layer."""
    for parent in (layer.self_attn, layer.mlp):
        for name in names:
            if hasattr(parent, name):
                setattr(parent, name, LowRankLinear(getattr(parent, name), rank, alpha, generator))
