"""Makes head_rope.json: both gates of DMS on small random projections, in float64 by numpy.

Written from the formulas: x / rms(x) * weight per head; RoPE on halves, (a c - b s, b c + a s); the borrowed channel
read between the two and cleared on both sides of RoPE. A small theta makes the second clearing show.
"""

import json
import pathlib

import numpy as np

ROWS, HEADS, KV_HEADS, HEAD_DIM, HIDDEN, POSITION, THETA, EPS = 4, 4, 2, 16, 12, 7, 100.0, 1e-6
SCALE, OFFSET = 100.0, 5.0


def rms(x, weight):
    return weight * x / np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + EPS)


def turn(x, cosine, sine):
    low, high = np.split(x, 2, axis=-1)
    return np.concatenate([low * cosine - high * sine, high * cosine + low * sine], axis=-1)


def short(x, digits=4):
    return np.round(np.asarray(x, np.float64), digits)


def flat(x, digits=7):
    return [float(f"{v:.{digits}g}") for v in np.ravel(x)]


def case(rng, borrow):
    qkv = short(rng.normal(size=(ROWS, HEADS + 2 * KV_HEADS, HEAD_DIM)))
    q_norm, k_norm = short(rng.normal(1, 0.2, HEAD_DIM)), short(rng.normal(1, 0.2, HEAD_DIM))
    angle = (POSITION + np.arange(ROWS))[:, None] / THETA ** (np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    cosine, sine = short(np.cos(angle), 6), short(np.sin(angle), 6)
    x, norm = short(rng.normal(size=(ROWS, HIDDEN))), short(rng.normal(1, 0.2, HIDDEN))
    weight, bias = short(rng.normal(0, 0.3, (KV_HEADS, HIDDEN))), short(rng.normal(0, 0.1, KV_HEADS))
    q, k = rms(qkv[:, :HEADS], q_norm), rms(qkv[:, HEADS : HEADS + KV_HEADS], k_norm)
    leaders = slice(None, None, HEADS // KV_HEADS)
    logit = q[:, leaders, -1] if borrow else rms(x, norm) @ weight.T + bias
    alpha = (logit * SCALE - OFFSET > 0).astype(int)
    if borrow:
        q[:, leaders, -1] = 0
    q, k = (turn(part, cosine[:, None], sine[:, None]) for part in (q, k))
    if borrow:
        q[:, leaders, -1] = 0
    return {
        "gate": "borrow" if borrow else "adapter",
        "qkv": flat(qkv),
        "rope": flat(np.concatenate([cosine, sine], axis=-1)),
        "qNorm": flat(q_norm),
        "kNorm": flat(k_norm),
        "x": flat(x),
        "norm": flat(norm),
        "weight": flat(weight),
        "bias": flat(bias),
        "q": flat(q),
        "k": flat(k),
        "alpha": np.ravel(alpha).tolist(),
    }


def main():
    rng = np.random.default_rng(11)
    sizes = dict(rows=ROWS, heads=HEADS, kvHeads=KV_HEADS, headDim=HEAD_DIM, eps=EPS)
    vectors = dict(sizes=sizes, scale=SCALE, offset=OFFSET, cases=[case(rng, True), case(rng, False)])
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(vectors, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
