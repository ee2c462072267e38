import { describe, expect, test } from 'vitest';
import { penalisedRef } from '../../shaders/argmax.ref.ts';
import { drawRef, filterRef, randomRef, type SampleFilters } from '../../shaders/sample.ref.ts';
import vectors from '../../shaders/vectors/sample.json' with { type: 'json' };
import { createRng, normals } from '../util/rng.ts';
import { type SampleSettings, sample, sampleKernel } from './sample.ts';
import { HALTED } from './sample_buffers.ts';
import { labelOf } from './spec.ts';
import { TestGpu } from './test_gpu.ts';

const t = await TestGpu.open();

/** Where u is nearer to a boundary between tokens than this, f32 sums may decide otherwise. */
const DRAW_MARGIN = 3e-6;

/** SwiftShader, the adapter without f16, takes some ten times as long as lavapipe: there a part is drawn. */
const PART = t.gpu.f16 ? 1 : 0.15;
const DRAWS = 4000 * PART;

const TITLE = 'T $temperature, k $topK, p $topP, min $minP, penalty $repetitionPenalty';

const OFF: SampleFilters = { temperature: 1, topK: 0, topP: 1, minP: 0 };

interface Draws {
  readonly logits: Float32Array;
  readonly settings: Partial<SampleSettings>;
  /** (seed, position) of each draw. */
  readonly keys: readonly (readonly [number, number])[];
  readonly seen?: readonly number[];
}

function bitsOf(tokens: readonly number[], vocab: number): Uint32Array {
  const bits = new Uint32Array(Math.ceil(vocab / 32));
  for (const token of tokens) bits[token >> 5] |= 1 << (token & 31);
  return bits;
}

/** One dispatch for each key, each with its own `seen` and `result`. */
async function draw({ logits, settings, keys, seen = [] }: Draws): Promise<Uint32Array> {
  const vocab = logits.length;
  const padded = new Float32Array(Math.ceil(vocab / 4) * 4).fill(Number.MAX_VALUE);
  padded.set(logits);
  const seenStride = Math.ceil(vocab / 32 / 64) * 64;
  const bits = new Uint32Array(seenStride * keys.length);
  for (let i = 0; i < keys.length; i++) bits.set(bitsOf(seen, vocab), i * seenStride);
  const buffers = {
    logits: t.input(padded),
    tokens: t.output(1),
    state: t.inout(new Uint32Array(4)),
    stops: t.input(Uint32Array.of(0)),
    seen: t.inout(bits),
    result: t.inout(new Uint32Array(keys.length * 64)),
  };
  const specs = keys.map(([seed, position], i) => {
    const off = { ...OFF, repetitionPenalty: 1, vocab };
    const spec = sample({ ...buffers, ...off, ...settings, seed, position });
    const result = { buffer: buffers.result, offset: i * 256, size: 8 };
    const own = { buffer: buffers.seen, offset: i * seenStride * 4, size: seenStride * 4 };
    return { ...spec, buffers: { ...spec.buffers, result, seen: own } };
  });
  await t.run(...specs);
  expect(await t.readU32(buffers.state)).toEqual(Uint32Array.of(0, keys.length, 0, 0));
  const results = await t.readU32(buffers.result);
  const tokens = Uint32Array.from(keys, (_, i) => results[i * 64]);
  expect(await t.readU32(buffers.tokens)).toEqual(tokens.slice(-1));
  for (const buffer of Object.values(buffers)) t.buffers.destroy(buffer);
  return tokens;
}

function keysOf(count: number, first = 0): [number, number][] {
  return Array.from({ length: Math.ceil(count * PART) }, (_, i) => [Math.imul(i + first, 2654435761) >>> 0, i % 7]);
}

/**
 * Expects the twin's token at every draw; where u is within rounding of a boundary between tokens, one whose part of
 * the cumulative distribution is that near to u.
 */
async function agrees(args: Draws): Promise<void> {
  const { logits, settings, keys, seen = [] } = args;
  const penalised = penalisedRef(logits, bitsOf(seen, logits.length), settings.repetitionPenalty ?? 1);
  const { probabilities, doubt } = filterRef(penalised, { ...OFF, ...settings });
  const upTo = new Float64Array(logits.length);
  probabilities.forEach((probability, token) => {
    upTo[token] = (upTo[token - 1] ?? 0) + probability;
  });
  const tokens = await draw(args);
  keys.forEach((key, i) => {
    const u = randomRef(...key);
    const token = tokens[i];
    if (token === drawRef(probabilities, u)) return;
    expect(probabilities[token] + doubt, `token ${token} is kept`).toBeGreaterThan(0);
    const away = Math.max(u - upTo[token], upTo[token] - probabilities[token] - u);
    expect(away, `u from token ${token}`).toBeLessThan(DRAW_MARGIN + 2 * doubt);
  });
}

describe('the twin', () => {
  test.each(vectors.cases)(
    `leaves the distribution of transformers: ${TITLE}`,
    ({ kept, repetitionPenalty, ...filters }) => {
      const logits = Float32Array.from(vectors.logits);
      const penalised = penalisedRef(logits, bitsOf(vectors.seen, logits.length), repetitionPenalty);
      const { probabilities, doubt } = filterRef(penalised, filters);
      expect(doubt).toBe(0);
      const entries = [...probabilities.entries()].filter(([, probability]) => probability > 0);
      expect(entries.map(([token]) => String(token))).toEqual(Object.keys(kept));
      for (const [token, probability] of entries) {
        const want = new Map(Object.entries(kept)).get(String(token)) ?? 0;
        expect(Math.abs(probability / want - 1)).toBeLessThan(2e-5);
      }
    },
  );

  test('its random numbers are uniform over seeds and over positions', () => {
    for (const at of [(i: number) => randomRef(i, 5), (i: number) => randomRef(123, i)]) {
      const bins = new Array<number>(64).fill(0);
      for (let i = 0; i < 64_000; i++) bins[Math.floor(at(i) * 64)]++;
      // 63 degrees of freedom: 103 is passed once in a thousand.
      expect(bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(103);
    }
  });
});

const SETTINGS: Partial<SampleSettings>[] = [
  {},
  { temperature: 0.2, topP: 0.9 },
  { temperature: 0.6, topK: 20, topP: 0.95 },
  { topK: 40, minP: 0.05 },
  { topK: 256, topP: 0.8 },
  { topK: 700, temperature: 1.5 },
  { topK: 600, topP: 0.9, temperature: 2 },
  { topP: 0.9, temperature: 3 },
  { minP: 0.01 },
  { topK: 50, topP: 0.9, repetitionPenalty: 1.2 },
];

for (const variant of sampleKernel.variants) {
  describe(labelOf(sampleKernel, variant), () => {
    test.each(vectors.cases)(`draws as transformers would: ${TITLE}`, async ({ kept: _, ...settings }) => {
      const logits = Float32Array.from(vectors.logits);
      await agrees({ logits, settings, seen: vectors.seen, keys: keysOf(40) });
    });

    test.each(SETTINGS)('1001 tokens match the twin: %o', async (settings) => {
      const logits = normals(createRng(1001), 1001, 3);
      const seen = Array.from({ length: 300 }, (_, i) => i * 3);
      await agrees({ logits, settings, seen, keys: keysOf(40) });
    });

    test.each([1000, 49_152, 151_936])('a vocabulary of %i matches the twin', async (vocab) => {
      const logits = normals(createRng(vocab), vocab, 3);
      for (const [i, settings] of SETTINGS.entries()) {
        await agrees({ logits, settings, seen: [3, 99], keys: keysOf(3, i * 3) });
      }
    });

    test.each([1, 2, 5, 31])('a vocabulary of %i matches the twin', async (vocab) => {
      const logits = normals(createRng(vocab), vocab, 1);
      await agrees({ logits, settings: { topK: 3 }, keys: keysOf(40) });
      await agrees({ logits, settings: { topP: 0.7 }, keys: keysOf(40) });
    });

    test('draws over seeds have the frequencies of the filtered distribution', async () => {
      const logits = normals(createRng(24), 24, 1.2);
      const settings = { temperature: 0.9, topK: 16, topP: 0.95 };
      const keys = Array.from({ length: DRAWS }, (_, seed) => [seed, 17] as const);
      const tokens = await draw({ logits, settings, keys });
      const { probabilities } = filterRef(logits, { ...OFF, ...settings });
      const counts = new Float64Array(24);
      for (const token of tokens) counts[token]++;
      let chiSquare = 0;
      probabilities.forEach((probability, token) => {
        if (probability === 0) expect(counts[token]).toBe(0);
        else chiSquare += (counts[token] - DRAWS * probability) ** 2 / (DRAWS * probability);
      });
      const freedom = probabilities.filter((probability) => probability > 0).length - 1;
      expect(freedom).toBeGreaterThan(8);
      // Three deviations of a chi-square of that many degrees of freedom; the seeds are fixed.
      expect(chiSquare).toBeLessThan(freedom + 3 * Math.sqrt(2 * freedom));
    });

    test.each([1, 8, 256, 257, 600])('top-k of %i keeps so many, and what ties at the cut', async (topK) => {
      const logits = Float32Array.from({ length: 1001 }, (_, i) => ((i * 37) % 1001) / 500);
      await agrees({ logits, settings: { topK }, keys: keysOf(30) });
      const places = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);
      for (const token of places.slice(topK - 1, topK + 4)) logits[token] = logits[places[topK - 1]];
      await agrees({ logits, settings: { topK }, keys: keysOf(30) });
    });

    test('neighbouring floats are told apart', async () => {
      const words = Uint32Array.from({ length: 1400 }, (_, i) => 0x3fc00000 + i);
      const logits = new Float32Array(words.buffer);
      await agrees({ logits, settings: { topK: 600 }, keys: keysOf(40) });
      await agrees({ logits, settings: { topP: 0.5004 }, keys: keysOf(40) });
    });

    test.each<Partial<SampleSettings>>([{}, { topK: 5 }, { topK: 700 }, { topP: 0.3 }, { minP: 0.5 }])(
      'equal logits are all kept: %o',
      async (settings) => {
        const logits = new Float32Array(2000).fill(-4.5);
        await agrees({ logits, settings, keys: keysOf(40) });
      },
    );

    test.each<Partial<SampleSettings>>([{}, { topK: 5 }, { topK: 700 }, { topP: 0.3 }, { topP: 0 }])(
      'a single logit dominates: %o',
      async (settings) => {
        const logits = normals(createRng(9), 1001, 2).fill(Number.NEGATIVE_INFINITY, 10, 900);
        for (const value of [1e4, Number.POSITIVE_INFINITY]) {
          const tokens = await draw({ logits: logits.with(555, value), settings, keys: keysOf(5) });
          expect(new Set(tokens)).toEqual(new Set([555]));
        }
      },
    );

    test.each(SETTINGS)('-inf is never drawn, nor NaN: %o', async (settings) => {
      const logits = normals(createRng(10), 1001, 2).fill(Number.NEGATIVE_INFINITY, 0, 400);
      await agrees({ logits, settings, seen: [450, 500], keys: keysOf(20) });
      const withNan = logits.slice().fill(Number.NaN, 0, 400);
      const args = { settings, seen: [450, 500], keys: keysOf(20) };
      expect(await draw({ logits: withNan, ...args })).toEqual(await draw({ logits, ...args }));
    });

    test.each([1e-5, 0.01, 100])('a temperature of %d', async (temperature) => {
      const logits = normals(createRng(12), 3001, 3);
      for (const settings of SETTINGS.slice(0, 8)) {
        await agrees({ logits, settings: { ...settings, temperature }, keys: keysOf(6) });
      }
    });

    test('a stop token is reported and halts; the next step changes nothing', async () => {
      const buffers = {
        logits: t.input(new Float32Array(1004).fill(-50).with(321, 10)),
        tokens: t.inout(Uint32Array.of(7, 8)),
        state: t.inout(Uint32Array.of(0, 41, 0, 0)),
        stops: t.input(Uint32Array.of(2, 4, 321, 0)),
        seen: t.inout(new Uint32Array(32)),
        result: t.output(2),
      };
      const settings = { ...OFF, repetitionPenalty: 1, seed: 1, position: 2, vocab: 1001 };
      for (const result of [Uint32Array.of(321, 1), Uint32Array.of(HALTED, 1)]) {
        await t.run(sample({ ...buffers, ...settings }));
        expect(await t.readU32(buffers.result)).toEqual(result);
        expect(await t.readU32(buffers.tokens)).toEqual(Uint32Array.of(321, 8));
        expect(await t.readU32(buffers.state)).toEqual(Uint32Array.of(1, 42, 0, 0));
        expect(await t.readU32(buffers.seen)).toEqual(bitsOf([321], 1001));
      }
    });
  });
}
