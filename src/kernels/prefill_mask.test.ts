import { describe, expect, test } from 'vitest';
import { prefillMaskRef } from '../../shaders/prefill_mask.ref.ts';
import { createRng } from '../util/rng.ts';
import { prefillMask } from './prefill_mask.ts';
import { flagOf, mayAttend, pushTokens, randomBits } from './test_dms.ts';
import { padded, SENTINEL, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
const KV_HEADS = 3;

const CASES = [
  { position: 0, rows: 1, window: 1 },
  { position: 0, rows: 300, window: 16 },
  { position: 1, rows: 1, window: 1 },
  { position: 15, rows: 7, window: 16 },
  { position: 16, rows: 64, window: 16 },
  { position: 17, rows: 257, window: 16 },
  { position: 300, rows: 256, window: 64 },
  { position: 700, rows: 33, window: 512 },
].flatMap((sizes) => [0, 1].map((shift) => ({ ...sizes, shift: shift as 0 | 1 })));

/** A layer in the middle of its buffers: bits, state and the places where they start. */
function layerOf({ position, rows, window, shift }: (typeof CASES)[number], perHead: boolean) {
  const rng = createRng(position * 7 + rows + window);
  const bits = randomBits(rng, position + rows, KV_HEADS, 0.5);
  const rule = { window, shift, perHead };
  const state = pushTokens(bits, KV_HEADS, position, rule);
  return { bits, rule, state, alpha: bits.slice(position * KV_HEADS) };
}

describe('prefill_mask', () => {
  for (const perHead of [true, false]) {
    test.each(CASES)(`n $position, $rows rows, w $window, shift $shift, per head ${perHead}`, async (sizes) => {
      const { position, rows, window, shift } = sizes;
      const { bits, rule, state, alpha } = layerOf(sizes, perHead);
      const untilStride = Math.max(...state.live) + rows + 3;
      const until = t.output(KV_HEADS * untilStride);
      const ring = t.inout(padded(state.ring, 5));
      await t.run(
        prefillMask({
          alpha: t.input(padded(alpha, 7)),
          ring,
          live: t.input(padded(state.live, 2)),
          until,
          ...{ position, rows, shift, perHead, untilStride, kvHeads: KV_HEADS, ringSize: window + 1 },
          ...{ alphaBase: 7, ringBase: 5, liveBase: 2 },
        }),
      );
      const want = prefillMaskRef({ ...state, alpha, position, rows, window, shift, perHead });
      expect(await t.readU32(ring)).toEqual(padded(want.ring, 5));
      const got = await t.readU32(until);
      want.until.forEach((limits, head) => {
        const row = got.subarray(head * untilStride, (head + 1) * untilStride);
        expect([...row.subarray(0, limits.length)]).toEqual(limits);
        expect(row.subarray(limits.length).every((word) => word === SENTINEL)).toBe(true);
        // The limits say what the formula says, for every query of the chunk.
        const flag = flagOf(bits, KV_HEADS, position + rows, rule);
        const keys = [...state.positions[head], ...Array.from({ length: rows }, (_, r) => position + r)];
        for (let i = position; i < position + rows; i += 5) {
          const wrong = keys.filter((j, at) => j <= i && i <= limits[at] !== mayAttend(i, j, flag(j, head), window));
          expect(wrong).toEqual([]);
        }
      });
    });
  }
});
