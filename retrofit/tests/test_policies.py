"""The untrained rules against masks written out the slow way."""

from __future__ import annotations

import pytest
import torch

from retrofit.gates import gated_attention, hard_gate
from retrofit.policies import SINKS, BaseReader, dense, recent, served_attention, tova
from retrofit.tests.conftest import tiny_model


def drawn(tokens: int, batch: int = 2, seed: int = 0):
    """query [B, 6, T, 8], key and value [B, 2, T, 8]; double precision, so that no tie is decided by rounding."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda heads: torch.randn(batch, heads, tokens, 8, generator=generator, dtype=torch.float64)
    return draw(6) * 2, draw(2), draw(2)


def masked(query, key, value, allowed):
    """allowed [B, K, T, T] or what broadcasts to it; every key/value head serves three query heads."""
    key, value = key.repeat_interleave(3, 1), value.repeat_interleave(3, 1)
    scores = query @ key.transpose(-1, -2) * 0.3
    allowed = allowed.expand(key.shape[0], 2, *allowed.shape[-2:]).repeat_interleave(3, 1)
    return scores.masked_fill(~allowed, float("-inf")).softmax(-1) @ value


def naive_tova(query, key, value, budget):
    """Row by row over the whole sequence: a lost key is masked for all later queries."""
    batch, _, tokens, _ = query.shape
    alive = torch.ones(batch, tokens, dtype=torch.bool)
    allowed = torch.zeros(batch, 1, tokens, tokens, dtype=torch.bool)
    scores = query @ key.repeat_interleave(3, 1).transpose(-1, -2) * 0.3
    for i in range(tokens):
        seen = alive.clone()
        seen[:, i + 1 :] = False
        allowed[:, 0, i] = seen
        weights = scores[:, :, i].masked_fill(~seen[:, None], float("-inf")).softmax(-1).mean(1)
        for b in range(batch):
            if seen[b].sum() == budget:
                alive[b, weights[b].masked_fill(~seen[b], 2.0).argmin()] = False
    return allowed


@pytest.mark.parametrize("budget", [2, 3, 9, 39, 40, 41])
def test_tova_equals_the_naive_masked_version(budget):
    query, key, value = drawn(40)
    allowed = naive_tova(query, key, value, budget)
    counts = allowed[:, 0].sum(-1)
    assert torch.equal(counts, torch.arange(1, 41).clamp(max=budget).expand(2, 40))
    got = tova(budget)(query, key, value, 0.3)
    torch.testing.assert_close(got, masked(query, key, value, allowed), atol=1e-12, rtol=0)


@pytest.mark.parametrize("budget", [5, 6, 20, 39, 40, 41])
def test_the_window_keeps_the_first_tokens_and_the_newest(budget):
    query, key, value = drawn(40, seed=1)
    i, j = torch.arange(40)[:, None], torch.arange(40)[None]
    allowed = (j <= i) & ((j < SINKS) | (i - j < budget - SINKS))
    assert allowed.sum(-1).tolist() == [min(n, budget) for n in range(1, 41)]
    got = recent(budget)(query, key, value, 0.3)
    torch.testing.assert_close(got, masked(query, key, value, allowed[None, None]), atol=1e-12, rtol=0)


@pytest.mark.parametrize("tokens", [40, 300])
def test_served_attention_is_the_gated_attention_of_training(tokens):
    query, key, value = drawn(tokens, seed=3)
    gate, _ = hard_gate(torch.randn(2, 2, tokens, generator=torch.Generator().manual_seed(4)))
    got, _ = served_attention(None, query, key, value, scaling=0.3, gate=gate, window=7)
    wanted, _ = gated_attention(None, query, key, value, scaling=0.3, gate=gate, window=7)
    # The softmax of training is in float32.
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


def test_budgets_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="no room"):
        recent(SINKS)
    with pytest.raises(ValueError, match="2 or more"):
        tova(1)


def test_the_base_under_a_budget_that_is_never_reached_is_transformers():
    model = tiny_model()
    ids = torch.randint(256, (1, 60), generator=torch.Generator().manual_seed(2))
    reader = BaseReader(model)
    with torch.no_grad():
        wanted = model(ids).logits
        for attend in (dense, recent(60), tova(60)):
            torch.testing.assert_close(model.lm_head(reader(ids, attend)), wanted, atol=1e-4, rtol=1e-4)
        for attend in (recent(10), tova(10)):
            assert (model.lm_head(reader(ids, attend)) - wanted).abs().max() > 0.1
    assert model.config._attn_implementation != reader.model.config._attn_implementation
