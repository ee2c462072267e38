import { describe, expect, test } from 'vitest';
import { matmulRef } from '../../shaders/matmul.ref.ts';
import { createRng, normals } from '../util/rng.ts';
import { matmul, matmulGrid, matmulKernel } from './matmul.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';
import type { ProductStore, ProductVariant } from './weights.ts';
import { randomActivation, randomWeight } from './weights_fixture.ts';

const t = await TestGpu.open();

interface Size {
  readonly rows: number;
  readonly cols: number;
  readonly inner: number;
}

/** Both sides of a tile of 32 x 64 in both directions. */
const SIZES: readonly Size[] = [
  { rows: 2, cols: 1, inner: 32 },
  { rows: 31, cols: 63, inner: 64 },
  { rows: 32, cols: 64, inner: 96 },
  { rows: 33, cols: 65, inner: 64 },
  { rows: 5, cols: 130, inner: 576 },
];
/** Sums in f32 of up to 576 products; f16 adds the rounding of the stored element. */
const TOLERANCE = { f32: 1e-5, f16: 4e-3 };

async function check(variant: ProductVariant, size: Size, store: ProductStore): Promise<void> {
  const { rows, cols, inner } = size;
  const { format, form, elem } = variant;
  const rng = createRng(rows * 10_000 + cols);
  const { weight, values } = randomWeight(t, { format, rows: cols, cols: inner, rng });
  const { x, values: xValues } = randomActivation(t, { form, elem, rows, cols: inner, rng });
  const before = normals(rng, rows * cols);
  const stored = store === 'elem' ? elem : 'f32';
  const out = store === 'add' ? t.inout(before) : t.output(t.words(stored, rows * cols));
  const spec = matmul({ weight, x, out, rows, store, elem });
  expect(spec.label).toBe(labelOf(matmulKernel, variant));
  await t.run(spec);
  const want = matmulRef(values, xValues, size);
  if (store === 'add') for (let i = 0; i < want.length; i++) want[i] += before[i];
  expect(maxRelativeError(await t.readActivations(out, stored, rows * cols), want)).toBeLessThan(TOLERANCE[stored]);
}

for (const variant of matmulKernel.variants) {
  describe.skipIf(!runsOn(variant, t.gpu))(labelOf(matmulKernel, variant), () => {
    const stores = variant.out === 'elem' ? (['elem'] as const) : (['f32', 'add'] as const);
    const cases = stores.flatMap((store) => SIZES.map((size) => ({ ...size, store })));
    test.each(cases)('$rows x $cols over $inner, $store, matches the twin', ({ store, ...size }) =>
      check(variant, size, store),
    );
  });
}

test('fewer rows in another run leave the rest of the output alone', async () => {
  const rng = createRng(3);
  const { weight, values } = randomWeight(t, { format: 'w4m', rows: 70, cols: 64, rng });
  const { x, values: xValues } = randomActivation(t, { form: 'int8', elem: 'f32', rows: 40, cols: 64, rng });
  const before = normals(rng, 40 * 70);
  const out = t.inout(before);
  const spec = matmul({ weight, x, out, rows: 40, store: 'f32', elem: 'f32' });
  await t.run({ ...spec, params: { ...spec.params, rows: 7 }, workgroups: matmulGrid({ rows: 7, n: 70 }) });
  const got = await t.readF32(out);
  const want = matmulRef(values, xValues, { rows: 7, cols: 70, inner: 64 });
  expect(maxRelativeError(got.subarray(0, want.length), want)).toBeLessThan(TOLERANCE.f32);
  expect(got.slice(want.length)).toEqual(before.slice(want.length));
});
