"""The gates against what others wrote: the numpy reference, NVIDIA's outputs, `transformers`."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
import torch
from retrofit.tests.conftest import SHARED, tiny_model
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from retrofit.gates import DmsSettings, gated_attention, hard_gate, logistic_noise, soft_gate, verdicts
from retrofit.policies import BaseReader
from retrofit.student import Past, Student, read_on

needs_shared = pytest.mark.skipif(not (SHARED / "reference").exists(), reason="the shared golden data is not here")


def reference():
    spec = importlib.util.spec_from_file_location("dms_ref", SHARED / "reference" / "dms_ref.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_shared
@pytest.mark.parametrize("window", [1, 16, 300])
def test_saturated_gate_is_the_masked_attention_of_the_reference(window):
    tokens, heads, group, channels = 600, 2, 3, 16
    rng = np.random.default_rng(window)
    q = rng.normal(size=(tokens, heads * group, channels))
    k, v = rng.normal(size=(2, tokens, heads, channels))
    bits = rng.random((tokens, heads)) < 0.7
    wanted = reference().dms_masked_attention(q, k, v, bits.astype(np.int8), window)
    to_torch = lambda x: torch.from_numpy(x).transpose(0, 1)[None]
    logits = torch.from_numpy(np.where(bits, 1e5, -1e5)).T[None]
    soft, decided = soft_gate(logits, torch.zeros_like(logits), tau=0.1)
    hard, _ = hard_gate(logits)
    for gate in (soft, hard):
        got, _ = gated_attention(
            None, to_torch(q), to_torch(k), to_torch(v), scaling=channels**-0.5, gate=gate, window=window
        )
        # The softmax is in float32, as in training.
        np.testing.assert_allclose(got[0].numpy(), wanted, atol=2e-6)
    assert np.array_equal(decided[0].T.numpy() > 0.5, bits)


def test_a_verdict_is_about_the_token_before():
    assert verdicts(torch.tensor([1.0, 2.0, 3.0]), 0.0).tolist() == [2.0, 3.0, 0.0]


def test_noise_is_logistic():
    noise = logistic_noise((200_000,), torch.Generator().manual_seed(0))
    assert abs(noise.mean().item()) < 0.02
    assert noise.std().item() == pytest.approx(np.pi / np.sqrt(3), rel=0.02)


def test_bits_are_hard_and_have_the_gradient_of_the_sigmoid():
    logits = torch.tensor([[[-0.05, 0.02, 0.3]]], requires_grad=True)
    _, bits = soft_gate(logits, torch.zeros(1, 1, 3), tau=0.1)
    assert bits.tolist() == [[[0.0, 1.0, 1.0]]]
    bits.sum().backward()
    soft = torch.sigmoid(logits.detach() / 0.1)
    torch.testing.assert_close(logits.grad, soft * (1 - soft) / 0.1)


def test_without_eviction_the_student_and_the_teacher_are_transformers():
    model = tiny_model()
    ids = torch.randint(256, (2, 300), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = model(ids).logits
        student = Student(model, DmsSettings(16), rank=4)
        hidden, bits = student(ids)
        torch.testing.assert_close(model.lm_head(hidden), wanted, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(model.lm_head(BaseReader(model)(ids)), wanted, atol=1e-4, rtol=1e-4)
    assert bits.sum() == 0


@needs_shared
@pytest.mark.parametrize("length", [200, 700])
def test_at_the_hard_limit_the_training_forward_is_nvidias(length):
    folder = SHARED / "golden" / "dms" / "qwen3_adapter_w16"
    config = json.loads((folder / "config.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
    settings = DmsSettings(config["dms_window_size"], config["dms_alpha_scale"], config["dms_initial_alpha_offset"])
    student = Student(model, settings)
    with safe_open(folder / "model.safetensors", "pt") as weights, torch.no_grad():
        for index, layer in enumerate(student.model.model.layers):
            at = f"model.layers.{index}.self_attn"
            layer.eviction.weight.copy_(weights.get_tensor(f"{at}.dms_proj_alpha.weight"))
            layer.eviction.norm.copy_(weights.get_tensor(f"{at}.dms_proj_alpha_norm.weight"))
    with safe_open(folder / f"golden_T{length}.safetensors", "pt") as golden, torch.no_grad():
        hidden, bits = student(golden.get_tensor("tokens")[None].long())
        logits = model.lm_head(hidden)[0]
        assert torch.equal(bits[:, 0].bool(), golden.get_tensor("alpha").bool())
        torch.testing.assert_close(logits, golden.get_tensor("logits"), atol=1e-3, rtol=0)


def test_reading_in_pieces_equals_reading_at_once():
    student = Student(tiny_model(), DmsSettings(16, offset=0.0))
    torch.manual_seed(4)
    with torch.no_grad():
        for layer in student.model.model.layers:
            layer.eviction.weight.normal_(std=0.1)
    ids = torch.randint(256, (1, 150))
    with torch.no_grad():
        hidden, bits = student(ids)
    assert 0.3 < bits.mean() < 0.7
    past = Past(2)
    pieces = [read_on(student, part, past) for part in ids.split([100, 1, 1, 30, 18], 1)]
    torch.testing.assert_close(torch.cat([piece[0] for piece in pieces], 1), hidden, atol=1e-4, rtol=1e-4)
    assert torch.equal(pieces[-1][1], bits)
