/**
 * Every model family against Hugging Face `transformers`, from safetensors and from GGUF: logits and greedy tokens of
 * the tiny checkpoints that e2e/fixtures/families/make_families.py writes.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { type ModelFiles, openGgufModel, openModel } from '../formats/model_folder.ts';
import { type Gpu, openGpu } from '../gpu/device.ts';
import { fileSource, firstDifference, nmse, tensorFile } from './golden.ts';
import { type LoadModelOptions, loadModel } from './load.ts';

Object.assign(globalThis, globals);
const dawn = create([]);
const FIXTURES = 'e2e/fixtures/families';
const FAMILIES = ['llama', 'llama3', 'linear', 'mistral', 'qwen2', 'yarn', 'qwen3', 'smollm3'] as const;
/** The prompt of 75 tokens ends in its third chunk. */
const CHUNK = 32;
const GREEDY = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 };

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openGpu({ gpu: dawn });
});
afterAll(() => gpu.destroy());

async function filesOf(family: string, format: 'safetensors' | 'gguf'): Promise<ModelFiles> {
  const folder = `${FIXTURES}/${family}`;
  if (format === 'gguf') return openGgufModel(await fileSource(`${folder}/model.gguf`));
  const open = async (file: string) => (existsSync(`${folder}/${file}`) ? fileSource(`${folder}/${file}`) : null);
  return openModel({ name: family, open });
}

interface Result {
  /** Of all rows that the fixture has. */
  readonly error: number;
  /** Index of the first greedy token that differs, or -1. */
  readonly differs: number;
}

async function compare(family: string, options: Omit<LoadModelOptions, 'gpu'>, greedy = true): Promise<Result> {
  const golden = await tensorFile(`${FIXTURES}/${family}/expected.safetensors`);
  const prompt = [...(await golden.i32('prompt'))];
  const rows = [...(await golden.i32('rows'))];
  const want = await golden.f32('logits');
  const model = await loadModel({ gpu, ...options });
  const session = { kv: 'f32', context: 160, chunk: CHUNK } as const;
  const evaluator = await model.createEvaluator(session);
  const got = new Float32Array(want.length);
  await evaluator.run(prompt, {
    rows: (row) => rows.includes(row),
    onRow: (row, logits) => got.set(logits, rows.indexOf(row) * logits.length),
  });
  evaluator.destroy();
  const tokens: number[] = [];
  if (greedy) {
    const chat = await model.createSession(session);
    await chat.prefill(prompt);
    for await (const id of chat.generate({ sampling: GREEDY, maxTokens: 64, stopTokens: [] })) tokens.push(id);
    chat.destroy();
  }
  model.destroy();
  return { error: nmse(got, want), differs: greedy ? firstDifference(tokens, await golden.i32('greedy')) : -1 };
}

describe.each(FAMILIES)('%s', (family) => {
  test.each(['safetensors', 'gguf'] as const)('from %s, all in f32', async (format) => {
    const files = await filesOf(family, format);
    const { error, differs } = await compare(family, { files, activations: 'f32' });
    console.log(`${family}, ${format}: nmse ${error.toExponential(1)}`);
    expect(error).toBeLessThan(1e-4);
    expect(differs).toBe(-1);
  });
});

/** `mistral` with a window of 96 tokens, by its configuration alone. */
async function slidingFiles(format: 'safetensors' | 'gguf'): Promise<ModelFiles> {
  const files = await filesOf('mistral', format);
  if (format === 'safetensors') {
    return { ...files, config: JSON.parse(await readFile(`${FIXTURES}/sliding/config.json`, 'utf8')) };
  }
  const metadata = { ...files.checkpoint.metadata, 'llama.attention.sliding_window': 96 };
  return { ...files, checkpoint: { ...files.checkpoint, metadata } };
}

test.each(['safetensors', 'gguf'] as const)(
  'a sliding window from %s: its tokens as long as it is full',
  async (format) => {
    const [golden, whole] = await Promise.all(
      ['sliding', 'mistral'].map((family) => tensorFile(`${FIXTURES}/${family}/expected.safetensors`)),
    );
    const greedy = await golden.i32('greedy');
    const model = await loadModel({ gpu, files: await slidingFiles(format), activations: 'f32' });
    expect(model.facts.contextLength).toBe(96);
    await expect(model.createEvaluator({ context: 97 })).rejects.toThrow('97 tokens are to be read at once');
    const chat = await model.createSession({ kv: 'f32', context: 160, chunk: CHUNK });
    expect(chat.context).toBe(96);
    await chat.prefill([...(await golden.i32('prompt'))]);
    const tokens: number[] = [];
    const generating = (async () => {
      for await (const id of chat.generate({ sampling: GREEDY, maxTokens: 64, stopTokens: [] })) tokens.push(id);
    })();
    await expect(generating).rejects.toMatchObject({ name: 'CacheFullError', reason: 'context' });
    // The last of them follows from all 96, and full attention says other ones soon after.
    expect(tokens).toEqual([...greedy.subarray(0, 96 - 75 + 1)]);
    expect(firstDifference([...(await whole.i32('greedy'))], greedy)).toBe(23);
    chat.destroy();
    model.destroy();
  },
);

describe('quantised weights', () => {
  test('a GGUF file of every block type, dequantised: the values are those of the gguf package', async () => {
    const files = await filesOf('mixed', 'gguf');
    const types = new Set([...files.checkpoint.tensors.values()].map(({ type }) => type));
    expect(types).toEqual(
      new Set(['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K']),
    );
    const { error, differs } = await compare('mixed', { files, activations: 'f32', weights: 'f32' });
    expect(error).toBeLessThan(1e-4);
    expect(differs).toBe(-1);
  });

  /**
   * Bounds are about three times what is measured. `mixed` is compared with its own values, so that only what our
   * layouts round is left; the others with the weights before they were rounded, which is the format's own error.
   */
  const ROUNDED: readonly (Pick<LoadModelOptions, 'weights' | 'activations'> & {
    readonly family: string;
    readonly bound: number;
  })[] = [
    { family: 'mixed', weights: 'native', activations: 'f32', bound: 4e-4 },
    { family: 'mixed', weights: 'native', activations: 'int8', bound: 1.3e-3 },
    { family: 'qwen2', weights: 'w8', activations: 'f32', bound: 2e-3 },
    { family: 'qwen2', weights: 'w8', activations: 'int8', bound: 2.5e-3 },
    { family: 'smollm3', weights: 'w8', activations: 'f32', bound: 3e-3 },
    { family: 'qwen2', weights: 'w4', activations: 'f32', bound: 0.2 },
  ];
  test.each(ROUNDED)('$family in $weights, activations $activations', async ({ family, bound, ...options }) => {
    const files = await filesOf(family, family === 'mixed' ? 'gguf' : 'safetensors');
    const { error } = await compare(family, { files, ...options }, false);
    console.log(`${family}, ${options.weights}, activations ${options.activations}: nmse ${error.toExponential(1)}`);
    expect(error).toBeLessThan(bound);
  });
});

test('a tensor that the architecture does not have is an error that names it', async () => {
  const files = await filesOf('qwen2', 'safetensors');
  const config = { ...files.config, model_type: 'llama' };
  await expect(loadModel({ gpu, files: { ...files, config } })).rejects.toThrow(
    /tensor model\.layers\.0\.self_attn\.k_proj\.bias is none of a llama of 2 layers/,
  );
});
