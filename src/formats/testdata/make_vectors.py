"""Makes the test vectors of src/formats with the packages `gguf` and `safetensors`, independent of our readers.

quants.json: random blocks of every weight type and their values by gguf.quants.dequantize; a whole small GGUF file;
values of the default model's tensors, rows in half-split order. tiny.safetensors: every type that we read.

    python make_vectors.py SmolLM2-135M-Instruct.Q4_1.gguf
"""
import base64
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from gguf import GGUFReader, GGUFWriter
from gguf.quants import dequantize
from safetensors.torch import save_file

here = Path(__file__).parent
rng = np.random.default_rng(7)


def b64(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def f32(array):
    return b64(np.ascontiguousarray(array, dtype=np.float32))


def blocks(kind, rows, cols):
    """Random bytes of a type; the scales are halves of every size, subnormal ones too, but finite."""
    if kind == "F32":
        return rng.standard_normal((rows, cols)).astype(np.float32).view(np.uint8)
    if kind in ("F16", "BF16"):
        bits = rng.integers(0, 65536, (rows, cols), dtype=np.uint16)
        top = 0x7C00 if kind == "F16" else 0x7F80
        return np.where(bits & top == top, bits & 0x80FF, bits).astype(np.uint16).view(np.uint8)
    size, halves = {"Q4_0": (18, 1), "Q4_1": (20, 2), "Q8_0": (34, 1)}[kind]
    raw = rng.integers(0, 256, (rows, cols // 32, size), dtype=np.uint8)
    shape = (rows, cols // 32, halves)
    scales = rng.standard_normal(shape) * 10.0 ** rng.integers(-7, 2, shape)
    raw[..., : 2 * halves] = scales.astype(np.float16).view(np.uint8)
    return raw.reshape(rows, -1)


def unpermute(w, heads):
    return w.reshape(heads, w.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(w.shape)


def every_type():
    vectors = []
    for kind in ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0"):
        raw = blocks(kind, 3, 96)
        vectors.append(dict(type=kind, shape=[3, 96], bytes=b64(raw), values=f32(dequantize(raw, T[kind]))))
    return vectors


def small_file():
    """A GGUF file's bytes, and its tensors under Hugging Face's names."""
    names = {
        "token_embd.weight": ("model.embed_tokens.weight", "Q8_0", 4, 0),
        "blk.0.attn_q.weight": ("model.layers.0.self_attn.q_proj.weight", "Q4_1", 32, 4),
        "blk.0.attn_k.weight": ("model.layers.0.self_attn.k_proj.weight", "Q4_0", 16, 2),
        "output_norm.weight": ("model.norm.weight", "F32", 1, 0),
    }
    tensors = {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "tiny.gguf")
        writer = GGUFWriter(path, "llama")
        writer.add_head_count(4)
        writer.add_head_count_kv(2)
        writer.add_block_count(1)
        writer.add_token_list(["a", "\ufeff", "é", "<|end|>"])
        writer.add_array("test.numbers", [1, -2, 3])
        writer.add_uint64("test.large", 2**60 + 1)
        writer.add_bool("test.flag", True)
        writer.add_float32("test.float", 0.5)
        for name, (hf, kind, rows, heads) in names.items():
            raw = blocks(kind, rows, 32)
            writer.add_tensor(name, raw[0].view(np.float32) if rows == 1 else raw, raw_dtype=T[kind])
            values = dequantize(raw, T[kind])
            tensors[hf] = unpermute(values, heads) if heads else values
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return np.fromfile(path, dtype=np.uint8), tensors


def model_samples(path):
    picked = (
        ("token_embd.weight", "model.embed_tokens.weight", 0),
        ("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", 9),
        ("blk.17.attn_k.weight", "model.layers.17.self_attn.k_proj.weight", 3),
        ("blk.29.ffn_down.weight", "model.layers.29.mlp.down_proj.weight", 0),
        ("output_norm.weight", "model.norm.weight", 0),
    )
    tensors = {tensor.name: tensor for tensor in GGUFReader(path).tensors}
    samples = []
    for name, hf, heads in picked:
        w = dequantize(tensors[name].data, tensors[name].tensor_type)
        w = unpermute(w, heads) if heads else w
        at = np.sort(rng.integers(0, w.size, 64))
        squares = float((w.astype(np.float64) ** 2).sum())
        values = f32(w.reshape(-1)[at])
        samples.append(dict(name=hf, shape=list(w.shape), at=at.tolist(), values=values, squares=squares))
    return samples


types = every_type()
data, tensors = small_file()
out = dict(
    types=types,
    gguf=b64(data),
    tensors={name: f32(values) for name, values in tensors.items()},
    model=model_samples(sys.argv[1]),
)
(here / "quants.json").write_text(json.dumps(out, indent=1) + "\n")

g = torch.Generator().manual_seed(7)
tiny = {
    "f32": torch.randn(2, 3, generator=g),
    "f16": torch.randn(2, 3, generator=g).half(),
    "bf16": torch.randn(5, generator=g).bfloat16(),
    "bool": torch.tensor([True, False, True]),
    "u8": torch.arange(4, dtype=torch.uint8),
    "i32": torch.tensor([[-1, 2**31 - 1]], dtype=torch.int32),
    "i64": torch.tensor([2**53 + 1]),
    "empty": torch.zeros(0, 4),
    "scalar": torch.tensor(2.5),
}
save_file(tiny, here / "tiny.safetensors", metadata={"note": "é"})
(here / "tiny.safetensors").chmod(0o644)
