import { describe, expect, test } from 'vitest';
import { argmaxRef, penalisedRef } from '../../shaders/argmax.ref.ts';
import { finishTokenRef, type TokenState } from '../../shaders/lib/finish_token.ref.ts';
import { createRng, normals } from '../util/rng.ts';
import { argmax, argmaxKernel } from './argmax.ts';
import { HALTED } from './sample_buffers.ts';
import { labelOf, runsOn } from './spec.ts';
import { TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();

const VOCABS = [1, 3, 4, 1000, 1001, 1023, 1024, 1025, 4096, 4097, 49_152, 151_936];

/** What a fresh chat has, with the given tokens seen and stopped at. */
function stateOf(vocab: number, { seen = [] as number[], stops = [] as number[] } = {}): TokenState {
  const bits = new Uint32Array(Math.ceil(vocab / 32));
  for (const token of seen) bits[token >> 5] |= 1 << (token & 31);
  return {
    tokens: Uint32Array.of(7, 8),
    state: new Uint32Array(4),
    stops: Uint32Array.of(stops.length, ...stops, 0),
    seen: bits,
    result: new Uint32Array(2),
  };
}

/** Runs kernel and twin on the same input; expects the same in every buffer, and returns the token. */
async function both(args: { logits: Float32Array; state: TokenState; penalty?: number; subgroups: boolean }) {
  const { logits, state, penalty = 1, subgroups } = args;
  // What pads the last quad must never be looked at.
  const padded = new Float32Array(Math.ceil(logits.length / 4) * 4).fill(Number.MAX_VALUE);
  padded.set(logits);
  const buffers = {
    logits: t.input(padded),
    tokens: t.inout(state.tokens),
    state: t.inout(state.state),
    stops: t.input(state.stops),
    seen: t.inout(state.seen),
    result: t.inout(state.result),
  };
  await t.run(argmax({ ...buffers, vocab: logits.length, repetitionPenalty: penalty, subgroups }));
  finishTokenRef(state, () => argmaxRef(penalisedRef(logits, state.seen, penalty)));
  for (const name of ['result', 'tokens', 'state', 'seen'] as const) {
    expect(await t.readU32(buffers[name]), name).toEqual(state[name]);
  }
  for (const buffer of Object.values(buffers)) t.buffers.destroy(buffer);
  return state.result[0];
}

for (const variant of argmaxKernel.variants) {
  const { subgroups } = variant;
  describe.skipIf(!runsOn(variant, t.gpu))(labelOf(argmaxKernel, variant), () => {
    test.each(VOCABS)('vocabulary of %i: random logits, then a maximum at each end', async (vocab) => {
      const logits = normals(createRng(vocab), vocab, 5);
      await both({ logits, state: stateOf(vocab), subgroups });
      for (const token of [0, vocab - 1]) {
        expect(await both({ logits: logits.with(token, 99), state: stateOf(vocab), subgroups })).toBe(token);
      }
    });

    test.each([[[3, 2, 1]], [[1000, 999]], [[512, 1000, 257]], [[1023, 4]]])(
      'of equal logits at %j the lowest index wins',
      async (tied) => {
        const logits = normals(createRng(1), 1024);
        for (const token of tied) logits[token] = 50;
        expect(await both({ logits, state: stateOf(1024), subgroups })).toBe(Math.min(...tied));
      },
    );

    test('+0 and -0 are equal, and so are the infinities', async () => {
      const { POSITIVE_INFINITY: most, NEGATIVE_INFINITY: least } = Number;
      const zeros = new Float32Array(1001).fill(-1).with(9, -0).with(10, 0);
      expect(await both({ logits: zeros, state: stateOf(1001), subgroups })).toBe(9);
      const top = new Float32Array(1001).with(700, most).with(900, most);
      expect(await both({ logits: top, state: stateOf(1001), subgroups })).toBe(700);
      expect(await both({ logits: new Float32Array(1001).fill(least), state: stateOf(1001), subgroups })).toBe(0);
    });

    test('a NaN never wins', async () => {
      const nan = new Float32Array(1001).fill(Number.NaN);
      const state = () => stateOf(1001, { seen: [0, 1, 5] });
      for (const penalty of [1, 1.3]) {
        expect(await both({ logits: nan.with(1000, -1e30), state: state(), penalty, subgroups })).toBe(1000);
        const logits = nan.with(5, Number.NEGATIVE_INFINITY);
        expect(await both({ logits, state: state(), penalty, subgroups })).toBe(5);
        expect(await both({ logits: nan, state: state(), penalty, subgroups })).toBe(0);
      }
    });

    test('the penalty lowers seen tokens on both sides of zero', async () => {
      const high = new Float32Array(1001).fill(-9).with(40, 5).with(700, 4.9);
      expect(await both({ logits: high, state: stateOf(1001, { seen: [40] }), subgroups })).toBe(40);
      const seen = () => stateOf(1001, { seen: [40] });
      expect(await both({ logits: high, state: seen(), penalty: 1.1, subgroups })).toBe(700);
      const low = new Float32Array(1001).fill(-9).with(40, -1).with(700, -1.05);
      expect(await both({ logits: low, state: seen(), penalty: 1.1, subgroups })).toBe(700);
      const many = Array.from({ length: 500 }, (_, i) => i * 2);
      const logits = normals(createRng(3), 1001, 4);
      await both({ logits, state: stateOf(1001, { seen: many }), penalty: 1.7, subgroups });
    });

    test('a stop token is reported and halts; the next step changes nothing', async () => {
      const logits = normals(createRng(5), 1001).with(321, 30);
      const state = stateOf(1001, { stops: [4, 321] });
      expect(await both({ logits, state, subgroups })).toBe(321);
      expect([...state.result, ...state.state]).toEqual([321, 1, 1, 1, 0, 0]);
      const after = structuredClone(state);
      expect(await both({ logits: logits.with(2, 40), state, subgroups })).toBe(HALTED);
      expect(state).toEqual({ ...after, result: Uint32Array.of(HALTED, 1) });
    });
  });
}
