import { describe, expect, test } from 'vitest';
import { type EvictStateRef, evictRef } from '../../shaders/evict.ref.ts';
import { createRng } from '../util/rng.ts';
import { evict } from './evict.ts';
import { flagOf, randomBits, tokensOf } from './test_dms.ts';
import { SENTINEL, TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();
const BEFORE = 5;
const FLAG = 0x80000000;
const NO_SLOT = 0xffffffff;

const CASES = [
  { window: 1, tokens: 7, kvHeads: 3 },
  { window: 16, tokens: 53, kvHeads: 3 },
  { window: 16, tokens: 18, kvHeads: 1 },
  { window: 3, tokens: 13, kvHeads: 33 },
].flatMap((c) => [0, 1].flatMap((shift) => [0, 1].map((perHead) => ({ ...c, shift, perHead }) as Case)));

interface Case {
  readonly window: number;
  readonly tokens: number;
  readonly kvHeads: number;
  readonly shift: 0 | 1;
  readonly perHead: 0 | 1;
}

/** Runs `tokens` steps on the GPU and returns the slots of each, the ring and the live lengths. */
async function runSteps(c: Case, bits: Uint32Array, halted: readonly number[] = []) {
  const { window, tokens, kvHeads } = c;
  // Words before the layer's own, and flags in a ring that was never cleared, must both be left out of account.
  const ring = t.inout(new Uint32Array(BEFORE + kvHeads * (window + 1)).fill(0xfffffff0));
  const live = t.inout(Uint32Array.from({ length: BEFORE + kvHeads }, (_, i) => (i < BEFORE ? SENTINEL : 0)));
  const slots = t.output(tokens * kvHeads);
  const droppedStride = Math.ceil(tokens / 32) + 1;
  const dropped = t.inout(new Uint32Array(BEFORE + kvHeads * droppedStride));
  const alpha = t.input(bits);
  const [going, stopped] = [t.input(new Uint32Array([0, 9])), t.input(new Uint32Array([1, 0]))];
  await t.run(
    ...Array.from({ length: tokens }, (_, n) =>
      evict({
        ...{ alpha, ring, live, slots, dropped, state: halted.includes(n) ? stopped : going, kvHeads },
        ...{ position: n, ringSize: window + 1, shift: c.shift, perHead: c.perHead },
        ...{ alphaBase: n * kvHeads, ringBase: BEFORE, liveBase: BEFORE, slotBase: n * kvHeads },
        ...{ droppedBase: BEFORE, droppedStride },
      }),
    ),
  );
  return {
    ring: await t.readU32(ring),
    live: await t.readU32(live),
    slots: await t.readU32(slots),
    dropped: tokensOf(await t.readU32(dropped), { base: BEFORE, stride: droppedStride, heads: kvHeads }),
  };
}

describe('evict', () => {
  test.each(CASES)('w $window, $tokens tokens, $kvHeads heads, shift $shift, per head $perHead', async (c) => {
    const { window, tokens, kvHeads, shift, perHead } = c;
    const bits = randomBits(createRng(window * 100 + tokens), tokens, kvHeads, 0.6);
    const got = await runSteps(c, bits);
    const state: EvictStateRef = {
      rings: Array.from({ length: kvHeads }, () =>
        Array.from({ length: window + 1 }, () => ({ slot: 0, flag: false })),
      ),
      live: new Array<number>(kvHeads).fill(0),
      dropped: Array.from({ length: kvHeads }, () => new Set<number>()),
    };
    for (let n = 0; n < tokens; n++) {
      const own = Array.from({ length: kvHeads }, (_, head) => bits[n * kvHeads + (perHead ? head : 0)] === 1);
      const want = evictRef(state, { n, bits: own, shift });
      expect([...got.slots.subarray(n * kvHeads, (n + 1) * kvHeads)]).toEqual(want);
    }
    const words = state.rings.flatMap((ring) => ring.map(({ slot, flag }) => slot + (flag ? FLAG : 0)));
    const seen = got.ring.subarray(BEFORE);
    if (tokens > window) expect([...seen]).toEqual(words);
    expect([...got.live.subarray(BEFORE)]).toEqual(state.live);
    expect(got.dropped).toEqual(state.dropped.map((tokens) => [...tokens]));
    expect([...got.live.subarray(0, BEFORE), ...got.ring.subarray(0, BEFORE)]).toEqual([
      ...new Array(BEFORE).fill(SENTINEL),
      ...new Array(BEFORE).fill(0xfffffff0),
    ]);
    // The formula: every token but those flagged which have left the ring.
    const flag = flagOf(bits, kvHeads, tokens, { window, shift, perHead: perHead === 1 });
    state.live.forEach((length, head) => {
      const gone = Array.from({ length: Math.max(0, tokens - 1 - window) }, (_, j) => flag(j, head));
      expect(length).toBe(tokens - gone.reduce((sum, bit) => sum + bit, 0));
    });
  });

  test('a halted step changes nothing and gives no slot', async () => {
    const c: Case = { window: 2, tokens: 9, kvHeads: 3, shift: 1, perHead: 1 };
    const bits = randomBits(createRng(3), c.tokens, c.kvHeads, 0.6);
    const halted = await runSteps(c, bits, [7, 8]);
    const shorter = await runSteps({ ...c, tokens: 7 }, bits);
    expect(halted.ring).toEqual(shorter.ring);
    expect(halted.live).toEqual(shorter.live);
    expect(halted.dropped).toEqual(shorter.dropped);
    expect([...halted.slots]).toEqual([...shorter.slots, ...new Array(6).fill(NO_SLOT)]);
  });
});
