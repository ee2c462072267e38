/**
 * The default model against Hugging Face `transformers`: logits, greedy tokens, and under DMS every bit and live
 * length; with its own gates and low-rank updates, merged and held in 8 bits, and with gates alone.
 * LETHE_GOLDEN=all runs every prompt in every mode; otherwise each mode runs one or two.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { openModel } from '../formats/model_folder.ts';
import { type Gpu, openGpu } from '../gpu/device.ts';
import {
  fileSource,
  firstDifference,
  type GoldenPrompt,
  HAVE_SHARED,
  klDivergence,
  nmse,
  SHARED,
  tensorFile,
} from './golden.ts';
import { type GpuModel, loadModel } from './load.ts';

Object.assign(globalThis, globals);
const dawn = create([]);
const FOLDER = 'public/models/smollm2-135m-instruct';
const ALL = process.env.LETHE_GOLDEN === 'all';
const BASE = `${SHARED}/golden`;
/** What `python -m retrofit golden` computes with the model's own sidecar. */
const UPDATED = 'e2e/fixtures/default_model';
/** An earlier sidecar without low-rank updates, which the golden files of the base go with. */
const GATES_ALONE = `${SHARED}/models/smollm2-135m-instruct.dms.safetensors`;

function promptsOf(folder: string): GoldenPrompt[] {
  return HAVE_SHARED ? JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')).prompts : [];
}

interface Mode {
  readonly name: string;
  /** Folder of golden.json and golden.safetensors. */
  readonly golden: string;
  /** Adapters in place of the model's own. */
  readonly adapters?: string;
  readonly policy: 'dense' | 'dms';
  readonly activations: 'f32' | 'int8';
  readonly kv: 'f32' | 'int8';
  readonly nmse: number;
  /** A first difference in greedy tokens is accepted only under this gap of the golden logits. */
  readonly gap: number;
  /** Prompts that run without LETHE_GOLDEN=all. */
  readonly usual: readonly string[];
}

const MODES: readonly Mode[] = [
  {
    ...{ name: 'dense f32', golden: BASE, policy: 'dense', activations: 'f32', kv: 'f32', nmse: 1e-4, gap: 0.02 },
    usual: ['short'],
  },
  {
    ...{ name: 'dense default', golden: BASE, policy: 'dense', activations: 'int8', kv: 'int8', nmse: 3e-3, gap: 0.3 },
    usual: ['short'],
  },
  {
    ...{ name: 'dms f32, gates alone', golden: BASE, adapters: GATES_ALONE },
    ...{ policy: 'dms', activations: 'f32', kv: 'f32', nmse: 1e-4, gap: 0.02 },
    usual: ['turns'],
  },
  {
    ...{ name: 'dms f32 with updates', golden: UPDATED },
    ...{ policy: 'dms', activations: 'f32', kv: 'f32', nmse: 1e-4, gap: 0.02 },
    usual: ['turns', 'medium'],
  },
];
const GREEDY = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 };
const VOCAB = 49152;

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu({ gpu: dawn });
});
afterAll(() => gpu.destroy());

type Loaded = Pick<Mode, 'activations' | 'policy' | 'adapters'>;

async function load({ activations, policy, adapters }: Loaded): Promise<GpuModel> {
  const open = async (file: string) => (existsSync(`${FOLDER}/${file}`) ? fileSource(`${FOLDER}/${file}`) : null);
  const hash = async (): Promise<string> => '';
  const other = adapters ? { adapters: { source: await fileSource(adapters), hash } } : {};
  const files = await openModel({ name: FOLDER, open }, other);
  return loadModel({ gpu, files, activations, policy: { kind: policy } });
}

async function checkLogits(model: GpuModel, mode: Mode, prompt: GoldenPrompt): Promise<string> {
  const golden = await tensorFile(`${mode.golden}/golden.safetensors`);
  const dms = mode.policy === 'dms';
  const want = await golden.f32(`${dms ? 'dms.' : ''}${prompt.id}.logits`);
  const got = new Float32Array(want.length);
  const context = prompt.ids.length + 64;
  const evaluator = await model.createEvaluator({ policy: { kind: mode.policy }, kv: mode.kv, context });
  await evaluator.run(prompt.ids, {
    rows: (row) => prompt.rows.includes(row),
    onRow: (row, logits) => got.set(logits, prompt.rows.indexOf(row) * VOCAB),
  });
  const error = nmse(got, want);
  let kl = 0;
  for (let i = 0; i < prompt.rows.length; i++) {
    const at = [i * VOCAB, (i + 1) * VOCAB] as const;
    kl += klDivergence(got.subarray(...at), want.subarray(...at)) / prompt.rows.length;
  }
  expect(error).toBeLessThan(mode.nmse);
  expect(kl).toBeLessThan(1e-2);
  let words = `nmse ${error.toExponential(1)}, KL ${kl.toExponential(1)}`;
  if (dms) {
    await evaluator.run(prompt.dms_greedy, { stepwise: true });
    const wantBits = await golden.u8(`dms.${prompt.id}.bits`);
    const bits = evaluator.bits();
    expect(bits.length).toBe(wantBits.length);
    const wrong = bits.reduce((count, bit, i) => count + (bit === wantBits[i] ? 0 : 1), 0);
    expect(wrong).toBeLessThanOrEqual(bits.length / 10_000);
    const live = prompt.dms_live.flat();
    const off = [...evaluator.live()].reduce((sum, length, i) => sum + Math.abs(length - live[i]), 0);
    expect(off).toBeLessThanOrEqual(wrong);
    words += `, ${wrong} of ${bits.length} bits differ, live lengths off by ${off}`;
  }
  evaluator.destroy();
  return words;
}

async function checkGreedy(model: GpuModel, mode: Mode, prompt: GoldenPrompt): Promise<string> {
  const dms = mode.policy === 'dms';
  const [want, gap] = dms ? [prompt.dms_greedy, prompt.dms_gap] : [prompt.greedy, prompt.gap];
  const context = prompt.ids.length + 64;
  const session = await model.createSession({ policy: { kind: mode.policy }, kv: mode.kv, context });
  await session.prefill(prompt.ids);
  const got: number[] = [];
  for await (const id of session.generate({ sampling: GREEDY, maxTokens: 64, stopTokens: [] })) got.push(id);
  session.destroy();
  const at = firstDifference(got, want);
  if (at >= 0) expect(gap[at], `greedy tokens differ at ${at}`).toBeLessThan(mode.gap);
  return at < 0 ? '64 tokens alike' : `alike up to token ${at}, where the gap is ${gap[at]}`;
}

/** SwiftShader needs about a second a token here; the small models cover it. */
const FAST = !(process.env.VK_ICD_FILENAMES ?? '').includes('swiftshader');

describe.runIf(HAVE_SHARED && FAST)('default model', () => {
  for (const mode of MODES) {
    describe(mode.name, () => {
      let model: GpuModel;
      beforeAll(async () => {
        model = await load(mode);
      });
      afterAll(() => model.destroy());
      for (const prompt of promptsOf(mode.golden).filter(({ id }) => ALL || mode.usual.includes(id))) {
        test(`${prompt.id}, ${prompt.ids.length} tokens`, async () => {
          const words = [await checkLogits(model, mode, prompt), await checkGreedy(model, mode, prompt)];
          console.log(`${mode.name}, ${prompt.id}: ${words.join(', ')}`);
        });
      }
    });
  }
});

describe.runIf(HAVE_SHARED && FAST)('memory', () => {
  test('1,500 tokens of a chat hold fewer bytes than dense, by the sizes of the buffers', async () => {
    const model = await load({ activations: 'int8', policy: 'dms' });
    const ids =
      promptsOf(BASE)
        .find(({ id }) => id === 'long')
        ?.ids.slice(0, 1500) ?? [];
    const evaluator = await model.createEvaluator();
    await evaluator.run(ids);
    const { cache } = evaluator.runner;
    const occupancy = cache.occupancy();
    const { pools, pageTable, ring, live, tiles, staging, dropped } = cache;
    const buffers = [...pools, pageTable, ring, live, tiles, staging, dropped];
    expect(occupancy.tokensSeen).toBe(1500);
    expect(occupancy.allocatedBytes).toBe(buffers.reduce((sum, { size }) => sum + size, 0));
    expect(occupancy.allocatedBytes).toBeLessThan(occupancy.denseBytes);
    expect(occupancy.liveBytes).toBeLessThan(occupancy.allocatedBytes);
    expect(occupancy.ratio).toBeGreaterThan(2);
    const { liveBytes, allocatedBytes, denseBytes, ratio } = occupancy;
    console.log(`1,500 tokens: live ${liveBytes}, allocated ${allocatedBytes}, dense ${denseBytes}, ratio ${ratio}`);
    evaluator.destroy();
    model.destroy();
  });
});
