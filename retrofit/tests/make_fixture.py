"""Makes e2e/fixtures/retrofit: a two-layer base, the sidecar that a short training gave it, and what both compute.

    python -m retrofit.tests.make_fixture

Lethe's tests load the base under the sidecar and must find the same bits on 1,000 tokens; this package's tests check
that it still computes what the fixture says.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from retrofit import train
from retrofit.base import load_base
from retrofit.data import mixture
from retrofit.measure import visible_keys
from retrofit.sidecar import open_student
from retrofit.tests.conftest import ROOT, tiny_model, write_text, write_tokenizer

FOLDER = ROOT / "e2e" / "fixtures" / "retrofit"
TOKENS = 1000


def expected(student, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """ids [T] -> alpha u8 [layers, KV heads, T], live i32 [layers, KV heads], logits f32 [T, vocab]."""
    with torch.no_grad():
        hidden, bits = student(ids[None])
        logits = student.model.lm_head(hidden)[0]
    alpha = bits[:, 0].to(torch.uint8)
    live = visible_keys(alpha, student.settings.window)[:, :, -1]
    return {"alpha": alpha.contiguous(), "live": live.to(torch.int32), "logits": logits.contiguous()}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        base_folder, text, run = (Path(scratch) / name for name in ("base", "text", "run"))
        base_folder.mkdir(), text.mkdir()
        tiny_model().save_pretrained(base_folder)
        write_tokenizer(base_folder)
        write_text(text)
        parser = argparse.ArgumentParser()
        train.add_arguments(parser)
        words = f"--model {base_folder} --data {text} --out {run} --window 16 --length 128 --batch 2 --lora 8"
        words += " --steps 40 --lr 3e-4 --lora-lr 3e-3 --ramp 20 --mild 5:3 --strong 5:3 --device cpu"
        train.main(parser.parse_args(words.split()))
        base = load_base(base_folder)
        student = open_student(base, run / "sidecar.safetensors")
        ids = next(mixture(text, base.tokenizer, TOKENS, seed=5))
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(base_folder / name, FOLDER / name)
        shutil.copy(run / "sidecar.safetensors", FOLDER / "sidecar.safetensors")
        tensors = expected(student, ids) | {"ids": ids.to(torch.int32)}
        # A few rows say enough, and 1,000 of them would be a megabyte.
        tensors["logits"] = tensors["logits"][[0, 333, 666, 999]].contiguous()
        save_file(tensors, FOLDER / "golden.safetensors")
    share = tensors["alpha"].float().mean().item()
    print(json.dumps({"flagged": round(share, 3), "live": tensors["live"].tolist()}))


if __name__ == "__main__":
    main()
