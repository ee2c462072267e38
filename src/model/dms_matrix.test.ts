/**
 * The programs against the reference forward pass, over variants, shifts, windows and chunk sizes; and the reference's
 * attention against the numpy reference of DMS.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import type { DmsPolicy } from '../cache/policy.ts';
import { type Gpu, openGpu } from '../gpu/device.ts';
import { createRng, normals } from '../util/rng.ts';
import type { ModelConfig } from './config.ts';
import type { DmsConfig } from './dms_config.ts';
import { firstDifference } from './golden.ts';
import { type GpuModel, loadModel } from './load.ts';
import { type ReferenceRun, referenceAttention, referenceForward } from './reference.ts';
import { syntheticModel, type TensorValues } from './synthetic.ts';
import numpy from './vectors/dms_numpy.json' with { type: 'json' };

Object.assign(globalThis, globals);
const dawn = create([]);
/** The bound; what is measured is about 1e-5. */
const TOLERANCE = 2e-3;

const SMALL: ModelConfig = {
  ...{ architecture: 'qwen3', hiddenSize: 64, intermediateSize: 64, numHiddenLayers: 2, numAttentionHeads: 4 },
  ...{ numKeyValueHeads: 2, headDim: 64, vocabSize: 96, rmsNormEps: 1e-6, ropeTheta: 100, headNorm: true },
  ...{ maxPositionEmbeddings: 4096, tieWordEmbeddings: false, qkvBias: false },
  ...{ ropeScaling: { type: 'default' }, noRopeLayers: [] },
};
/** The default model's heads and hidden size, one layer. */
const DEFAULT_SHAPES: ModelConfig = {
  ...SMALL,
  ...{ architecture: 'llama', hiddenSize: 576, numHiddenLayers: 1, numAttentionHeads: 9, numKeyValueHeads: 3 },
  ...{ ropeTheta: 100000, rmsNormEps: 1e-5, headNorm: false },
};

function dmsOf(over: Partial<DmsConfig>): DmsConfig {
  return { variant: 'adapter', window: 16, scale: 100, offset: 5, shift: 1, perHead: true, ...over };
}

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu({ gpu: dawn });
});
afterAll(() => gpu.destroy());

interface Case {
  readonly model: GpuModel;
  readonly ids: readonly number[];
  readonly want: ReferenceRun;
  readonly reference: { readonly config: ModelConfig; readonly dms: DmsConfig; readonly tensors: TensorValues };
}

async function prepare(config: ModelConfig, dms: DmsConfig, tokens: number): Promise<Case> {
  const { files, tensors } = syntheticModel({ config, dms, seed: dms.window * 10 + dms.shift });
  const rng = createRng(tokens);
  const ids = Array.from({ length: tokens }, () => Math.floor(rng() * config.vocabSize));
  const reference = { config, dms, tensors };
  const model = await loadModel({ gpu, files, weights: 'f32', activations: 'f32' });
  return { model, ids, want: referenceForward(reference, ids), reference };
}

/** Largest difference of logits over their root mean square. */
function errorOf(got: Float32Array, want: Float32Array): number {
  const scale = Math.sqrt(want.reduce((sum, value) => sum + value * value, 0) / want.length);
  return got.reduce((worst, value, i) => Math.max(worst, Math.abs(value - want[i]) / scale), 0);
}

async function runOnGpu({ model, ids }: Case, chunk: number | 'stepwise', policy: DmsPolicy = { kind: 'dms' }) {
  const { vocabSize } = model.facts;
  const stepwise = chunk === 'stepwise';
  const options = { kv: 'f32', context: ids.length, chunk: stepwise ? 8 : chunk, policy } as const;
  const evaluator = await model.createEvaluator(options);
  const logits = new Float32Array(ids.length * vocabSize);
  await evaluator.run(ids, { stepwise, rows: () => true, onRow: (row, values) => logits.set(values, row * vocabSize) });
  const result = { logits, bits: evaluator.bits(), live: [...evaluator.live()] };
  evaluator.destroy();
  return result;
}

async function check(one: Case, chunk: number | 'stepwise', policy?: DmsPolicy): Promise<void> {
  const got = await runOnGpu(one, chunk, policy);
  expect(firstDifference(got.bits, one.want.bits)).toBe(-1);
  expect(got.live).toEqual([...one.want.live]);
  expect(errorOf(got.logits, one.want.logits)).toBeLessThan(TOLERANCE);
}

test.each(numpy.cases)('the reference attends as numpy does: $variant, window $window', (one) => {
  const { kvHeads, group, window, tokens, scale, offset, theta, seed } = one;
  const { hidden, headDim } = numpy;
  const heads = kvHeads * group;
  const rng = createRng(seed);
  const nearOne = (length: number) => normals(rng, length, 0.1).map((value) => 1 + value);
  const tensors = new Map<string, Float32Array>();
  const put = (name: string, values: Float32Array) => tensors.set(`model.layers.0.${name}.weight`, values);
  put('input_layernorm', nearOne(hidden));
  put('self_attn.q_norm', nearOne(headDim));
  put('self_attn.k_norm', nearOne(headDim));
  put('self_attn.dms_proj_alpha_norm', nearOne(hidden));
  put('self_attn.q_proj', normals(rng, heads * headDim * hidden, 0.2));
  put('self_attn.k_proj', normals(rng, kvHeads * headDim * hidden, 0.2));
  put('self_attn.v_proj', normals(rng, kvHeads * headDim * hidden, 0.2));
  put('self_attn.dms_proj_alpha', normals(rng, kvHeads * hidden, 0.05));
  const x = normals(rng, tokens * hidden);
  const config = {
    ...SMALL,
    hiddenSize: hidden,
    numAttentionHeads: heads,
    numKeyValueHeads: kvHeads,
    ropeTheta: theta,
  };
  const dms = dmsOf({ variant: one.variant === 'borrow' ? 'borrow' : 'adapter', window, scale, offset });
  const { out, alpha } = referenceAttention({ config, dms, tensors }, 0, x);
  for (let head = 0; head < kvHeads; head++) {
    expect(Array.from({ length: tokens }, (_, i) => alpha[i * kvHeads + head])).toEqual(one.alpha[head]);
  }
  one.rows.forEach((row, i) => {
    const got = out.subarray(row * heads * headDim, (row + 1) * heads * headDim);
    expect(errorOf(got, Float32Array.from(one.out[i]))).toBeLessThan(1e-5);
  });
});

const LENGTHS = { 1: 70, 16: 100, 64: 150, 512: 560 } as const;

for (const variant of ['borrow', 'adapter'] as const) {
  for (const shift of [0, 1] as const) {
    for (const window of [1, 16, 64, 512] as const) {
      describe(`${variant}, shift ${shift}, window ${window}, ${LENGTHS[window]} tokens`, () => {
        let one: Case;
        beforeAll(async () => {
          one = await prepare(SMALL, dmsOf({ variant, shift, window, perHead: window !== 64 }), LENGTHS[window]);
        });
        afterAll(() => one.model.destroy());
        const chunks = window === 512 ? ([64, 512] as const) : ([1, 7, 64, 512, 'stepwise'] as const);
        test.each(chunks)('chunks of %s', (chunk) => check(one, chunk));
      });
    }
  }
}

test("past every edge at the default model's heads: 2,048 tokens", { timeout: 300_000 }, async () => {
  const one = await prepare(DEFAULT_SHAPES, dmsOf({ window: 128 }), 2048);
  await check(one, 256);
  one.model.destroy();
});

test.each([7, 'stepwise'] as const)('with biases and a layer without position, chunks of %s', async (chunk) => {
  const config = { ...SMALL, architecture: 'qwen2', headNorm: false, qkvBias: true, noRopeLayers: [1] } as const;
  const one = await prepare(config, dmsOf({}), 100);
  await check(one, chunk);
  one.model.destroy();
});

test.each([7, 'stepwise'] as const)(
  "a policy's window and offset go before the checkpoint's, chunks of %s",
  async (chunk) => {
    const one = await prepare(SMALL, dmsOf({ window: 16 }), 100);
    const policy = { kind: 'dms', window: 24, offset: 4 } as const;
    const dms = { ...one.reference.dms, window: policy.window, offset: policy.offset };
    await check({ ...one, want: referenceForward({ ...one.reference, dms }, one.ids) }, chunk, policy);
    for (const window of [0, 1.5]) {
      const refused = one.model.createEvaluator({ policy: { kind: 'dms', window } });
      await expect(refused).rejects.toThrow(`A window is a whole number of at least 1, not ${window}.`);
    }
    one.model.destroy();
  },
);

test('a wrong window or shift is far off', async () => {
  const one = await prepare(SMALL, dmsOf({ window: 16 }), 100);
  const got = await runOnGpu(one, 64);
  for (const mutant of [{ window: 15 }, { window: 17 }, { shift: 0 as const }]) {
    const dms = { ...one.reference.dms, ...mutant };
    const wrong = referenceForward({ ...one.reference, dms }, one.ids);
    expect(errorOf(got.logits, wrong.logits), JSON.stringify(mutant)).toBeGreaterThan(10 * TOLERANCE);
  }
  one.model.destroy();
});
