"""Outputs of the numpy reference of DMS on seeded layers, for dms_matrix.test.ts.

    python dms_numpy.py PATH_OF/dms_ref.py > dms_numpy.json

The reference's four forms (masked, token by token, bulk load, chunked) are checked against each other first. Weights
and inputs come from a generator that the test repeats (src/util/rng.ts), so only outputs are written.
"""

import importlib.util, json, math, sys
import numpy as np

spec = importlib.util.spec_from_file_location("dms_ref", sys.argv[1])
ref = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ref)


def mulberry32(seed):
    state = seed & 0xFFFFFFFF

    def imul(a, b):
        return (a * b) & 0xFFFFFFFF

    def uniform():
        nonlocal state
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = imul(state ^ (state >> 15), 1 | state)
        t = ((t + imul(t ^ (t >> 7), 61 | t)) & 0xFFFFFFFF) ^ t
        return ((t ^ (t >> 14)) & 0xFFFFFFFF) / 4294967296

    return uniform


def normals(uniform, n, deviation):
    out = np.empty(n, np.float32)
    for i in range(n):
        radius = math.sqrt(-2 * math.log(1 - uniform()))
        out[i] = np.float32(deviation * radius * math.cos(2 * math.pi * uniform()))
    return out.astype(np.float64)


HIDDEN, D, SCALE, OFFSET = 64, 64, 100.0, 5.0
cases = []
for variant in ("borrow", "adapter"):
    for Hkv, G, w, T in ((1, 2, 1, 40), (2, 2, 16, 70)):
        u = mulberry32(Hkv * 1000 + w)
        Hq = Hkv * G
        n = lambda *shape, deviation=1.0, u=u: normals(u, int(np.prod(shape)), deviation).reshape(shape)
        p = dict(
            Hq=Hq,
            Hkv=Hkv,
            D=D,
            ln=1 + n(HIDDEN, deviation=0.1),
            qn=1 + n(D, deviation=0.1),
            kn=1 + n(D, deviation=0.1),
            an=1 + n(HIDDEN, deviation=0.1),
            wq=n(Hq * D, HIDDEN, deviation=0.2),
            wk=n(Hkv * D, HIDDEN, deviation=0.2),
            wv=n(Hkv * D, HIDDEN, deviation=0.2),
            wa=n(Hkv, HIDDEN, deviation=0.05),
        )
        x = n(T, HIDDEN)
        f32 = lambda a: a.astype(np.float32).astype(np.float64)
        p = {k: f32(v) if isinstance(v, np.ndarray) else v for k, v in p.items()}
        # The reference's theta of 1e6 hides a missing second zeroing; 100 shows it.
        rope = ref.rope
        ref.rope = lambda a, pos, theta=100.0: rope(a, pos, theta)
        q, k, v, alpha = ref.project(x, p, np.arange(T), variant, SCALE, OFFSET)
        ref.rope = rope
        masked = ref.dms_masked_attention(q, k, v, alpha, w)
        decoded, heads = ref.dms_decode(q, k, v, alpha, w)
        half = [
            ref.bulk_load(ref.DmsHead(w, D, T), k[: T // 2, g], v[: T // 2, g], alpha[: T // 2, g]) for g in range(Hkv)
        ]
        tail, _ = ref.dms_decode(q[T // 2 :], k[T // 2 :], v[T // 2 :], alpha[T // 2 :], w, half)
        for other in (decoded, np.concatenate([masked[: T // 2], tail]), ref.dms_chunked(q, k, v, alpha, w, 7)):
            assert np.abs(masked - other).max() < 1e-10
        cases.append(
            dict(
                variant=variant,
                kvHeads=Hkv,
                group=G,
                window=w,
                tokens=T,
                scale=SCALE,
                offset=OFFSET,
                theta=100,
                seed=Hkv * 1000 + w,
                alpha=alpha.T.astype(int).tolist(),
                live=[h.len for h in heads],
                rows=[0, T // 2, T - 1],
                out=[[float("%.7g" % z) for z in masked[t].ravel()] for t in (0, T // 2, T - 1)],
            )
        )
print(json.dumps(dict(hidden=HIDDEN, headDim=D, cases=cases), separators=(",", ":")))
