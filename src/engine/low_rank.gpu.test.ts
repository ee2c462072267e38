/** A chat on a model whose sidecar has low-rank updates: each policy has its weights, whichever came first. */
import { expect, test } from 'vitest';
import type { ModelFiles } from '../formats/model_folder.ts';
import { openSafetensors, type TensorData, writeSafetensors } from '../formats/safetensors.ts';
import { memorySource } from '../formats/sources.ts';
import { defined } from '../util/assert.ts';
import { createRng, normals } from '../util/rng.ts';
import type { ChatMessage, Engine } from './api.ts';
import { EXACT, microEngine, openMicro } from './test_engine.ts';

const question: ChatMessage = { role: 'user', content: 'What does the river forget? '.repeat(4) };
const RANK = 4;

/** The micro model with a random update of every projection. */
async function updatedMicro(): Promise<ModelFiles> {
  const files = await openMicro();
  const own = defined(files.sidecar, 'the sidecar');
  const rng = createRng(21);
  const tensors: Record<string, TensorData> = {};
  for (const [name, { shape }] of own.tensors) {
    tensors[name] = { shape, data: new Float32Array((await own.read(name)).slice().buffer) };
  }
  for (const [name, { shape }] of files.checkpoint.tensors) {
    if (!name.endsWith('_proj.weight')) continue;
    const [rows, cols] = shape;
    const at = (part: string) => name.replace(/weight$/, `lora_${part}.weight`);
    tensors[at('A')] = { shape: [RANK, cols], data: normals(rng, RANK * cols, 1 / Math.sqrt(cols)) };
    tensors[at('B')] = { shape: [rows, RANK], data: normals(rng, rows * RANK, 0.1) };
  }
  const metadata = { ...(own.metadata as Record<string, string>), lora_rank: `${RANK}`, lora_alpha: `${2 * RANK}` };
  const sidecar = await openSafetensors(memorySource('updates', writeSafetensors(tensors, metadata)));
  return { ...files, sidecar };
}

/** What the model says to the question, from the start. */
async function answerOf(engine: Engine): Promise<string> {
  const request = { messages: [question], max_tokens: 16, temperature: 0, repetition_penalty: 1 };
  const { choices, usage } = await engine.chat.completions.create(request);
  expect(usage.prompt_tokens_details.cached_tokens).toBe(0);
  return choices[0].message.content;
}

test('another policy is another set of weights, both ways and as often as wanted', async () => {
  const base = await microEngine(EXACT);
  const untouched = await answerOf(base);
  await base.setPolicy({ kind: 'dense' });
  const dense = await answerOf(base);
  await base.destroy();

  const engine = await microEngine({ ...EXACT, files: await updatedMicro() });
  const dms = await answerOf(engine);
  expect(dms).not.toBe(untouched);
  for (let turn = 0; turn < 2; turn++) {
    await engine.setPolicy({ kind: 'dense' });
    expect(await answerOf(engine)).toBe(dense);
    await engine.setPolicy({ kind: 'dms' });
    expect(await answerOf(engine)).toBe(dms);
  }
  await engine.destroy();
});

test('weights that cannot be loaded leave the chat as it is, and are asked for again', async () => {
  const files = await updatedMicro();
  const own = defined(files.sidecar, 'the sidecar');
  let broken = true;
  const read: typeof own.read = async (name, signal) => {
    if (broken && name.includes('layers.1.mlp.down_proj.lora_B')) throw new Error('offline');
    return own.read(name, signal);
  };
  const cache = { ...EXACT.cache, policy: { kind: 'dense' } } as const;
  const engine = await microEngine({ ...EXACT, cache, files: { ...files, sidecar: { ...own, read } } });
  const content = await answerOf(engine);
  const failed = engine.setPolicy({ kind: 'dms' });
  const messages: ChatMessage[] = [question, { role: 'assistant', content }, { role: 'user', content: 'Why?' }];
  // Queued behind the policy, and answered from the cache that was there.
  const next = engine.chat.completions.create({ messages, max_tokens: 4, temperature: 0 });
  await expect(failed).rejects.toThrow('offline');
  expect((await next).usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(40);
  expect((await engine.occupancy()).policy).toBe('dense');
  broken = false;
  await engine.setPolicy({ kind: 'dms' });
  await answerOf(engine);
  expect((await engine.occupancy()).policy).toBe('dms');
  await engine.destroy();
});

test('the end of the engine ends a load under way', async () => {
  const files = await updatedMicro();
  const own = defined(files.sidecar, 'the sidecar');
  let reads = 0;
  const read: typeof own.read = async (name, signal) => {
    reads++;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return own.read(name, signal);
  };
  const cache = { ...EXACT.cache, policy: { kind: 'dense' } } as const;
  const engine = await microEngine({ ...EXACT, cache, files: { ...files, sidecar: { ...own, read } } });
  reads = 0;
  const switched = engine.setPolicy({ kind: 'dms' });
  const refused = expect(switched).rejects.toThrow('The engine was destroyed');
  while (reads === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await engine.destroy();
  await refused;
  expect(reads).toBeLessThan(8);
});
