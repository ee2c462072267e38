/** The engine with a real model on a real device: streams, seeds, turns, and what it says of itself. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChatMessage, Engine, LoadProgress } from './api.ts';
import { EXACT, hear, microEngine, openMicro } from './test_engine.ts';

interface Expected {
  readonly messages: readonly ChatMessage[];
  readonly ids: readonly number[];
  readonly greedy: readonly number[];
  readonly greedy_text: string;
}

let engine: Engine;
let expected: Expected;
const progress: LoadProgress[] = [];
const question: ChatMessage = { role: 'user', content: 'What does the river forget?' };
const greedy = { temperature: 0, repetition_penalty: 1 };

beforeAll(async () => {
  expected = JSON.parse(await readFile(new URL('../../e2e/fixtures/micro.expected.json', import.meta.url), 'utf8'));
  engine = await microEngine({ onProgress: (step) => progress.push(step) });
});

afterAll(() => engine.destroy());

test('tells what was loaded, and how far loading came', async () => {
  expect(engine.info).toMatchObject({ modelName: 'Micro', license: 'Apache-2.0', modelBytes: 821472 + 6856 });
  expect(engine.info.facts).toMatchObject({ layers: 2, kvHeads: 2, headDim: 64, vocabSize: 268, contextLength: 2048 });
  expect(engine.info.facts.dms).toMatchObject({ variant: 'adapter', window: 16 });
  const stages = progress.map(({ stage }) => stage).filter((stage, i, all) => stage !== all[i - 1]);
  expect(stages).toEqual(['upload', 'compile', 'ready']);
  for (const stage of ['upload', 'compile']) {
    const last = progress.filter((step) => step.stage === stage).at(-1);
    expect(last?.done, stage).toBe(last?.total);
  }
  expect((await engine.occupancy()).tokensSeen).toBe(0);
});

test('an offset that was measured with another window brings it', async () => {
  const point = { offset: -2.8, window: 8, ratio: 2, perplexity: 0.01, kl: 0.02 };
  const policy = { kind: 'dms', offset: point.offset } as const;
  const measured = await microEngine({ files: { ...(await openMicro()), quality: [point] }, cache: { policy } });
  expect((await measured.occupancy()).window).toBe(8);
  await measured.setPolicy({ kind: 'dms', offset: -3 });
  expect((await measured.occupancy()).window).toBe(16);
  await measured.setPolicy(policy);
  expect((await measured.occupancy()).window).toBe(8);
  await measured.destroy();
});

test('answers greedily as transformers does, without eviction and in f32', async () => {
  const exact = await microEngine({ ...EXACT, cache: { ...EXACT.cache, policy: { kind: 'dense' } } });
  const max_tokens = expected.greedy.length;
  const answer = await exact.chat.completions.create({ messages: expected.messages, max_tokens, ...greedy });
  expect(answer.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: expected.greedy_text } });
  expect(answer.usage).toMatchObject({
    prompt_tokens: expected.ids.length,
    completion_tokens: max_tokens,
    total_tokens: expected.ids.length + max_tokens,
    prompt_tokens_details: { cached_tokens: 0 },
  });
  await exact.destroy();
});

test('a stream says what a whole completion says', async () => {
  const request = { messages: [question], max_tokens: 24, seed: 7, temperature: 0.9 };
  const whole = await engine.chat.completions.create(request);
  await engine.reset();
  const options = { stream: true, stream_options: { include_usage: true } } as const;
  const { chunks, text } = await hear(await engine.chat.completions.create({ ...request, ...options }));
  expect(text).toBe(whole.choices[0].message.content);
  expect(text).not.toBe('');
  expect(chunks[0].choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
  const usage = chunks.at(-1);
  expect(usage?.choices).toEqual([]);
  expect(usage?.usage?.completion_tokens).toBe(whole.usage.completion_tokens);
  expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  const last = chunks.at(-2);
  expect(last?.choices[0]).toMatchObject({ delta: {}, finish_reason: whole.choices[0].finish_reason });
  expect(last?.lethe?.occupancy?.tokensSeen).toBeGreaterThan(20);
  expect(last?.lethe?.speed?.decodeTokensPerSecond).toBeGreaterThan(0);
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  expect(chunks.filter((chunk) => chunk.choices[0]?.finish_reason)).toHaveLength(1);
});

test('without include_usage no chunk has usage', async () => {
  const stream = await engine.chat.completions.create({ messages: [question], max_tokens: 3, stream: true });
  const { chunks } = await hear(stream);
  expect(chunks.some((chunk) => 'usage' in chunk)).toBe(false);
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('length');
});

test('the same seed gives the same answer, another seed another', async () => {
  const answerOf = async (seed: number): Promise<string> => {
    await engine.reset();
    const request = { messages: [question], max_tokens: 24, temperature: 1.5, top_p: 1, seed };
    return (await engine.chat.completions.create(request)).choices[0].message.content;
  };
  const first = await answerOf(1);
  expect(await answerOf(1)).toBe(first);
  expect(await answerOf(2)).not.toBe(first);
});

test('turn after turn reads the new tokens only, and a changed past anew', async () => {
  await engine.reset();
  const messages: ChatMessage[] = [question];
  let seen = 0;
  for (const next of ['And then?', 'Why?', 'Who says so?']) {
    const { choices, usage } = await engine.chat.completions.create({ messages, max_tokens: 20, ...greedy });
    const cached = usage.prompt_tokens_details.cached_tokens;
    expect(cached).toBe(seen);
    if (seen > 0) expect(usage.prompt_tokens - cached).toBeLessThan(60);
    seen = usage.total_tokens;
    // The token that ends a turn is not fed: the next prompt brings it.
    if (choices[0].finish_reason === 'stop') seen--;
    messages.push(choices[0].message, { role: 'user', content: next });
  }
  const { tokensSeen, ratio } = await engine.occupancy();
  expect(tokensSeen).toBe(seen - 1);
  expect(ratio).toBeGreaterThan(1);
  messages[1] = { role: 'assistant', content: 'Nothing.' };
  const { usage } = await engine.chat.completions.create({ messages, max_tokens: 2, ...greedy });
  expect(usage.prompt_tokens_details.cached_tokens).toBe(0);
});

test('a chat read in turns goes on like the same chat read at once', async () => {
  const exact = await microEngine(EXACT);
  const messages: ChatMessage[] = [question];
  const first = await exact.chat.completions.create({ messages, max_tokens: 30, ...greedy });
  messages.push(first.choices[0].message, { role: 'user', content: 'Go on, please.' });
  const inTurns = await exact.chat.completions.create({ messages, max_tokens: 12, ...greedy });
  expect(inTurns.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(0);
  await exact.reset();
  const atOnce = await exact.chat.completions.create({ messages, max_tokens: 12, ...greedy });
  expect(atOnce.usage.prompt_tokens_details.cached_tokens).toBe(0);
  expect(atOnce.usage.prompt_tokens).toBe(inTurns.usage.prompt_tokens);
  await exact.destroy();
  expect(inTurns.choices[0].message.content).toBe(atOnce.choices[0].message.content);
});

test('a stop string ends the answer before itself, wherever the tokens cut it', async () => {
  await engine.reset();
  const request = { messages: [question], max_tokens: 40, ...greedy };
  const { choices } = await engine.chat.completions.create(request);
  const full = choices[0].message.content;
  expect(full.length).toBeGreaterThan(20);
  const stop = full.slice(9, 14);
  await engine.reset();
  const cut = await engine.chat.completions.create({ ...request, stop: ['never this', stop] });
  expect(cut.choices[0]).toMatchObject({
    finish_reason: 'stop',
    message: { content: full.slice(0, full.indexOf(stop)) },
  });
  expect(cut.usage.completion_tokens).toBeLessThan(40);
  expect(cut.lethe.aborted).toBeUndefined();
});

test('requests are refused before they are queued, with the field', async () => {
  const wrong = { messages: [question], frequency_penalty: 1 };
  await expect(engine.chat.completions.create(wrong)).rejects.toMatchObject({
    name: 'RequestError',
    param: 'frequency_penalty',
  });
});
