import { describe, expect, test } from 'vitest';
import { type GateRef, type HeadRopeSizesRef, headRopeRef } from '../../shaders/head_rope.ref.ts';
import vectors from '../../shaders/vectors/head_rope.json' with { type: 'json' };
import { createRng, normals } from '../util/rng.ts';
import { headRope, headRopeKernel, packGate, packHeadNorms } from './head_rope.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, SENTINEL, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();

/** f16 inputs are rounded before both sides see them; what is left is the rounding of the output. */
const TOLERANCE = { f32: 2e-5, f16: 4e-3 };
const ALPHA_BASE = 5;
const HIDDEN = 100;
const EPS = 1e-6;

/** Fewer, as many and more heads than a workgroup owns, and rows that end within a workgroup. */
const SIZES = [
  { rows: 1, heads: 2, kvHeads: 1 },
  { rows: 1, heads: 9, kvHeads: 3 },
  { rows: 2, heads: 4, kvHeads: 4 },
  { rows: 13, heads: 6, kvHeads: 2 },
];

interface Inputs {
  readonly qkv: Float32Array;
  readonly rope: Float32Array;
  readonly norms: readonly [Float32Array, Float32Array];
  readonly adapter: Readonly<Record<'x' | 'norm' | 'weight' | 'bias', Float32Array>>;
}

function inputsOf({ rows, heads, kvHeads, headDim }: HeadRopeSizesRef): Inputs {
  const rng = createRng(rows * 31 + heads + headDim);
  const angles = normals(rng, (rows * headDim) / 2, 3);
  const rope = new Float32Array(rows * headDim);
  const half = headDim / 2;
  angles.forEach((angle, i) => {
    const at = Math.floor(i / half) * headDim + (i % half);
    rope[at] = Math.cos(angle);
    rope[at + half] = Math.sin(angle);
  });
  const around1 = (length: number) => normals(rng, length, 0.2).map((value) => 1 + value);
  return {
    qkv: normals(rng, rows * (heads + 2 * kvHeads) * headDim),
    rope,
    norms: [around1(headDim), around1(headDim)],
    adapter: {
      x: normals(rng, rows * HIDDEN, 2),
      norm: around1(HIDDEN),
      weight: normals(rng, kvHeads * HIDDEN, 0.3),
      bias: normals(rng, kvHeads),
    },
  };
}

function sumsOf(gate: GateRef): Omit<GateRef, 'kind' | 'adapter'> {
  const { bitMode, scale, offset, shift, sinks, position } = gate;
  return { bitMode, scale, offset, shift, sinks, position };
}

async function runKernel(
  variant: (typeof headRopeKernel.variants)[number],
  inputs: Inputs,
  gate: GateRef,
  sizes: HeadRopeSizesRef,
) {
  const { norm, elem } = variant;
  const { rows, heads, kvHeads, headDim } = sizes;
  const [queries, keys] = [rows * heads * headDim, rows * kvHeads * headDim];
  const q = t.output(t.words(elem, queries));
  const k = t.output(t.words(elem, keys));
  const alpha = t.output(ALPHA_BASE + rows * kvHeads);
  const qkv = t.activations(inputs.qkv, elem);
  const shift = gate.shift === 0 ? 0 : 1;
  await t.run(
    headRope({
      ...{ qkv, rope: t.input(inputs.rope), q, k, alpha, alphaBase: ALPHA_BASE },
      headNorms: norm ? t.input(packHeadNorms(...inputs.norms)) : null,
      x: t.input(inputs.adapter.x),
      gateWeights: variant.gate === 'adapter' ? t.input(packGate(inputs.adapter)) : null,
      gate: variant.gate,
      ...{ ...sumsOf(gate), shift, ...sizes, hidden: HIDDEN, elem },
    }),
  );
  const seen = await t.readActivations(qkv, elem, inputs.qkv.length);
  const want = headRopeRef({ qkv: seen, rope: inputs.rope, ...(norm ? { norms: inputs.norms } : {}) }, gate, sizes);
  const got = {
    q: await t.readActivations(q, elem, queries),
    k: await t.readActivations(k, elem, keys),
    alpha: await t.readU32(alpha),
  };
  return { got, want };
}

for (const variant of headRopeKernel.variants) {
  const { headDim, gate, elem } = variant;
  describe.skipIf(!runsOn(variant, t.gpu))(labelOf(headRopeKernel, variant), () => {
    test.each(SIZES)('$rows rows, $heads + $kvHeads heads match the twin', async (size) => {
      const sizes = { ...size, headDim, eps: EPS };
      const inputs = inputsOf(sizes);
      const modes = gate === 'none' ? [0, 2] : [0, 1, 2];
      for (const bitMode of modes as (0 | 1 | 2)[]) {
        const rule = { bitMode, scale: 10, offset: -2, shift: 1, sinks: 4, position: 2 };
        const { got, want } = await runKernel(variant, inputs, { kind: gate, ...rule, adapter: inputs.adapter }, sizes);
        expect(maxRelativeError(got.q, want.q)).toBeLessThan(TOLERANCE[elem]);
        expect(maxRelativeError(got.k, want.k)).toBeLessThan(TOLERANCE[elem]);
        expect([...got.alpha]).toEqual([...new Array(ALPHA_BASE).fill(SENTINEL), ...want.alpha]);
        if (bitMode === 1 && size.rows > 1) expect(new Set(want.alpha).size).toBe(2);
      }
    });
  });
}

describe('head_rope.ref', () => {
  test.each(vectors.cases)('$gate agrees with numpy', (c) => {
    const floats = (values: readonly number[]) => Float32Array.from(values);
    const { scale, offset, sizes } = vectors;
    const adapter = { x: floats(c.x), norm: floats(c.norm), weight: floats(c.weight), bias: floats(c.bias) };
    const rule = { bitMode: 1, scale, offset, shift: 1, sinks: 0, position: 7 } as const;
    const gate = { kind: c.gate === 'borrow' ? 'borrow' : 'adapter', adapter, ...rule } as const;
    const norms = [floats(c.qNorm), floats(c.kNorm)];
    const got = headRopeRef({ qkv: floats(c.qkv), rope: floats(c.rope), norms }, gate, sizes);
    expect(maxRelativeError(got.q, c.q)).toBeLessThan(1e-5);
    expect(maxRelativeError(got.k, c.k)).toBeLessThan(1e-5);
    expect([...got.alpha]).toEqual(c.alpha);
    expect(new Set(c.alpha).size).toBe(2);
  });
});
