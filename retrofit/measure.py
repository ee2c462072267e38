"""What is computed from hidden states and bits: live tokens, how far two readings lie apart, and summaries."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 128
"""Positions whose logits are held at a time; 128 rows of 49,152 floats are 25 MB."""


def visible_keys(bits: Tensor, window: int) -> Tensor:
    """Keys that each query sees. Hard bits [layers, ..., K, T] -> the same shape, integers.

    Key j is dead for query i if i - j > window and the bit of token j + 1 is set.
    """
    tokens = bits.shape[-1]
    flagged = bits.long().clone()
    flagged[..., 0] = 0  # The first bit is about no token.
    dead = F.pad(flagged.cumsum(-1), (window, 0))[..., :tokens]
    return torch.arange(1, tokens + 1, device=bits.device) - dead


def live_tokens(bits: Tensor, window: int) -> Tensor:
    """Keys that each query sees, mean over layers and heads. Hard bits [layers, ..., K, T] -> [..., T]."""
    return visible_keys(bits, window).float().mean((0, -2))


def capped_tokens(tokens: int, budget: int) -> Tensor:
    """Keys that each query sees under a budget [T]."""
    return torch.arange(1, tokens + 1).clamp(max=budget).float()


def budget_for(live: float, tokens: int, queries: slice) -> int:
    """The budget at which `queries` see, in the mean, nearest to `live` keys."""
    low, high = 1, tokens
    mean = lambda budget: capped_tokens(tokens, budget)[queries].mean().item()
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if mean(middle) >= live else (middle + 1, high)
    return low - 1 if low > 1 and live - mean(low - 1) < mean(low) - live else low


def second_half(tokens: int) -> slice:
    """Queries that are measured: those past the middle that have a next token to foretell."""
    return slice(tokens // 2, tokens - 1)


@torch.no_grad()
def compare(base: Tensor, other: Tensor, head: Tensor, targets: Tensor) -> dict[str, float]:
    """Two readings of N positions: hidden states [N, hidden], head [vocab, hidden], next tokens [N].

    Returns means over positions: negative log-likelihoods and KL(base || other) in nats, and top-1 agreement.
    """
    sums = torch.zeros(4, dtype=torch.float64)
    for start in range(0, len(targets), ROWS):
        part = slice(start, start + ROWS)
        ours, theirs = (F.log_softmax(F.linear(x[part], head).float(), -1) for x in (base, other))
        wanted = targets[part, None]
        sums += torch.stack([
            -ours.gather(-1, wanted).sum(),
            -theirs.gather(-1, wanted).sum(),
            F.kl_div(theirs, ours, log_target=True, reduction="sum"),
            (ours.argmax(-1) == theirs.argmax(-1)).sum(),
        ]).cpu().double()  # fmt: skip
    return dict(zip(("nll_dense", "nll", "kl", "top1"), (sums / len(targets)).tolist()))


def summary(rows: list[dict]) -> dict[str, float]:
    """Means over the windows of one configuration, and the paired change in perplexity with its standard error (%)."""
    mean = lambda key: fmean(row[key] for row in rows)
    changes = [row["nll"] - row["nll_dense"] for row in rows]
    ratio = math.exp(fmean(changes))
    error = stdev(changes) / math.sqrt(len(changes)) if len(changes) > 1 else None
    return {
        "windows": len(rows),
        "seen": mean("seen"),
        "live": mean("live"),
        "ratio": mean("seen") / mean("live"),
        "perplexity_dense": math.exp(mean("nll_dense")),
        "perplexity": math.exp(mean("nll")),
        "change_percent": 100 * (ratio - 1),
        # By the delta rule: the error of a mean of logarithms, carried over to their exponential.
        "change_error": None if error is None else 100 * ratio * error,
        "kl": mean("kl"),
        "top1": mean("top1"),
    }


def offset_at(ratio: float, curve: list[tuple[float, float]]) -> float:
    """The offset at which a curve of (offset, ratio) reaches `ratio`; the logarithm of the ratio is taken as straight
    between neighbours. Outside the curve, its nearest end.
    """
    curve = sorted(curve)
    for (left, high), (right, low) in zip(curve, curve[1:]):
        if min(high, low) <= ratio <= max(high, low):
            share = 0.0 if high == low else math.log(high / ratio) / math.log(high / low)
            return left + share * (right - left)
    return min(curve, key=lambda point: abs(math.log(point[1] / ratio)))[0]
