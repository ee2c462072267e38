/**
 * A session that is saved and restored into another goes on as if nothing had happened, bit for bit; and the record of
 * dropped tokens is what the reference's bits say. The models are small and random, the device is real.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { CacheFullError } from '../cache/errors.ts';
import type { CachePolicy } from '../cache/policy.ts';
import { type Gpu, openGpu } from '../gpu/device.ts';
import type { KvFormat } from '../kernels/kv_layout.ts';
import { defined } from '../util/assert.ts';
import { createRng } from '../util/rng.ts';
import type { ModelConfig } from './config.ts';
import type { DmsConfig } from './dms_config.ts';
import { type GpuModel, loadModel } from './load.ts';
import { type ReferenceModel, referenceForward } from './reference.ts';
import type { Session, SessionState } from './session_types.ts';
import { syntheticModel } from './synthetic.ts';

Object.assign(globalThis, globals);
const dawn = create([]);

const CONFIG: ModelConfig = {
  ...{ architecture: 'qwen3', hiddenSize: 64, intermediateSize: 64, numHiddenLayers: 2, numAttentionHeads: 4 },
  ...{ numKeyValueHeads: 2, headDim: 64, vocabSize: 96, rmsNormEps: 1e-6, ropeTheta: 100, headNorm: true },
  ...{ maxPositionEmbeddings: 4096, tieWordEmbeddings: false, qkvBias: false },
  ...{ ropeScaling: { type: 'default' }, noRopeLayers: [] },
};
const DMS: DmsConfig = { variant: 'adapter', window: 16, scale: 100, offset: 5, shift: 1, perHead: true };
const SAMPLING = { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1.1, seed: 1 };

let gpu: Gpu;
let model: GpuModel;
let reference: ReferenceModel;

beforeAll(async () => {
  gpu = await openGpu({ gpu: dawn });
  const { files, tensors } = syntheticModel({ config: CONFIG, dms: DMS, seed: 5 });
  model = await loadModel({ gpu, files, weights: 'f32', activations: 'f32' });
  reference = { config: CONFIG, dms: DMS, tensors };
});

afterAll(() => {
  model.destroy();
  gpu.destroy();
});

function randomIds(seed: number, count: number): number[] {
  const rng = createRng(seed);
  return Array.from({ length: count }, () => Math.floor(rng() * CONFIG.vocabSize));
}

async function write(session: Session, maxTokens: number): Promise<number[]> {
  const tokens: number[] = [];
  const options = { sampling: SAMPLING, maxTokens, stopTokens: [] };
  for await (const token of session.generate(options)) tokens.push(token);
  return tokens;
}

/** The logits after one more token, as bits. */
async function logitsAfter(session: Session, id: number): Promise<Uint32Array> {
  await session.prefill([id]);
  const { logits } = await session.save();
  return new Uint32Array(defined(logits, 'logits').buffer);
}

/** What another process would get: a copy of the words and nothing else. */
function copied(state: SessionState): SessionState {
  return structuredClone(state);
}

const POLICIES: readonly CachePolicy[] = [
  { kind: 'dms' },
  { kind: 'dms', offset: 2 },
  { kind: 'dense' },
  { kind: 'window', window: 20, sinks: 3 },
];
const FORMATS: readonly KvFormat[] = ['int8', 'f16', 'f32'];
/** Before, at and past the edges of ring (17) and page (32), and far past both. */
const LENGTHS = [5, 16, 17, 18, 32, 33, 200];

describe.each(POLICIES)('a session under %j', (policy) => {
  test.each(FORMATS)('goes on from a saved state bit for bit, in %s', async (kv) => {
    const options = { policy, kv, context: 400, chunk: 48 };
    const here = await model.createSession(options);
    const there = await model.createSession(options);
    // What was there before must leave no trace.
    await there.prefill(randomIds(99, 150));
    await write(there, 3);
    for (const length of LENGTHS) {
      here.reset();
      await here.prefill(randomIds(length, length));
      const unanswered = copied(await here.save());
      await there.restore(unanswered);
      expect(there.position).toBe(length);
      expect(there.occupancy().live).toEqual(here.occupancy().live);
      const before = await write(here, 6);
      expect(await write(there, 6)).toEqual(before);
      await there.restore(copied(await here.save()));
      expect(await logitsAfter(there, 7)).toEqual(await logitsAfter(here, 7));
    }
    expect(await write(there, 64)).toEqual(await write(here, 64));
    expect(there.occupancy().live).toEqual(here.occupancy().live);
    expect(await there.dropped()).toEqual(await here.dropped());
    here.destroy();
    there.destroy();
  });
});

test.each(FORMATS)(
  '3,000 tokens come back with the same next logits, and go on without being read, in %s',
  async (kv) => {
    const options = { kv, context: 3200 };
    const here = await model.createSession(options);
    await here.prefill(randomIds(3, 3000));
    const state = await here.save();
    const there = await model.createSession(options);
    await there.restore(copied(state));
    expect(there.position).toBe(3000);
    expect(there.occupancy().ratio).toBeGreaterThan(1.5);
    const restored = defined((await there.save()).logits, 'logits');
    expect(new Uint32Array(restored.buffer)).toEqual(new Uint32Array(defined(state.logits, 'logits').buffer));
    // The first token falls out of what was restored.
    expect(await write(there, 64)).toEqual(await write(here, 64));
    expect(await logitsAfter(there, 7)).toEqual(await logitsAfter(here, 7));
    here.destroy();
    there.destroy();
  },
);

test('a state holds live slots only, and what it does not fit into stays as it was', async () => {
  const options = { kv: 'int8', context: 300, chunk: 64 } as const;
  const here = await model.createSession(options);
  await here.prefill(randomIds(1, 300));
  const { cache } = await here.save();
  const live = here.occupancy().live.reduce((sum, length) => sum + length, 0);
  expect(live).toBeLessThan(300 * 4);
  expect(cache.slots.reduce((sum, { length }) => sum + length, 0)).toBe((live * (2 * 64 + 2 * 4)) / 4);
  const state = await here.save();
  for (const limits of [{ context: 299 }, { budgetBytes: 60_000 }]) {
    const small = await model.createSession({ ...options, ...limits });
    const twin = await model.createSession({ ...options, ...limits });
    for (const session of [small, twin]) await session.prefill(randomIds(2, 20));
    await expect(small.restore(state)).rejects.toBeInstanceOf(CacheFullError);
    expect(await logitsAfter(small, 3)).toEqual(await logitsAfter(twin, 3));
    small.destroy();
    twin.destroy();
  }
  here.destroy();
});

test.each([17, 64, 300])('after %i tokens the record of dropped tokens is what the bits say', async (tokens) => {
  const ids = randomIds(tokens, tokens);
  const { bits } = referenceForward(reference, ids);
  const session = await model.createSession({ kv: 'f32', context: 320, chunk: 40 });
  // Most of it in chunks, the end token by token.
  const split = tokens - 10;
  await session.prefill(ids.slice(0, split));
  for (const id of ids.slice(split)) await session.prefill([id]);
  const words = Math.ceil(tokens / 32);
  const dropped = await session.dropped();
  const heads = CONFIG.numHiddenLayers * CONFIG.numKeyValueHeads;
  expect(dropped.length).toBe(heads * words);
  for (let head = 0; head < heads; head++) {
    const got = Array.from({ length: tokens }, (_, p) => (dropped[head * words + (p >> 5)] >>> (p & 31)) & 1);
    // Shift 1: the bit at p + 1 is about p. A flagged token is held until it leaves the ring of window + 1.
    const want = got.map((_, p) => (p < tokens - DMS.window - 1 ? bits[head * tokens + p + 1] : 0));
    expect(got).toEqual(want);
  }
  session.destroy();
});

test('the form tells models, formats and policies apart', async () => {
  const form = async (of: GpuModel, options = {}) => {
    const session = await of.createSession({ context: 64, ...options });
    const said = await session.form();
    session.destroy();
    return said;
  };
  const own = await form(model);
  expect(own).toEqual(await form(model));
  expect(own).toMatchObject({ kv: 'int8', policy: { kind: 'dms', offset: 5 }, ringSize: 17, vocabSize: 96 });
  expect(own.model).toMatch(/^[0-9a-f]{64}$/);
  for (const change of [{ seed: 6 }, { dms: { ...DMS, window: 15 } }, { dms: null }]) {
    const { files } = syntheticModel({ config: CONFIG, dms: DMS, seed: 5, ...change });
    const other = await loadModel({ gpu, files, weights: 'f32', activations: 'f32' });
    expect((await form(other)).model).not.toBe(own.model);
    other.destroy();
  }
});
