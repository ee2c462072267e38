import { beforeAll, describe, expect, test } from 'vitest';
import { dequantiseRef } from '../../shaders/lib/quantise.ref.ts';
import { siluMulRef } from '../../shaders/silu_mul.ref.ts';
import { createRng, normals } from '../util/rng.ts';
import { siluMul, siluMulKernel } from './silu_mul.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';

let t: TestGpu;
beforeAll(async () => {
  t = await TestGpu.open();
});

const SIZES = [32, 224, 256, 288, 1536].flatMap((cols) => [1, 3].map((rows) => ({ rows, cols })));
/** f16 inputs are rounded before both sides see them; what is left is the rounding of the output. */
const TOLERANCE = { f32: 2e-5, f16: 4e-3 };
/** Half a step of the coarsest group, against the rms of a normal distribution through the gate. */
const INT8_TOLERANCE = 4e-2;

for (const variant of siluMulKernel.variants) {
  describe(labelOf(siluMulKernel, variant), () => {
    test.each(SIZES)('$rows x $cols matches the twin', async ({ rows, cols }) => {
      if (!runsOn(variant, t.gpu)) return;
      const { form, elem } = variant;
      const values = normals(createRng(cols + rows), rows * 2 * cols);
      const gateUp = t.activations(values, elem);
      const seen = await t.readActivations(gateUp, elem, values.length);
      const want = siluMulRef(seen, { rows, cols });
      if (form === 'float') {
        const data = t.output(t.words(elem, rows * cols));
        await t.run(siluMul({ gateUp, out: { form, data }, rows, cols, elem }));
        expect(maxRelativeError(await t.readActivations(data, elem, rows * cols), want)).toBeLessThan(TOLERANCE[elem]);
        return;
      }
      const codes = t.output((rows * cols) / 4);
      const scales = t.output((rows * cols) / 16);
      await t.run(siluMul({ gateUp, out: { form, codes, scales }, rows, cols, elem }));
      const got = { codes: new Int8Array((await t.readU32(codes)).buffer), scales: await t.readF32(scales) };
      expect(maxRelativeError(dequantiseRef(got), want)).toBeLessThan(INT8_TOLERANCE);
    });
  });
}
