/** Pages hold random words, so what is compared is what they decode to. */
import { describe, expect, test } from 'vitest';
import { attentionRef } from '../../shaders/attention.ref.ts';
import { f16ToF32, f32ToF16, packF16 } from '../util/f16.ts';
import { createRng, normals } from '../util/rng.ts';
import { attention, attentionKernel, TILE_SLOTS } from './attention.ts';
import { type KvLayout, kvLayout, PAGE_SLOTS } from './kv_layout.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, SENTINEL, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
/** The twin sees the same f16 queries, so the order of sums is all that differs. */
const TOLERANCE = 2e-5;

/** A head's slots as numbers, [slots, headDim]. */
interface Head {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** Writes a random row to a slot and returns what it decodes to. */
function writeRow(
  rng: () => number,
  at: { page: Uint32Array; slot: number; half: 0 | 1 },
  layout: KvLayout,
): Float32Array {
  const { format, headDim, rowWords, scaleWords } = layout;
  const { page, slot, half } = at;
  const first = (half * PAGE_SLOTS + slot) * rowWords;
  if (format === 'int8') {
    const codes = Int8Array.from({ length: headDim }, () => Math.floor(rng() * 255) - 127);
    page.set(new Uint32Array(codes.buffer), first);
    return Float32Array.from(codes, (code, i) => {
      const word = 2 * PAGE_SLOTS * rowWords + slot * scaleWords + Math.floor(i / 32);
      if (i % 32 === 0)
        page[word] = (page[word] & ~(0xffff << (16 * half))) | (f32ToF16(0.005 + 0.02 * rng()) << (16 * half));
      return code * f16ToF32((page[word] >>> (16 * half)) & 0xffff);
    });
  }
  const values = normals(rng, headDim);
  if (format === 'f32') {
    page.set(new Uint32Array(values.buffer), first);
    return values;
  }
  page.set(packF16(values), first);
  return values.map((value) => f16ToF32(f32ToF16(value)));
}

/** Random pages for heads of these lengths: the pool, the page table and what the slots decode to. */
function fill(rng: () => number, lengths: readonly number[], layout: KvLayout, stride: number) {
  const pages = lengths.length * stride;
  const pool = new Uint32Array(pages * layout.pageWords);
  const table = Uint32Array.from({ length: pages }, (_, i) => (i * 7 + 3) % pages);
  const heads: Head[] = lengths.map((length, head) => {
    const keys = new Float32Array(length * layout.headDim);
    const values = new Float32Array(length * layout.headDim);
    for (let s = 0; s < length; s++) {
      const number = table[head * stride + Math.floor(s / PAGE_SLOTS)];
      const page = pool.subarray(number * layout.pageWords, (number + 1) * layout.pageWords);
      keys.set(writeRow(rng, { page, slot: s % PAGE_SLOTS, half: 0 }, layout), s * layout.headDim);
      values.set(writeRow(rng, { page, slot: s % PAGE_SLOTS, half: 1 }, layout), s * layout.headDim);
    }
    return { keys, values };
  });
  return { pool, table, heads };
}

/** Lengths below, at and past the edges of pages and tiles. */
const EDGES = { group: 3, lengths: [63, 64, 65] };
/** A pipeline for each size of group takes a second to compile on a CPU adapter, so one variant stands for all. */
const GROUPS = [
  { group: 1, lengths: [1] },
  { group: 5, lengths: [33, 200] },
  { group: 8, lengths: [31, 129] },
];
const STRIDE = 9;

for (const variant of attentionKernel.variants) {
  const { format, headDim, elem } = variant;
  const cases = format === 'int8' && headDim === 64 ? [EDGES, ...GROUPS] : [EDGES];
  describe(labelOf(attentionKernel, variant), () => {
    test.skipIf(!runsOn(variant, t.gpu)).each(cases)('group $group, lengths $lengths', async ({ group, lengths }) => {
      const layout = kvLayout(format, headDim);
      const kvHeads = lengths.length;
      const rng = createRng(headDim + group);
      const { pool, table, heads } = fill(rng, lengths, layout, STRIDE);
      const q = t.activations(normals(rng, kvHeads * group * headDim), elem);
      const seen = await t.readActivations(q, elem, kvHeads * group * headDim);
      // The tile list is an upper bound: one tile more than needed for each head. It starts at the layer's own base.
      const counts = lengths.map((length) => Math.ceil(length / TILE_SLOTS) + 1);
      const tiles = [0, ...counts.map((_, i) => counts.slice(0, i + 1).reduce((a, b) => a + b, 0))];
      const tileCount = tiles[kvHeads];
      const partialOut = t.output(tileCount * group * headDim);
      const partialMl = t.output(tileCount * group * 2);
      await t.run(
        attention({
          ...{ q, pool: t.input(pool), pageTable: t.input(table), partialOut, partialMl, layout, elem },
          ...{ live: t.input(Uint32Array.from([9, ...lengths])), tiles: t.input(Uint32Array.from([1, 2, ...tiles])) },
          ...{ kvHeads, group, headDim, tileCount, tableBase: 0, tableStride: STRIDE, liveBase: 1, tileBase: 2 },
        }),
      );
      const got = { out: await t.readF32(partialOut), ml: await t.readF32(partialMl) };
      heads.forEach(({ keys, values }, head) => {
        const own = seen.subarray(head * group * headDim, (head + 1) * group * headDim);
        const want = attentionRef(own, keys, values, { group, headDim, tile: TILE_SLOTS, scale: headDim ** -0.5 });
        const first = tiles[head] * group;
        expect(maxRelativeError(got.out.slice(first * headDim).slice(0, want.out.length), want.out)).toBeLessThan(
          TOLERANCE,
        );
        expect(maxRelativeError(got.ml.slice(first * 2).slice(0, want.ml.length), want.ml)).toBeLessThan(TOLERANCE);
        // Nothing is written for the tile past the slots in use.
        const past = new Uint32Array(got.ml.buffer).slice(first * 2 + want.ml.length, tiles[head + 1] * group * 2);
        expect([...past]).toEqual(new Array(2 * group).fill(SENTINEL));
      });
    });
  });
}
