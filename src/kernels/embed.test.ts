import { describe, expect, test } from 'vitest';
import { embedRef } from '../../shaders/embed.ref.ts';
import { createRng } from '../util/rng.ts';
import { assertTokens, embed, embedKernel } from './embed.ts';
import { labelOf } from './spec.ts';
import { maxRelativeError, TestGpu } from './test_gpu.ts';
import { randomWeight } from './weights_fixture.ts';

const t = await TestGpu.open();

const SIZES = [32, 96, 256, 288, 576].flatMap((cols) => [1, 5].map((rows) => ({ rows, cols })));
const TABLE_ROWS = 11;

for (const variant of embedKernel.variants) {
  describe(labelOf(embedKernel, variant), () => {
    test.each(SIZES)('$rows x $cols matches the twin', async ({ rows, cols }) => {
      const rng = createRng(cols + rows);
      const { weight, values } = randomWeight(t, { ...variant, rows: TABLE_ROWS, cols, rng });
      const tokens = Uint32Array.from([10, 0, 3, 10, 7].slice(0, rows));
      const out = t.output(rows * cols);
      await t.run(embed({ tokens: t.input(tokens), table: weight, out, rows, cols }));
      expect(maxRelativeError(await t.readF32(out), embedRef(values, tokens, { cols }))).toBeLessThan(1e-6);
    });
  });
}

test('a token past the table is a fault on the host and the last row in the shader', async () => {
  expect(() => assertTokens([3, TABLE_ROWS], TABLE_ROWS)).toThrow(/token 11 at 1/);
  expect(() => assertTokens([0, TABLE_ROWS - 1], TABLE_ROWS)).not.toThrow();
  const { weight, values } = randomWeight(t, { format: 'f32', rows: TABLE_ROWS, cols: 32, rng: createRng(1) });
  const out = t.output(32);
  await t.run(embed({ tokens: t.input(Uint32Array.of(4_000_000_000)), table: weight, out, rows: 1, cols: 32 }));
  expect(await t.readF32(out)).toEqual(values.slice(-32));
});
