import { beforeAll, describe, expect, test } from 'vitest';
import { addBiasRef } from '../../shaders/add_bias.ref.ts';
import { packF16 } from '../util/f16.ts';
import { createRng, normals } from '../util/rng.ts';
import { addBias, addBiasKernel } from './add_bias.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';

let t: TestGpu;
beforeAll(async () => {
  t = await TestGpu.open();
});

/** Below, at and above what a workgroup owns. */
const SIZES = [4, 252, 256, 260, 1152].flatMap((cols) => [1, 3].map((rows) => ({ rows, cols })));
/** f16 inputs are rounded before both sides see them; what is left is the rounding of the output. */
const TOLERANCE = { f32: 1e-6, f16: 2e-3 };

for (const variant of addBiasKernel.variants) {
  const { elem } = variant;
  describe(labelOf(addBiasKernel, variant), () => {
    test.each(SIZES)('$rows x $cols matches the twin', async ({ rows, cols }) => {
      if (!runsOn(variant, t.gpu)) return;
      const rng = createRng(cols + rows);
      const values = normals(rng, rows * cols);
      const y = t.inout(elem === 'f16' ? packF16(values) : values);
      const bias = normals(rng, cols, 3);
      const want = addBiasRef(await t.readActivations(y, elem, rows * cols), bias);
      await t.run(addBias({ y, bias: t.input(bias), rows, cols, elem }));
      expect(maxRelativeError(await t.readActivations(y, elem, rows * cols), want)).toBeLessThan(TOLERANCE[elem]);
    });
  });
}
