"""The sidecar: what a retrofit adds to a base, in one safetensors file, and the way back."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .gates import DmsSettings
from .low_rank import LowRankLinear
from .student import Student


def sidecar_tensors(student: Student) -> dict[str, Tensor]:
    """Gates in the official recipe's names (f32), low-rank updates in PEFT's (f16)."""
    tensors: dict[str, Tensor] = {}
    for index, layer in enumerate(student.model.model.layers):
        at = f"model.layers.{index}"
        tensors[f"{at}.self_attn.dms_proj_alpha.weight"] = layer.eviction.weight.detach().float()
        tensors[f"{at}.self_attn.dms_proj_alpha_norm.weight"] = layer.eviction.norm.detach().float()
        for name, module in layer.named_modules():
            if isinstance(module, LowRankLinear):
                tensors[f"{at}.{name}.lora_A.weight"] = module.lora_A.detach().half()
                tensors[f"{at}.{name}.lora_B.weight"] = module.lora_B.detach().half()
    return {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}


def write_sidecar(student: Student, path: Path, base_name: str, base_sha256: str) -> None:
    s = student.settings
    metadata = {
        "format": "dms-adapter",
        "variant": "adapter",
        "window": str(s.window),
        "scale": str(s.scale),
        "offset": str(s.offset),
        "shift": "1",
        "base": base_name,
        "base_sha256": base_sha256,
    }
    if student.rank > 0:
        metadata |= {"lora_rank": str(student.rank), "lora_alpha": str(student.alpha)}
    save_file(sidecar_tensors(student), path, metadata)


def read_metadata(path: str | Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


@torch.no_grad()
def load_sidecar(student: Student, path: str | Path, base_sha256: str | None = None) -> None:
    """Copies a sidecar's tensors into a student that has a place for each."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    bound = metadata.get("base_sha256")
    if base_sha256 and bound and bound != base_sha256:
        raise ValueError(f"{path}: it was trained on a base with SHA-256 {bound}, not on {base_sha256}.")
    for index, layer in enumerate(student.model.model.layers):
        at = f"model.layers.{index}"
        layer.eviction.weight.copy_(tensors.pop(f"{at}.self_attn.dms_proj_alpha.weight"))
        layer.eviction.norm.copy_(tensors.pop(f"{at}.self_attn.dms_proj_alpha_norm.weight"))
        for name, module in layer.named_modules():
            if isinstance(module, LowRankLinear) and f"{at}.{name}.lora_A.weight" in tensors:
                module.lora_A.copy_(tensors.pop(f"{at}.{name}.lora_A.weight"))
                module.lora_B.copy_(tensors.pop(f"{at}.{name}.lora_B.weight"))
    if tensors:
        raise ValueError(f"{path}: no place for {sorted(tensors)[0]} and {len(tensors) - 1} more.")


def open_student(base, sidecar: str | Path) -> Student:
    """The base under a sidecar, as it is served but in float32."""
    with safe_open(sidecar, "pt") as file:
        metadata = file.metadata() or {}
        wide = any(".mlp." in name for name in file.keys())
    settings = DmsSettings(int(metadata["window"]), float(metadata["scale"]), float(metadata["offset"]))
    rank = int(metadata.get("lora_rank", 0))
    targets = "all" if wide else "attention"
    student = Student(base.model, settings, rank, float(metadata.get("lora_alpha", 16)), targets)
    load_sidecar(student, sidecar, base.sha256)
    return student.eval()
