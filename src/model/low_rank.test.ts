/**
 * Low-rank updates of a sidecar on the GPU: the merged weights serve `dms` alone, the base's stay what they are, and
 * what they share is uploaded once. Against the same model merged beforehand, and against a retrofit from PyTorch.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { lowRankUpdates } from '../formats/low_rank.ts';
import { type ModelFiles, openModel } from '../formats/model_folder.ts';
import { quantiseW8 } from '../formats/quantise.ts';
import type { Checkpoint } from '../formats/tensor.ts';
import { type Gpu, openGpu } from '../gpu/device.ts';
import { defined } from '../util/assert.ts';
import type { ByteSource } from '../util/byte_source.ts';
import { createRng } from '../util/rng.ts';
import type { ModelConfig } from './config.ts';
import { type DmsConfig, dmsFromSidecar } from './dms_config.ts';
import { fileSource, firstDifference, nmse, tensorFile } from './golden.ts';
import { type GpuModel, loadModel } from './load.ts';
import { readTensors, referenceForward } from './reference.ts';
import { syntheticModel, syntheticUpdates, type TensorValues, withTensors } from './synthetic.ts';
import { WeightSets } from './weight_sets.ts';

Object.assign(globalThis, globals);
const dawn = create([]);

const CONFIG: ModelConfig = {
  ...{ architecture: 'qwen3', hiddenSize: 64, intermediateSize: 96, numHiddenLayers: 2, numAttentionHeads: 4 },
  ...{ numKeyValueHeads: 2, headDim: 64, vocabSize: 96, rmsNormEps: 1e-6, ropeTheta: 100, headNorm: true },
  ...{ maxPositionEmbeddings: 4096, tieWordEmbeddings: false, qkvBias: false },
  ...{ ropeScaling: { type: 'default' }, noRopeLayers: [] },
};
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const DMS: DmsConfig = { variant: 'adapter', window: 8, scale: 100, offset: 5, shift: 1, perHead: true };
const TOKENS = 60;
const ALL = () => true;

const base = syntheticModel({ config: CONFIG, dms: DMS, seed: 11 });
const rng = createRng(5);
const ids = Array.from({ length: TOKENS }, () => Math.floor(rng() * CONFIG.vocabSize));

/** The base with updates beside it, and its tensors with the updates merged. */
function retrofitted(changes: (weight: string) => boolean) {
  const { sidecar, merged } = syntheticUpdates({ ...base, dms: DMS, rank: 6, seed: 12, changes });
  return { files: { ...base.files, sidecar }, sidecar, merged };
}

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu({ gpu: dawn });
});
afterAll(() => gpu.destroy());

const EXACT = { weights: 'f32', activations: 'f32' } as const;

/** Logits [tokens, vocab], bits and live lengths under a policy. */
async function outputs(model: GpuModel, kind: 'dms' | 'dense') {
  const evaluator = await model.createEvaluator({ policy: { kind }, kv: 'f32', context: TOKENS, chunk: 32 });
  const logits = new Float32Array(TOKENS * CONFIG.vocabSize);
  const onRow = (row: number, values: Float32Array): void => logits.set(values, row * CONFIG.vocabSize);
  await evaluator.run(ids, { rows: () => true, onRow });
  const result = { logits, bits: evaluator.bits(), live: [...evaluator.live()] };
  evaluator.destroy();
  return result;
}

async function outputsOf(files: ModelFiles, kind: 'dms' | 'dense', options: object = EXACT) {
  const model = await loadModel({ gpu, files, policy: { kind }, ...options });
  const result = await outputs(model, kind);
  model.destroy();
  return result;
}

describe('in f32', () => {
  const { files, merged } = retrofitted(ALL);
  let model: GpuModel;
  beforeAll(async () => {
    model = await loadModel({ gpu, files, ...EXACT });
  });
  afterAll(() => model.destroy());

  test('dms computes what the model does whose weights were merged beforehand', async () => {
    const got = await outputs(model, 'dms');
    const want = await outputsOf(withTensors(base.files, merged), 'dms');
    expect(nmse(got.logits, want.logits)).toBeLessThan(1e-9);
    expect(firstDifference(got.bits, want.bits)).toBe(-1);
    expect(got.live).toEqual(want.live);
    const reference = referenceForward({ config: CONFIG, dms: DMS, tensors: merged }, ids);
    expect(nmse(got.logits, reference.logits)).toBeLessThan(1e-8);
    expect(firstDifference(got.bits, reference.bits)).toBe(-1);
    const untouched = await outputsOf(base.files, 'dms');
    expect(nmse(got.logits, untouched.logits)).toBeGreaterThan(1e-2);
  });

  test('dense is the base, to the bit', async () => {
    const want = await outputsOf(base.files, 'dense');
    expect((await outputs(model, 'dense')).logits).toEqual(want.logits);
    // And dms is still what it was, with both sets there.
    const dms = await outputsOf(withTensors(base.files, merged), 'dms');
    expect(nmse((await outputs(model, 'dms')).logits, dms.logits)).toBeLessThan(1e-9);
  });
});

/** The tensors as files hold them, those that `held` says in Q8_0. */
function inQ8(tensors: TensorValues, held: (weight: string) => boolean): ModelFiles {
  const { checkpoint, ...rest } = withTensors(base.files, tensors);
  const infos = new Map(checkpoint.tensors);
  const contents = new Map<string, Uint8Array>();
  for (const [name, info] of infos) {
    if (!held(name)) continue;
    const { codes, scales } = quantiseW8(defined(tensors.get(name), name), info.shape[1], name);
    const halves = new Uint16Array(defined(scales, name).buffer);
    const bytes = new Uint8Array((codes.length / 8) * 34);
    for (let group = 0; group < codes.length / 8; group++) {
      new DataView(bytes.buffer).setUint16(group * 34, halves[group], true);
      bytes.set(new Uint8Array(codes.buffer, group * 32, 32), group * 34 + 2);
    }
    contents.set(name, bytes);
    infos.set(name, { ...info, type: 'Q8_0', byteLength: bytes.length });
  }
  const read = async (name: string) => contents.get(name) ?? checkpoint.read(name);
  return { ...rest, checkpoint: { ...checkpoint, tensors: infos, read } };
}

const isProjection = (name: string) => /\.(self_attn|mlp)\.[a-z]+_proj\.weight$/.test(name);

test('with native weights a merged projection is the Q8_0 of the sum, and so are those joined with it', async () => {
  const some = (name: string) => /q_proj|up_proj|o_proj/.test(name);
  const { files, merged } = retrofitted(some);
  const got = await outputsOf(files, 'dms', {});
  // down_proj alone is joined with nothing that was updated.
  const want = await outputsOf(
    inQ8(merged, (name) => isProjection(name) && !name.includes('down_proj')),
    'dms',
    {},
  );
  expect(got).toEqual(want);
  expect((await outputsOf(files, 'dense', {})).logits).toEqual((await outputsOf(base.files, 'dense', {})).logits);
});

describe('sets of weights', () => {
  /** Sets over a base whose tensors of one group differ in type. */
  function setsOf(sidecar: Checkpoint, files = inQ8(base.tensors, (name) => name.includes('k_proj'))) {
    const updates = lowRankUpdates(sidecar, files.checkpoint);
    const { checkpoint } = files;
    return new WeightSets({ gpu, checkpoint, sidecar, config: CONFIG, dms: DMS, updates, weights: 'native' });
  }
  const { sidecar } = retrofitted((name) => name.includes('layers.0') && name.includes('q_proj'));

  test('share all but the joined projections that have an update', async () => {
    const sets = setsOf(sidecar);
    const told: (readonly [number, number])[] = [];
    const merged = await sets.forPolicy('dms');
    const bytes = sets.allocatedBytes;
    const dense = await sets.forPolicy('dense', { onProgress: (done, total) => told.push([done, total]) });
    expect(dense).not.toBe(merged);
    expect(dense.embedding).toBe(merged.embedding);
    expect(dense.layers[1]).toEqual(merged.layers[1]);
    const { qkv, ...rest } = dense.layers[0];
    for (const [name, tensor] of Object.entries(rest)) {
      expect(tensor, name).toBe(merged.layers[0][name as keyof typeof rest]);
    }
    expect([merged.layers[0].qkv.format, qkv.format]).toEqual(['w8', 'f32']);
    expect(sets.allocatedBytes - bytes).toBe(qkv.codes.size);
    expect(told.at(-1)?.[0]).toBe(told.at(-1)?.[1]);
    expect(await sets.forPolicy('window')).toBe(dense);
    expect(await sets.forPolicy('dms')).toBe(merged);
    sets.destroy();
    expect(sets.allocatedBytes).toBe(0);
    await expect(sets.forPolicy('dms')).rejects.toThrow('The model was destroyed');
  });

  test('are one where there is no update', async () => {
    const sets = setsOf(retrofitted(() => false).sidecar);
    expect(await sets.forPolicy('dms')).toBe(await sets.forPolicy('dense'));
    sets.destroy();
  });

  test('asked for twice at once are loaded once', async () => {
    const sets = setsOf(sidecar);
    const [first, second] = await Promise.all([sets.forPolicy('dms'), sets.forPolicy('dms')]);
    expect(first).toBe(second);
    sets.destroy();
  });

  test('that fail to load leave nothing behind, and load later', async () => {
    let broken = true;
    const read: Checkpoint['read'] = async (name, signal) => {
      if (broken && name.endsWith('q_proj.lora_B.weight')) throw new Error('offline');
      return sidecar.read(name, signal);
    };
    const sets = setsOf({ ...sidecar, read });
    const dense = await sets.forPolicy('dense');
    const bytes = sets.allocatedBytes;
    await expect(sets.forPolicy('dms')).rejects.toThrow('offline');
    expect(sets.allocatedBytes).toBe(bytes);
    expect(await sets.forPolicy('dense')).toBe(dense);
    broken = false;
    expect((await sets.forPolicy('dms')).embedding).toBe(dense.embedding);
    sets.destroy();
  });

  test('stop loading at a signal, and when the model goes', async () => {
    const sets = setsOf(sidecar);
    const stop = new AbortController();
    const onProgress = (): void => stop.abort(new Error('enough'));
    const stopped = sets.forPolicy('dms', { signal: stop.signal, onProgress });
    const behind = sets.forPolicy('dense', { onProgress: () => sets.destroy() });
    await expect(stopped).rejects.toThrow('enough');
    await expect(behind).rejects.toThrow('The model was destroyed');
    expect(sets.allocatedBytes).toBe(0);
  });
});

const RETROFIT = 'e2e/fixtures/retrofit';
const ROWS = [0, 333, 666, 999];

test('what a short training in PyTorch left gives the same bits on 1,000 tokens, and the same logits', async () => {
  const open = async (file: string) => (existsSync(`${RETROFIT}/${file}`) ? fileSource(`${RETROFIT}/${file}`) : null);
  const source = await fileSource(`${RETROFIT}/sidecar.safetensors`);
  const hash = async (weights: ByteSource) => sha256(await weights.read(0, weights.size));
  const files = await openModel({ name: RETROFIT, open }, { adapters: { source, hash } });
  const golden = await tensorFile(`${RETROFIT}/golden.safetensors`);
  const [ids, alpha, live] = [await golden.i32('ids'), await golden.u8('alpha'), await golden.i32('live')];
  const wanted = await golden.f32('logits');
  const model = await loadModel({ gpu, files, ...EXACT });
  const vocab = model.config.vocabSize;
  const logits = new Float32Array(ROWS.length * vocab);
  const evaluator = await model.createEvaluator({ kv: 'f32', context: ids.length });
  await evaluator.run([...ids], {
    rows: (row) => ROWS.includes(row),
    onRow: (row, values) => logits.set(values, ROWS.indexOf(row) * vocab),
  });
  expect(firstDifference(evaluator.bits(), alpha)).toBe(-1);
  expect([...evaluator.live()]).toEqual([...live]);
  expect(nmse(logits, wanted)).toBeLessThan(1e-9);
  evaluator.destroy();
  const { config } = model;
  model.destroy();
  const dms = dmsFromSidecar(defined(files.sidecar, 'the sidecar').metadata);
  const got = referenceForward({ config, dms, tensors: await readTensors(files) }, [...ids]);
  expect(firstDifference(got.bits, alpha)).toBe(-1);
  expect([...got.live]).toEqual([...live]);
});
