"""Low-rank updates (LoRA) beside frozen projections."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
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


def quantised_w8(weight: Tensor) -> Tensor:
    """[rows, cols] as GGUF's Q8_0 holds it (groups of 32 along a row, half-precision scales), float32 again."""
    codes = quantize(weight.float().cpu().numpy(), GGMLQuantizationType.Q8_0)
    return torch.from_numpy(dequantize(codes, GGMLQuantizationType.Q8_0)).view_as(weight).to(weight.device)


@torch.no_grad()
def hold_as_shipped(student: nn.Module) -> None:
    """Merges every update into its projection and holds the sum in 8 bits, as Lethe does when it loads a sidecar.

    Projections that Lethe joins by rows (q, k, v; gate, up) all have updates or none, so no other weight is touched.
    """
    for parent in list(student.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LowRankLinear):
                held = nn.Linear(child.base.in_features, child.base.out_features, bias=child.base.bias is not None)
                held.weight.copy_(quantised_w8(child.merged()))
                if child.base.bias is not None:
                    held.bias.copy_(child.base.bias)
                setattr(parent, name, held.requires_grad_(False))


def add_low_rank(layer: nn.Module, names: tuple[str, ...], rank: int, alpha: float, generator: torch.Generator) -> None:
    """Puts an update beside each named projection of a decoder layer."""
    for parent in (layer.self_attn, layer.mlp):
        for name in names:
            if hasattr(parent, name):
                setattr(parent, name, LowRankLinear(getattr(parent, name), rank, alpha, generator))
