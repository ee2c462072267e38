import { describe, expect, test } from 'vitest';
import { DROPPED_REF, prefillCommitRef } from '../../shaders/prefill_commit.ref.ts';
import { prefillMaskRef } from '../../shaders/prefill_mask.ref.ts';
import { createRng } from '../util/rng.ts';
import { MAX_CHUNK_ROWS, prefillCommit } from './prefill_commit.ts';
import { flagOf, pushTokens, randomBits, tokensOf } from './test_dms.ts';
import { padded, SENTINEL, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
const KV_HEADS = 3;

const CASES = [
  { position: 0, rows: 1, window: 1 },
  { position: 0, rows: MAX_CHUNK_ROWS, window: 16 },
  { position: 1, rows: 1, window: 1 },
  { position: 3, rows: 2, window: 1 },
  { position: 15, rows: 1, window: 16 },
  { position: 16, rows: 1, window: 16 },
  { position: 17, rows: 1, window: 16 },
  { position: 40, rows: 16, window: 16 },
  { position: 40, rows: 17, window: 16 },
  { position: 40, rows: 18, window: 16 },
  { position: 300, rows: 257, window: 64 },
  { position: 600, rows: MAX_CHUNK_ROWS, window: 512 },
  { position: 600, rows: MAX_CHUNK_ROWS - 1, window: 4096 },
].flatMap((sizes) => [0, 1].map((shift) => ({ ...sizes, shift: shift as 0 | 1 })));

/** Position -> flag of the tokens in a head's ring, and that each one's slot is where it says. */
function ringTokens(ring: Uint32Array, slots: readonly number[], size: number, seen: number) {
  return Array.from({ length: Math.min(size, seen) }, (_, back) => {
    const p = seen - 1 - back;
    const entry = ring[p % size];
    expect(slots[entry % 2 ** 31]).toBe(p);
    return entry >= 2 ** 31;
  });
}

describe('prefill_commit', () => {
  for (const perHead of [true, false]) {
    test.each(CASES)(`n $position, $rows rows, w $window, shift $shift, per head ${perHead}`, async (sizes) => {
      const { position, rows, window, shift } = sizes;
      const rule = { window, shift, perHead };
      const bits = randomBits(createRng(position * 3 + rows + window), position + rows, KV_HEADS, 0.5);
      const alpha = bits.slice(position * KV_HEADS);
      const before = pushTokens(bits, KV_HEADS, position, rule);
      const input = { ...before, alpha, position, rows, window, shift, perHead };
      const marked = prefillMaskRef(input).ring;
      const slotStride = rows + 2;
      const [ring, live] = [t.inout(padded(marked, 5)), t.inout(padded(before.live, 2))];
      const slotOfRow = t.output(KV_HEADS * slotStride);
      const droppedStride = Math.ceil((position + rows) / 32) + 1;
      const dropped = t.inout(new Uint32Array(3 + KV_HEADS * droppedStride));
      await t.run(
        prefillCommit({
          ...{ alpha: t.input(padded(alpha, 7)), ring, live, slotOfRow, position, rows, shift, perHead, slotStride },
          ...{ kvHeads: KV_HEADS, ringSize: window + 1, alphaBase: 7, ringBase: 5, liveBase: 2 },
          ...{ dropped, droppedBase: 3, droppedStride },
        }),
      );
      const want = prefillCommitRef({ ...input, ring: marked });
      expect(await t.readU32(ring)).toEqual(padded(want.ring, 5));
      expect(await t.readU32(live)).toEqual(padded(want.live, 2));
      const got = await t.readU32(slotOfRow);
      const gone = { base: 3, stride: droppedStride, heads: KV_HEADS };
      expect(tokensOf(await t.readU32(dropped), gone)).toEqual(want.dropped);

      // The same cache as token by token, up to a permutation of slots.
      const seen = position + rows;
      const pushed = pushTokens(bits, KV_HEADS, seen, rule);
      expect(want.live).toEqual(pushed.live);
      const flag = flagOf(bits, KV_HEADS, seen, rule);
      for (let head = 0; head < KV_HEADS; head++) {
        const row = got.subarray(head * slotStride, (head + 1) * slotStride);
        expect(row.subarray(0, rows)).toEqual(want.slotOfRow.subarray(head * rows, (head + 1) * rows));
        expect([...row.subarray(rows)]).toEqual([SENTINEL, SENTINEL]);
        const slots = before.positions[head].slice();
        row.subarray(0, rows).forEach((slot, r) => {
          if (slot !== DROPPED_REF) slots[slot] = position + r;
        });
        expect(slots.toSorted((a, b) => a - b)).toEqual(pushed.positions[head].toSorted((a, b) => a - b));
        const size = window + 1;
        const kept = ringTokens(want.ring.subarray(head * size, (head + 1) * size), slots, size, seen);
        kept.forEach((flagged, back) => {
          expect(flagged).toBe(flag(seen - 1 - back, head) === 1);
        });
      }
    });
  }
});
