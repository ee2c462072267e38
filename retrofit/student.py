"""The student: the base with gates (and low-rank updates) beside it, run layer by layer under them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache

from .base import begin, sharing_weights
from .gates import ATTENTION, DmsSettings, EvictionGate, hard_gate, logistic_noise, soft_gate
from .low_rank import TARGETS, LowRankLinear, add_low_rank


class Student(nn.Module):
    """Shares the base's frozen weights; only what is trained is its own."""

    def __init__(
        self, base, settings: DmsSettings, rank: int = 0, alpha: float = 16.0, targets: str = "all", seed: int = 0
    ):
        super().__init__()
        self.model = sharing_weights(base, ATTENTION)
        self.model.requires_grad_(False)
        self.settings = settings
        self.rank, self.alpha = rank, alpha
        config = base.config
        generator = torch.Generator().manual_seed(seed)
        for layer in self.model.model.layers:
            if rank > 0:
                add_low_rank(layer, TARGETS[targets], rank, alpha, generator)
            layer.eviction = EvictionGate(config.hidden_size, config.num_key_value_heads, config.rms_norm_eps)
        self.run_layer = _run_layer
        self.recompute = False
        """True keeps only each layer's input for the backward pass, and computes the layer twice."""

    def compile(self) -> None:
        """Compiles the layer, once for all layers."""
        self.run_layer = torch.compile(_run_layer, dynamic=False)

    def gates(self) -> list[nn.Parameter]:
        return [p for layer in self.model.model.layers for p in layer.eviction.parameters()]

    def updates(self) -> list[nn.Parameter]:
        modules = [m for m in self.model.modules() if isinstance(m, LowRankLinear)]
        return [p for m in modules for p in (m.lora_A, m.lora_B)]

    def forward(self, ids: Tensor, offset: float | None = None, noise: torch.Generator | None = None):
        """ids [B, T]. With `noise` the gates are soft (training), without they are as served.

        Returns the last hidden states [B, T, hidden], normed, and the bits [layers, B, K, T].
        """
        s = self.settings if offset is None else replace(self.settings, offset=offset)
        body = self.model.model
        x, rotary = begin(body, ids)
        heads = self.model.config.num_key_value_heads
        at = torch.tensor(s.offset, device=ids.device)
        bits = []
        for layer in body.layers:
            draw = None
            if noise is not None:
                draw = logistic_noise((ids.shape[0], heads, ids.shape[1]), noise).to(ids.device)
            given = (layer, x, rotary, (s.scale, at, s.tau, s.window), draw)
            if self.recompute and noise is not None:
                x, decided = checkpoint(self.run_layer, *given, use_reentrant=False)
            else:
                x, decided = self.run_layer(*given)
            bits.append(decided)
        return body.norm(x), torch.stack(bits)


def _run_layer(layer, x, rotary, settings, noise):
    scale, offset, tau, window = settings
    logits = layer.eviction(x, scale, offset)
    gate, bits = hard_gate(logits) if noise is None else soft_gate(logits, noise, tau)
    return layer(x, position_embeddings=rotary, gate=gate, window=window), bits


class Past:
    """What a student has read so far: every key and every bit. Nothing is dropped; the gate hides what is forgotten."""

    def __init__(self, layers: int):
        self.cache = DynamicCache()
        self.logits: list[Tensor | None] = [None] * layers
        self.count = 0


@torch.no_grad()
def read_on(student: Student, ids: Tensor, past: Past) -> tuple[Tensor, Tensor]:
    """Reads ids [B, T] after `past`, gates as served. Returns hidden states [B, T, hidden] and all bits so far."""
    s, body = student.settings, student.model.model
    x, rotary = begin(body, ids, past.count)
    bits = []
    for index, layer in enumerate(body.layers):
        new = layer.eviction(x, s.scale, s.offset)
        known = past.logits[index]
        past.logits[index] = new if known is None else torch.cat([known, new], -1)
        gate, decided = hard_gate(past.logits[index])
        bits.append(decided)
        x = layer(x, position_embeddings=rotary, past_key_values=past.cache, gate=gate, window=s.window)
    past.count += ids.shape[1]
    return body.norm(x), torch.stack(bits)
