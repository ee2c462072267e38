import { expect, test } from 'vitest';
import { dequantiseRef } from '../../shaders/lib/quantise.ref.ts';
import { mergeRef } from '../../shaders/merge.ref.ts';
import { createRng, normals } from '../util/rng.ts';
import { TILE_SLOTS } from './attention.ts';
import { merge, mergeKernel } from './merge.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
const TOLERANCE = { f32: 1e-5, f16: 4e-3 };
/** Half a step of the coarsest group, against the rms of the output. */
const INT8_TOLERANCE = 4e-2;
const CASES = [
  { group: 1, headDim: 64, lengths: [1] },
  { group: 3, headDim: 64, lengths: [64, 65, 300] },
  { group: 2, headDim: 80, lengths: [128, 129] },
  { group: 4, headDim: 128, lengths: [0, 63] },
];

for (const variant of mergeKernel.variants) {
  const cases = test.skipIf(!runsOn(variant, t.gpu)).each(CASES);
  cases(`${labelOf(mergeKernel, variant)}, group $group of $headDim, lengths $lengths`, async (one) => {
    const { group, headDim, lengths } = one;
    const { form, elem } = variant;
    const kvHeads = lengths.length;
    const cols = kvHeads * group * headDim;
    const rng = createRng(cols);
    // One tile more than needed for each head: an upper bound's tile must not be read.
    const counts = lengths.map((length) => Math.ceil(length / TILE_SLOTS) + 1);
    const tiles = Uint32Array.from([0, ...counts.map((_, i) => counts.slice(0, i + 1).reduce((a, b) => a + b, 0))]);
    const out = normals(rng, tiles[kvHeads] * group * headDim);
    const ml = normals(rng, tiles[kvHeads] * group * 2, 5).map((value, i) =>
      i % 2 === 0 ? value : Math.abs(value) + 1,
    );
    const want = lengths.flatMap((length, head) => {
      const first = tiles[head] * group;
      const last = first + Math.ceil(length / TILE_SLOTS) * group;
      const partials = { out: out.slice(first * headDim, last * headDim), ml: ml.slice(first * 2, last * 2) };
      return [...mergeRef(partials, { group, headDim })];
    });
    const shared = {
      ...{ partialOut: t.input(out), partialMl: t.input(ml), live: t.input(Uint32Array.from(lengths)) },
      ...{ tiles: t.input(tiles), kvHeads, group, headDim, liveBase: 0, tileBase: 0, elem },
    };
    if (form === 'float') {
      const data = t.output(t.words(elem, cols));
      await t.run(merge({ ...shared, out: { form, data } }));
      expect(maxRelativeError(await t.readActivations(data, elem, cols), want)).toBeLessThan(TOLERANCE[elem]);
      return;
    }
    const [codes, scales] = [t.output(cols / 4), t.output(cols / 16)];
    await t.run(merge({ ...shared, out: { form, codes, scales } }));
    const got = { codes: new Int8Array((await t.readU32(codes)).buffer), scales: await t.readF32(scales) };
    expect(maxRelativeError(dequantiseRef(got), want)).toBeLessThan(INT8_TOLERANCE);
  });
}
