"""Makes q8_0.json, the test vectors of src/formats/quantise.ts: f32 rows and their bytes by gguf.quants.quantize.

    python make_q8_vectors.py
"""
import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import quantize

rng = np.random.default_rng(7)


def b64(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def rows():
    """[16, 96] f32: scales of every size, and groups that are hard to round."""
    values = rng.standard_normal((16, 3, 32)) * 10.0 ** rng.integers(-9, 4, (16, 3, 1))
    values[1, 0] = 0
    values[1, 1] = -0.0
    # With an extreme of 127 the scale is 1, and these lie half-way between two codes.
    values[2] = rng.integers(-127, 127, (3, 32)) + 0.5
    values[2, :, 5] = (127, -127, 127)
    # Scales that are subnormal halves, and ones that are too small for a half.
    values[3] *= 1e-6 / abs(values[3]).max()
    values[4] *= 1e-7 / abs(values[4]).max()
    values[5, 0, 1:] = 0
    return values.reshape(16, 96).astype(np.float32)


values = rows()
out = dict(shape=list(values.shape), values=b64(values), bytes=b64(quantize(values, T.Q8_0)))
(Path(__file__).parent / "q8_0.json").write_text(json.dumps(out, indent=1) + "\n")
