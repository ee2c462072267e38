/** The four prefill kernels with store_kv, chunk by chunk, against attention under the mask of the paper in float64. */
import { describe, expect, test } from 'vitest';
import { readKvRef } from '../../shaders/lib/kv.ref.ts';
import { createRng, normals } from '../util/rng.ts';
import { type KvFormat, kvLayout } from './kv_layout.ts';
import { kvScatter } from './kv_scatter.ts';
import { prefillAttention, suitsSubgroupForm } from './prefill_attention.ts';
import { prefillCommit } from './prefill_commit.ts';
import { prefillMask } from './prefill_mask.ts';
import { storeKv } from './store_kv.ts';
import { type AttentionShape, type DmsRule, flagOf, maskedAttention, pushTokens, randomBits } from './test_dms.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
const HEAD_DIM = 64;
const TOLERANCE = 1e-4;
/**
 * The plain form takes SwiftShader seconds for what the subgroup form does in a moment: there the long ones are left.
 */
const quick = suitsSubgroupForm(t.gpu, HEAD_DIM);
const LONG = 350;

interface Inputs {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly bits: Uint32Array;
}

function inputsOf(shape: AttentionShape, seed: number): Inputs {
  const { tokens, kvHeads, group, headDim } = shape;
  const rng = createRng(seed);
  return {
    q: normals(rng, tokens * kvHeads * group * headDim, 1.5),
    k: normals(rng, tokens * kvHeads * headDim, 1.5),
    v: normals(rng, tokens * kvHeads * headDim),
    bits: randomBits(rng, tokens, kvHeads, 0.6),
  };
}

/** A layer's cache on the GPU, fed chunk by chunk. */
class Chain {
  readonly ring: GPUBuffer;
  readonly live: GPUBuffer;
  readonly pool: GPUBuffer;
  readonly pageTable: Uint32Array;
  readonly tableStride: number;
  /** Keys and values as stored, [tokens, kvHeads, headDim]. */
  readonly stored: { readonly k: Float32Array; readonly v: Float32Array };
  readonly out: Float32Array;

  constructor(
    readonly shape: AttentionShape,
    readonly inputs: Inputs,
    readonly rule: DmsRule,
    readonly format: KvFormat,
  ) {
    const { tokens, kvHeads, group, headDim } = shape;
    this.tableStride = Math.ceil(tokens / 32);
    const pages = kvHeads * this.tableStride;
    const order = createRng(5);
    this.pageTable = Uint32Array.from(
      Array.from({ length: pages }, (_, page) => ({ page, key: order() }))
        .toSorted((a, b) => a.key - b.key)
        .map(({ page }) => page),
    );
    this.pool = t.input(new Uint32Array(pages * kvLayout(format, headDim).pageWords));
    // A ring that starts with flags set shows whether entries are believed before they are written.
    this.ring = t.inout(new Uint32Array(kvHeads * (rule.window + 1)).fill(0x80000003));
    this.live = t.inout(new Uint32Array(kvHeads));
    this.stored = { k: new Float32Array(inputs.k.length), v: new Float32Array(inputs.v.length) };
    this.out = new Float32Array(tokens * kvHeads * group * headDim);
  }

  async feed(position: number, rows: number): Promise<void> {
    const { shape, inputs, rule, format, ring, live, pool, tableStride } = this;
    const { tokens, kvHeads, group, headDim } = shape;
    const layout = kvLayout(format, headDim);
    const part = <T extends Float32Array | Uint32Array>(x: T) => {
      const cols = x.length / tokens;
      return x.slice(position * cols, (position + rows) * cols);
    };
    const stagePages = Math.ceil(rows / 32);
    const staging = t.input(new Uint32Array(kvHeads * stagePages * layout.pageWords));
    const untilStride = tableStride * 32 + rows;
    const until = t.output(kvHeads * untilStride);
    const slotOfRow = t.output(kvHeads * rows);
    const droppedStride = Math.ceil(tokens / 32);
    const dropped = t.output(kvHeads * droppedStride);
    const data = t.output(rows * kvHeads * group * headDim);
    const pageTable = t.input(this.pageTable);
    const sizes = { position, rows, kvHeads, ringSize: rule.window + 1, shift: rule.shift, perHead: rule.perHead };
    const state = { ...sizes, ring, live, alpha: t.input(part(inputs.bits)), alphaBase: 0, ringBase: 0, liveBase: 0 };
    const paged = { pool, pageTable, staging, stagePages, layout, tableBase: 0, tableStride };
    const [k, v] = [t.input(part(inputs.k)), t.input(part(inputs.v))];
    const heads = { kvHeads, group, headDim, elem: 'f32' as const, subgroups: quick };
    await t.run(
      storeKv({
        ...{ mode: 'staged', k, v, pool: staging, layout, elem: 'f32', rows, kvHeads, stagePages },
        ...{ vOffset: 0, vStride: kvHeads * headDim },
      }),
      prefillMask({ ...state, until, untilStride }),
      prefillAttention({
        ...{ ...paged, ...heads, q: t.input(part(inputs.q)), until, untilStride, live, liveBase: 0, position, rows },
        out: { form: 'float', data },
      }),
      prefillCommit({ ...state, slotOfRow, slotStride: rows, dropped, droppedBase: 0, droppedStride }),
      kvScatter({ ...paged, slotOfRow, slotStride: rows, rows, kvHeads }),
    );
    this.out.set(await t.readF32(data), position * kvHeads * group * headDim);
    this.#remember(await t.readU32(staging), position, rows);
    for (const buffer of [staging, until, slotOfRow, dropped, data, pageTable, k, v]) t.buffers.destroy(buffer);
  }

  #remember(staging: Uint32Array, position: number, rows: number): void {
    const { kvHeads, headDim } = this.shape;
    for (let i = 0; i < rows * kvHeads; i++) {
      const [row, head] = [Math.floor(i / kvHeads), i % kvHeads];
      const page = head * Math.ceil(rows / 32) + Math.floor(row / 32);
      const at = { page, slot: row % 32, format: this.format, headDim };
      const first = ((position + row) * kvHeads + head) * headDim;
      this.stored.k.set(readKvRef(staging, { ...at, kind: 'key' }), first);
      this.stored.v.set(readKvRef(staging, { ...at, kind: 'value' }), first);
    }
  }

  /** For each head the position of the token in each live slot, found by the key that lies there. */
  async positions(): Promise<number[][]> {
    const { kvHeads, headDim, tokens } = this.shape;
    const pool = await t.readU32(this.pool);
    return [...(await t.readU32(this.live))].map((length, head) => {
      const known = new Map<string, number>();
      const nameOf = (row: Float32Array) => row.subarray(0, 6).join();
      for (let p = 0; p < tokens; p++) {
        known.set(nameOf(this.stored.k.subarray((p * kvHeads + head) * headDim)), p);
      }
      return Array.from({ length }, (_, slot) => {
        const page = this.pageTable[head * this.tableStride + Math.floor(slot / 32)];
        const at = { page, slot: slot % 32, format: this.format, headDim, kind: 'key' as const };
        return known.get(nameOf(readKvRef(pool, at))) ?? -1;
      });
    });
  }
}

interface Feed {
  readonly chunk: number;
  readonly format?: KvFormat;
}

async function runChain(shape: AttentionShape, inputs: Inputs, rule: DmsRule, { chunk, format = 'f32' }: Feed) {
  const chain = new Chain(shape, inputs, rule, format);
  for (let p = 0; p < shape.tokens; p += chunk) await chain.feed(p, Math.min(chunk, shape.tokens - p));
  return chain;
}

/** Lengths, slots and ring against the token-by-token cache. */
async function checkCache(chain: Chain): Promise<void> {
  const { shape, inputs, rule } = chain;
  const { tokens, kvHeads } = shape;
  const size = rule.window + 1;
  const pushed = pushTokens(inputs.bits, kvHeads, tokens, rule);
  const live = await t.readU32(chain.live);
  expect(live).toEqual(pushed.live);
  const flag = flagOf(inputs.bits, kvHeads, tokens, rule);
  const positions = await chain.positions();
  const ring = await t.readU32(chain.ring);
  positions.forEach((slots, head) => {
    const gone = Array.from({ length: Math.max(0, tokens - size) }, (_, j) => flag(j, head)).filter((f) => f === 1);
    expect(live[head]).toBe(tokens - gone.length);
    expect(slots.toSorted((a, b) => a - b)).toEqual(pushed.positions[head].toSorted((a, b) => a - b));
    for (let p = Math.max(0, tokens - size); p < tokens; p++) {
      const entry = ring[head * size + (p % size)];
      expect([p, slots[entry % 2 ** 31], Math.floor(entry / 2 ** 31)]).toEqual([p, p, flag(p, head)]);
    }
  });
}

const small = { kvHeads: 2, group: 2, headDim: HEAD_DIM };
const TOKENS: Readonly<Record<number, number>> = { 1: 67, 16: 130, 64: 200, 512: 700 };

describe.each([1, 16, 64, 512])('window %i', (window) => {
  const shape = { ...small, tokens: TOKENS[window] };
  const inputs = inputsOf(shape, window);
  describe.skipIf(shape.tokens > LONG && !quick).each([0, 1] as const)('shift %i', (shift) => {
    const rule: DmsRule = { window, shift, perHead: true };
    const want = maskedAttention(inputs, shape, inputs.bits, rule);
    test.each([1, 7, 64, 512])('chunks of %i', async (chunk) => {
      const chain = await runChain(shape, inputs, rule, { chunk });
      expect(maxRelativeError(chain.out, want)).toBeLessThan(TOLERANCE);
      await checkCache(chain);
    });
  });
});

describe('storage, and one bit for all heads', () => {
  const shape = { ...small, tokens: 200 };
  const inputs = inputsOf(shape, 3);
  const rule: DmsRule = { window: 16, shift: 1, perHead: false };
  test.each(['int8', 'f16', 'f32'] as const)('%s', async (format) => {
    const chain = await runChain(shape, inputs, rule, { chunk: 48, format });
    const want = maskedAttention({ q: inputs.q, ...chain.stored }, shape, inputs.bits, rule);
    expect(maxRelativeError(chain.out, want)).toBeLessThan(TOLERANCE);
    await checkCache(chain);
  });
});

describe('what must be seen to differ', () => {
  const shape = { ...small, tokens: 130 };
  const inputs = inputsOf(shape, 4);
  const rule: DmsRule = { window: 16, shift: 1, perHead: true };
  const want = maskedAttention(inputs, shape, inputs.bits, rule);
  test.each([
    { mutant: 'a window longer by one', window: 17, shift: 1 as const },
    { mutant: 'a window shorter by one', window: 15, shift: 1 as const },
    { mutant: 'no shift', window: 16, shift: 0 as const },
  ])('$mutant', async ({ window, shift }) => {
    const chain = await runChain(shape, inputs, { window, shift, perHead: true }, { chunk: 32 });
    expect(maxRelativeError(chain.out, want)).toBeGreaterThan(0.05);
  });
});

test.skipIf(!quick)('2,048 tokens at the shapes of the default model', async () => {
  const shape = { tokens: 2048, kvHeads: 3, group: 3, headDim: HEAD_DIM };
  const inputs = inputsOf(shape, 9);
  const rule: DmsRule = { window: 64, shift: 1, perHead: true };
  const chain = await runChain(shape, inputs, rule, { chunk: 512 });
  expect(maxRelativeError(chain.out, maskedAttention(inputs, shape, inputs.bits, rule))).toBeLessThan(TOLERANCE);
  await checkCache(chain);
});
