import { describe, expect, test } from 'vitest';
import { dequantiseRef } from '../../shaders/lib/quantise.ref.ts';
import { rmsnormRef } from '../../shaders/rmsnorm.ref.ts';
import vectors from '../../shaders/vectors/rmsnorm.json' with { type: 'json' };
import { createRng, normals } from '../util/rng.ts';
import { rmsnorm, rmsnormKernel } from './rmsnorm.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();

const SIZES = [32, 480, 512, 544, 576, 4096].flatMap((cols) =>
  [
    [1, 0],
    [3, 2],
  ].map(([rows, rowOffset]) => ({ rows, cols, rowOffset })),
);
const TOLERANCE = { f32: 2e-5, f16: 4e-3 };
/** Half a step of the coarsest group of 32, whose largest value is about three times the rms or four. */
const INT8_TOLERANCE = 3e-2;

test('the twin agrees with PyTorch', () => {
  const { rows, cols, eps } = vectors;
  const y = rmsnormRef(Float32Array.from(vectors.x), Float32Array.from(vectors.weight), { rows, cols, eps });
  for (let row = 0; row < rows; row++) {
    const part = [row * cols, (row + 1) * cols] as const;
    expect(maxRelativeError(y.subarray(...part), vectors.y.slice(...part))).toBeLessThan(1e-6);
  }
});

for (const variant of rmsnormKernel.variants) {
  describe.skipIf(!runsOn(variant, t.gpu))(labelOf(rmsnormKernel, variant), () => {
    test.each(SIZES)('$rows x $cols from row $rowOffset matches the twin', async ({ rows, cols, rowOffset }) => {
      const { form, elem, subgroups } = variant;
      const rng = createRng(cols + rows);
      const values = normals(rng, (rowOffset + rows) * cols, 3);
      const weights = normals(rng, cols).map((value) => 1 + 0.2 * value);
      const want = rmsnormRef(values, weights, { rows, cols, eps: 1e-5, rowOffset });
      const shared = {
        x: t.input(values),
        weight: t.input(weights),
        rows,
        cols,
        eps: 1e-5,
        rowOffset,
        elem,
        subgroups,
      };
      if (form === 'float') {
        const data = t.output(t.words(elem, rows * cols));
        await t.run(rmsnorm({ ...shared, out: { form, data } }));
        expect(maxRelativeError(await t.readActivations(data, elem, rows * cols), want)).toBeLessThan(TOLERANCE[elem]);
        return;
      }
      const codes = t.output((rows * cols) / 4);
      const scales = t.output((rows * cols) / 16);
      await t.run(rmsnorm({ ...shared, out: { form, codes, scales } }));
      const got = { codes: new Int8Array((await t.readU32(codes)).buffer), scales: await t.readF32(scales) };
      expect(maxRelativeError(dequantiseRef(got), want)).toBeLessThan(INT8_TOLERANCE);
      got.scales.forEach((scaledSum, i) => {
        if (i % 2 === 0) return;
        const sum = got.codes.subarray((i - 1) * 16, (i + 1) * 16).reduce((total, code) => total + code, 0);
        expect(scaledSum).toBeCloseTo(got.scales[i - 1] * sum, 4);
      });
    });
  });
}
