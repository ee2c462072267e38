"""The fixture that Lethe's tests compare with is still what this package computes."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from retrofit.base import load_base
from retrofit.sidecar import open_student
from retrofit.tests.make_fixture import FOLDER, expected


def test_the_fixture_is_what_the_student_computes():
    student = open_student(load_base(FOLDER), FOLDER / "sidecar.safetensors")
    golden = load_file(FOLDER / "golden.safetensors")
    got = expected(student, golden["ids"].long())
    assert torch.equal(got["alpha"], golden["alpha"])
    assert torch.equal(got["live"], golden["live"])
    assert 0.3 < got["alpha"].float().mean() < 0.9
    torch.testing.assert_close(got["logits"][[0, 333, 666, 999]], golden["logits"], atol=1e-4, rtol=0)
