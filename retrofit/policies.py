"""What the measurements compare with: the untouched base, read whole or under an eviction rule that needs no training.

Every rule here is a way to attend. Shapes: B sequences, T tokens, H query heads, K key/value heads, D channels a head;
query [B, H, T, D], key and value [B, K, T, D], result [B, H, T, D]. A budget is the most entries that a query attends
over, itself included, in every layer and head.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from .base import begin, sharing_weights
from .gates import row_block

SINKS = 4
"""First tokens that the window rule keeps for ever (arXiv 2309.17453 uses four)."""

POLICY, SERVED = "policy", "dms_served"


def dense(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """Causal attention over everything."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)


def forgetting(query: Tensor, key: Tensor, value: Tensor, scaling: float, kept: Tensor, window: int) -> Tensor:
    """Causal attention where a key more than `window` tokens back is seen only if kept [B, K, T] says so.

    What `gates.gated_attention` computes with a hard gate, without the scores that its training needs.
    """
    group = query.shape[1] // key.shape[1]
    positions = torch.arange(query.shape[2], device=query.device)
    step = row_block(query.device)
    out = []
    for start in range(0, len(positions), step):
        end = min(start + step, len(positions))
        back = positions[start:end, None] - positions[:end]
        seen = (back >= 0) & ((back <= window) | kept[:, :, None, :end])
        seen = torch.zeros(seen.shape, dtype=query.dtype, device=query.device).masked_fill(~seen, float("-inf"))
        rows, keys, values = query[:, :, start:end], key[:, :, :end], value[:, :, :end]
        seen = seen.repeat_interleave(group, 1)
        out.append(F.scaled_dot_product_attention(rows, keys, values, seen, scale=scaling, enable_gqa=True))
    return torch.cat(out, 2)


def recent(budget: int) -> Callable:
    """The first `SINKS` tokens and the newest; positions stay the original ones."""
    if budget <= SINKS:
        raise ValueError(f"A budget of {budget} has no room beside {SINKS} first tokens.")
    # A token and the `window` before it are `window + 1` recent ones.
    window = budget - SINKS - 1

    def attend(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        kept = torch.arange(key.shape[2], device=key.device).expand(key.shape[:3]) < SINKS
        return forgetting(query, key, value, scaling, kept, window)

    return attend


def tova(budget: int) -> Callable:
    """TOVA (arXiv 2401.06104), token by token: a layer with `budget` entries loses the one that the newest query, by
    the mean over all its heads, attends to least. The newest entry is not exempt.
    """
    if budget < 2:
        raise ValueError(f"TOVA needs a budget of 2 or more, not {budget}.")

    def attend(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        batch, heads, tokens, channels = query.shape
        count = min(budget, tokens)
        out = torch.empty_like(query)
        # Nothing is lost before the cache is full, so its first `count` queries are read at once.
        out[:, :, :count] = dense(query[:, :, :count], key[:, :, :count], value[:, :, :count], scaling)
        grouped = (query * scaling).view(batch, key.shape[1], -1, tokens, channels)
        grouped_out = out.view(grouped.shape)
        keys, values = key[:, :, :count].clone(), value[:, :, :count].clone()
        rows = torch.arange(batch, device=query.device)
        with one_thread():
            for newest in range(count - 1, tokens):
                weights = torch.softmax(grouped[:, :, :, newest] @ keys.transpose(-1, -2), -1)
                grouped_out[:, :, :, newest] = weights @ values
                if newest + 1 < tokens:
                    victim = weights.sum((1, 2)).argmin(-1)
                    keys[rows, :, victim] = key[:, :, newest + 1]
                    values[rows, :, victim] = value[:, :, newest + 1]
        return out

    return attend


@contextmanager
def one_thread():
    """For loops of products so small that threads wait for one another longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def served_attention(module, query, key, value, attention_mask=None, scaling=None, gate=None, window=0, **_):
    """A student's attention as it is served: `gate` [B, K, T] is 0 or minus infinity. Returns [B, T, H, D]."""
    return forgetting(query, key, value, scaling, gate == 0, window).transpose(1, 2), None


def policy_attention(module, query, key, value, attention_mask=None, scaling=None, attend=dense, **_):
    """`transformers` calls this; `attend` comes from the caller of the layer. Returns [B, T, H, D]."""
    return attend(query, key, value, scaling).transpose(1, 2), None


AttentionInterface.register(POLICY, policy_attention)
AttentionInterface.register(SERVED, served_attention)


class BaseReader:
    """The base, its weights shared and untouched, read under a rule of this file."""

    def __init__(self, base):
        self.model = sharing_weights(base, POLICY)
        self.run_dense = _run_layer

    def compile(self) -> None:
        """Compiles the layer for dense reading, once for all layers."""
        self.run_dense = torch.compile(_run_layer, dynamic=False)

    @torch.no_grad()
    def __call__(self, ids: Tensor, attend: Callable = dense) -> Tensor:
        """ids [B, T] -> last hidden states [B, T, hidden], normed."""
        body = self.model.model
        x, rotary = begin(body, ids)
        run = self.run_dense if attend is dense else _run_layer
        for layer in body.layers:
            x = run(layer, x, rotary, attend)
        return body.norm(x)


def _run_layer(layer, x, rotary, attend):
    return layer(x, position_embeddings=rotary, attend=attend)
