import { describe, expect, test } from 'vitest';
import { readKvRef, writeKvRef } from '../../shaders/lib/kv.ref.ts';
import { type PlacesRef, storeKvRef } from '../../shaders/store_kv.ref.ts';
import { createRng, normals } from '../util/rng.ts';
import { kvLayout } from './kv_layout.ts';
import { labelOf, runsOn } from './spec.ts';
import { storeKv, storeKvKernel } from './store_kv.ts';
import { maxRelativeError, SENTINEL, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
const NO_SLOT = 0xffffffff;

/**
 * How far two rows may lie apart, against their own rms: a half's rounding differs between drivers, an int8 code may.
 */
const TOLERANCE = { f32: 0, f16: 1e-3, int8: 0.04 };
/** How far a stored row may lie from what was stored; int8: half a step of max|x| / 127. */
const STORAGE_ERROR = { f32: 0, f16: 1.1e-3, int8: 0.02 };

/** Values whose groups differ much in size, with a group of zeros, so that a wrong scale shows. */
function valuesOf(seed: number, length: number): Float32Array {
  const sizes = [1, 30, 0.01, 0, 3];
  return normals(createRng(seed), length).map((x, i) => x * sizes[Math.floor(i / 16) % sizes.length]);
}

/** Compares two pools row by row as numbers, and finds words that differ outside the stored rows. */
function comparePools(
  pools: { readonly got: Uint32Array; readonly want: Uint32Array },
  places: PlacesRef,
  variant: (typeof storeKvKernel.variants)[number],
): void {
  const { format, headDim } = variant;
  const { rowWords, scaleWords, pageWords } = kvLayout(format, headDim);
  const [got, want] = [pools.got.slice(), pools.want.slice()];
  for (const place of places) {
    if (!place) continue;
    for (const kind of ['key', 'value'] as const) {
      const at = { ...place, format, headDim, kind };
      expect(maxRelativeError(readKvRef(got, at), readKvRef(want, at))).toBeLessThanOrEqual(TOLERANCE[format]);
    }
    const page = place.page * pageWords;
    for (const [from, length] of [
      [page + place.slot * rowWords, rowWords],
      [page + (32 + place.slot) * rowWords, rowWords],
      [page + 64 * rowWords + place.slot * scaleWords, scaleWords],
    ]) {
      for (const pool of [got, want]) pool.fill(SENTINEL, from, from + length);
    }
  }
  // Word by word by hand: the matcher takes seconds for pools of this size.
  expect(got.findIndex((word, i) => word !== want[i])).toBe(-1);
}

const PAGED = [
  { kvHeads: 1, slots: [37] },
  { kvHeads: 3, slots: [0, NO_SLOT, 31] },
  { kvHeads: 5, slots: [95, 64, 32, 0, 63] },
];
const STAGED = [
  { kvHeads: 1, rows: 1 },
  { kvHeads: 3, rows: 33 },
  { kvHeads: 2, rows: 64 },
];

for (const variant of storeKvKernel.variants) {
  const { mode, format, headDim, elem } = variant;
  const layout = kvLayout(format, headDim);

  async function check(
    kvHeads: number,
    rows: number,
    places: PlacesRef,
    args: { pages: number; paged?: Uint32Array[] },
  ) {
    const cols = kvHeads * headDim;
    const [vOffset, vStride] = [cols + 8, 2 * cols + 12];
    const k = t.activations(valuesOf(rows + 1, rows * cols), elem);
    const v = t.activations(valuesOf(rows + 2, rows * vStride + vOffset), elem);
    const seen = {
      k: await t.readActivations(k, elem, rows * cols),
      v: await t.readActivations(v, elem, rows * vStride + vOffset),
    };
    const rowsOfV = Array.from({ length: rows }, (_, r) => seen.v.subarray(vOffset + r * vStride).subarray(0, cols));
    const want = new Uint32Array(args.pages * layout.pageWords).fill(SENTINEL);
    const pool = t.inout(want);
    const common = { k, v, pool, layout, elem, rows, kvHeads, vOffset, vStride };
    const where = args.paged
      ? ({
          ...{ mode: 'paged' as const, slots: t.input(args.paged[0]), pageTable: t.input(args.paged[1]) },
          ...{ slotBase: 2, tableBase: 3, tableStride: 3 },
        } as const)
      : ({ mode: 'staged', stagePages: args.pages / kvHeads } as const);
    await t.run(storeKv({ ...common, ...where }));
    storeKvRef(want, { k: seen.k, v: Float32Array.from(rowsOfV.flatMap((row) => [...row])) }, places, variant);
    comparePools({ got: await t.readU32(pool), want }, places, variant);
  }

  describe.skipIf(!runsOn(variant, t.gpu))(labelOf(storeKvKernel, variant), () => {
    test.runIf(mode === 'paged').each(mode === 'paged' ? PAGED : [])('slots $slots', async ({ kvHeads, slots }) => {
      const pages = kvHeads * 3;
      const table = Uint32Array.from({ length: pages }, (_, i) => pages - 1 - i);
      const places = slots.map((slot, head) =>
        slot === NO_SLOT ? null : { page: table[head * 3 + Math.floor(slot / 32)], slot: slot % 32 },
      );
      const paged = [Uint32Array.from([9, 9, ...slots]), Uint32Array.from([9, 9, 9, ...table])];
      await check(kvHeads, 1, places, { pages, paged });
    });

    test.runIf(mode === 'staged').each(mode === 'staged' ? STAGED : [])('$rows rows', async ({ kvHeads, rows }) => {
      const stagePages = Math.ceil(rows / 32) + 1;
      const places = Array.from({ length: rows * kvHeads }, (_, i) => {
        const row = Math.floor(i / kvHeads);
        return { page: (i % kvHeads) * stagePages + Math.floor(row / 32), slot: row % 32 };
      });
      await check(kvHeads, rows, places, { pages: kvHeads * stagePages });
    });
  });
}

describe('kv_page.ref', () => {
  test.each(['int8', 'f16', 'f32'] as const)('%s holds what was written', (format) => {
    for (const headDim of [64, 80]) {
      const at = { page: 1, slot: 5, kind: 'value', format, headDim } as const;
      const pool = new Uint32Array(2 * kvLayout(format, headDim).pageWords);
      const x = normals(createRng(headDim), headDim);
      writeKvRef(
        pool,
        { ...at, kind: 'key' },
        x.map((value) => value * 9),
      );
      writeKvRef(pool, at, x);
      expect(maxRelativeError(readKvRef(pool, at), x)).toBeLessThanOrEqual(STORAGE_ERROR[format]);
    }
  });
});
