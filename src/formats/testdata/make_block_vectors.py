"""Makes blocks.json: random blocks of the GGUF types with five bits and of the K types, and what `gguf` reads in them;
and rows with their Q4_0 bytes by gguf.quants.quantize.

    python make_block_vectors.py
"""
import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

rng = np.random.default_rng(11)
# Bytes of a block at which its f16 scales stand.
SCALES = {"Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def b64(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def blocks(kind, rows, cols, spread):
    """[rows, bytes]: random codes under scales of either sign, `spread` powers of ten apart."""
    elements, size = GGML_QUANT_SIZES[T[kind]]
    raw = rng.integers(0, 256, (rows, cols // elements, size), dtype=np.uint8)
    for at in SCALES[kind]:
        scales = rng.standard_normal(raw.shape[:2]) * 10.0 ** rng.integers(-spread, 1, raw.shape[:2]) * 0.01
        raw[..., at : at + 2] = scales.astype(np.float16)[..., None].view(np.uint8)
    return raw.reshape(rows, -1)


def vector(kind):
    raw = blocks(kind, 2, 512 if kind.endswith("K") else 96, 5)
    values = dequantize(raw, T[kind]).astype(np.float32)
    return dict(type=kind, shape=list(values.shape), bytes=b64(raw), values=b64(values))


values = (rng.standard_normal((6, 3, 32)) * 10.0 ** rng.integers(-7, 3, (6, 3, 1))).astype(np.float32)
values[1, 0] = 0
# Two elements share the largest magnitude, and some lie half-way between two codes.
values[2, 1] = rng.integers(-8, 8, 32) + 0.5
values[2, 1, 3:5] = (8, -8)
values = values.reshape(6, 96)
q4_0 = dict(shape=[6, 96], values=b64(values), bytes=b64(quantize(values, T.Q4_0)))
out = dict(types=[vector(kind) for kind in SCALES], q4_0=q4_0)
(Path(__file__).parent / "blocks.json").write_text(json.dumps(out, indent=1) + "\n")
