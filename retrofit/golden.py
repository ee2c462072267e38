"""Golden outputs of a retrofit, for tests of what runs it: bits, live lengths, logits, greedy tokens.

The projections that have an update are held as they ship, in 8 bits (GGUF's Q8_0), everything else in float32; every
key is kept and hidden by the gate: no ring, no slots, no cache format.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from .base import load_base
from .low_rank import hold_as_shipped
from .measure import visible_keys
from .sidecar import open_student
from .student import Past, Student, read_on


@torch.no_grad()
def follow(student: Student, ids: list[int], new: int) -> tuple[dict, dict[str, Tensor]]:
    """Reads a prompt, then `new` greedy tokens one by one. Four rows of the prompt's logits are kept."""
    past = Past(len(student.model.model.layers))
    hidden, bits = read_on(student, torch.tensor([ids]), past)
    rows = sorted({0, len(ids) // 3, 2 * len(ids) // 3, len(ids) - 1})
    kept = student.model.lm_head(hidden[0, rows])
    last = student.model.lm_head(hidden[0, -1])
    tokens, gaps = [], []
    for _ in range(new):
        best = last.topk(2).values
        gaps.append(round((best[0] - best[1]).item(), 5))
        tokens.append(int(last.argmax()))
        hidden, bits = read_on(student, torch.tensor([tokens[-1:]]), past)
        last = student.model.lm_head(hidden[0, -1])
    bits = bits[:, 0].to(torch.uint8)
    live = visible_keys(bits, student.settings.window)[:, :, -1]
    facts = {"rows": rows, "dms_greedy": tokens, "dms_gap": gaps, "dms_live": live.tolist(), "dms_tokens": past.count}
    return facts, {"logits": kept.contiguous(), "bits": bits.contiguous()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", required=True, help="the base that the sidecar was trained on")
    add("--sidecar", required=True)
    add("--prompts", required=True, help='JSON: {"prompts": [{"id": ..., "ids": [...]}]}')
    add("--only", nargs="*", help="ids of the prompts to do (default: all)")
    add("--new", type=int, default=64, help="greedy tokens after each prompt")
    add("--out", required=True, help="folder for golden.json and golden.safetensors")


def main(args: argparse.Namespace) -> None:
    base = load_base(args.model)
    student = open_student(base, args.sidecar)
    hold_as_shipped(student)
    prompts = json.loads(Path(args.prompts).read_text())["prompts"]
    entries, tensors = [], {}
    for prompt in prompts:
        if args.only and prompt["id"] not in args.only:
            continue
        facts, arrays = follow(student, prompt["ids"], args.new)
        entries.append({"id": prompt["id"], "ids": prompt["ids"], **facts})
        tensors |= {f"dms.{prompt['id']}.{name}": tensor for name, tensor in arrays.items()}
        live = torch.tensor(facts["dms_live"]).float().mean().item()
        print(f"{prompt['id']}: {len(prompt['ids'])} tokens, ratio {facts['dms_tokens'] / live:.2f}", flush=True)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    s = student.settings
    head = {"window": s.window, "scale": s.scale, "offset": s.offset, "new": args.new}
    (out / "golden.json").write_text(json.dumps(head | {"prompts": entries}) + "\n")
    save_file(tensors, out / "golden.safetensors")
