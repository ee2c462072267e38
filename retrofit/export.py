"""Export: the trained model as a directory in Hugging Face's form, with the keys that NVIDIA's own loader reads."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from .base import load_base
from .low_rank import LowRankLinear
from .sidecar import open_student
from .student import Student

DEFAULT_BLOCK = 256
"""NVIDIA's page size; its loader refuses a window that is not larger, so a shorter window writes a smaller one."""


def merged_state(student: Student) -> dict[str, Tensor]:
    """Every weight in Hugging Face's names, updates merged, gates in the official recipe's names; float32."""
    state: dict[str, Tensor] = {}
    merged: dict[str, Tensor] = {}
    for name, module in student.model.named_modules():
        if isinstance(module, LowRankLinear):
            merged[f"{name}.weight"] = module.merged()
    for name, tensor in student.model.state_dict().items():
        if ".lora_" in name:
            continue
        name = name.replace(".base.", ".")
        name = name.replace(".eviction.norm", ".self_attn.dms_proj_alpha_norm.weight")
        name = name.replace(".eviction.weight", ".self_attn.dms_proj_alpha.weight")
        state[name] = merged.get(name, tensor).float().clone().contiguous()
    if student.model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    return state


def dms_config(student: Student) -> dict:
    """`config.json` with NVIDIA's keys; classes are those of its released code."""
    s = student.settings
    config = student.model.config.to_dict()
    family = config["model_type"]
    block = DEFAULT_BLOCK
    while block >= s.window and block > 1:
        block //= 2
    rope = config.get("rope_parameters") or {}
    return config | {
        "dtype": "float32",
        "rope_theta": rope.get("rope_theta", config.get("rope_theta", 10000.0)),
        "dms_separate_alpha": True,
        "dms_alpha_per": "head",
        "dms_alpha_scale": s.scale,
        "dms_initial_alpha_offset": s.offset,
        "dms_window_size": s.window,
        "dms_tau": s.tau,
        "dms_paged_attention_block_size": block,
        "dms_chunked_prefill": None,
        "dms_disable_eviction": False,
        "dms_manual_inference_mode": False,
        "dms_preallocate_for_tokens": 1024,
        "auto_map": {
            "AutoConfig": f"configuration_{family}_dms.{family.capitalize()}ConfigDMS",
            "AutoModelForCausalLM": f"modeling_{family}_dms.{family.capitalize()}ForCausalLMDMS",
        },
    }


def export_directory(student: Student, folder: Path, tokenizer=None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(merged_state(student), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(dms_config(student), indent=2) + "\n")
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", required=True, help="the base that the sidecar was trained on")
    add("--tokenizer", help="a tokenizer.json in place of the model's own")
    add("--sidecar", required=True, help="what training wrote")
    add("--out", required=True, help="folder to write config.json and model.safetensors to")


def main(args: argparse.Namespace) -> None:
    base = load_base(args.model, tokenizer=args.tokenizer)
    export_directory(open_student(base, args.sidecar), Path(args.out), base.tokenizer)
    print(f"wrote {args.out}")
