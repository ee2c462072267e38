import { describe, expect, test } from 'vitest';
import { matvecRef } from '../../shaders/matvec.ref.ts';
import { createRng, normals } from '../util/rng.ts';
import { type MatvecVariant, matvec, matvecKernel } from './matvec.ts';
import { labelOf, runsOn } from './spec.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';
import type { ProductStore } from './weights.ts';
import { randomActivation, randomWeight } from './weights_fixture.ts';

const t = await TestGpu.open();

/** Rows on both sides of what a workgroup owns, columns on both sides of a turn of 32 lanes. */
const SIZES = [
  { rows: 1, cols: 32 },
  { rows: 3, cols: 64 },
  { rows: 4, cols: 992 },
  { rows: 31, cols: 576 },
  { rows: 33, cols: 1024 },
];
/** More columns, taken by 64 lanes: on both sides of a turn. Another pipeline, so only without f16. */
const WIDE_SIZES = [
  { rows: 5, cols: 1056 },
  { rows: 4, cols: 2048 },
  { rows: 6, cols: 2080 },
];
/** Sums in f32 of up to 2,080 products; f16 adds the rounding of the stored element. */
const TOLERANCE = { f32: 1e-5, f16: 4e-3 };

type Size = { readonly rows: number; readonly cols: number };

async function check(variant: MatvecVariant, size: Size, store: ProductStore): Promise<void> {
  const { rows, cols } = size;
  const { format, form, elem } = variant;
  const rng = createRng(rows * 10_000 + cols);
  const { weight, values } = randomWeight(t, { format, rows, cols, rng });
  const { x, values: xValues } = randomActivation(t, { form, elem, rows: 1, cols, rng });
  const before = normals(rng, rows);
  const stored = store === 'elem' ? elem : 'f32';
  const out = store === 'add' ? t.inout(before) : t.output(t.words(stored, rows));
  const spec = matvec({ ...variant, weight, x, out, store });
  expect(spec.label).toBe(labelOf(matvecKernel, variant));
  await t.run(spec);
  const want = matvecRef(values, xValues, { rows, cols });
  if (store === 'add') for (let n = 0; n < rows; n++) want[n] += before[n];
  expect(maxRelativeError(await t.readActivations(out, stored, rows), want)).toBeLessThan(TOLERANCE[stored]);
}

for (const variant of matvecKernel.variants) {
  describe.skipIf(!runsOn(variant, t.gpu))(labelOf(matvecKernel, variant), () => {
    const stores = variant.out === 'elem' ? (['elem'] as const) : (['f32', 'add'] as const);
    const sizes = variant.elem === 'f32' ? [...SIZES, ...WIDE_SIZES] : SIZES;
    const cases = stores.flatMap((store) => sizes.map((size) => ({ ...size, store })));
    test.each(cases)('$rows x $cols, $store, matches the twin', ({ store, ...size }) => check(variant, size, store));
  });
}

test('more workgroups than one dimension of the grid takes', async () => {
  const rows = 4 * 32_768 + 5;
  const size = { rows, cols: 32 };
  const variant = {
    format: 'w4',
    form: 'int8',
    out: 'f32',
    elem: 'f32',
    owner: 'workgroup',
    subgroups: false,
  } as const;
  await check(variant, size, 'f32');
});

test('int8 activations meet no float weights', () => {
  const { weight } = randomWeight(t, { format: 'f16', rows: 4, cols: 32, rng: createRng(1) });
  const { x } = randomActivation(t, { form: 'int8', elem: 'f32', rows: 1, cols: 32, rng: createRng(1) });
  const args = { weight, x, out: t.output(4), store: 'f32', elem: 'f32', subgroups: false } as const;
  expect(() => matvec(args)).toThrow(/int8 activations meet no f16 weights/);
});
