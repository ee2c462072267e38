/** The AI SDK's own functions on an engine with the micro model. */
import { generateText, streamText } from 'ai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Engine } from '../engine/api.ts';
import { EXACT, microEngine } from '../engine/test_engine.ts';
import { createLethe } from './ai_sdk.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await microEngine(EXACT);
});
afterAll(() => engine.destroy());

const PROMPT = 'What does the river forget?';
const GREEDY = { temperature: 0, maxOutputTokens: 12 };

async function plainAnswer(): Promise<{ text: string; tokens: number; prompt: number }> {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: PROMPT },
  ] as const;
  const { choices, usage } = await engine.chat.completions.create({ messages, temperature: 0, max_tokens: 12 });
  return { text: choices[0].message.content, tokens: usage.completion_tokens, prompt: usage.prompt_tokens };
}

test('streamText gives the words and the counts of the engine', async () => {
  const lethe = createLethe(engine);
  const result = streamText({ model: lethe(), system: 'Be brief.', prompt: PROMPT, ...GREEDY });
  const pieces: string[] = [];
  for await (const piece of result.textStream) pieces.push(piece);
  const plain = await plainAnswer();
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join('')).toBe(plain.text);
  expect(await result.finishReason).toBe('length');
  expect(await result.usage).toMatchObject({ inputTokens: plain.prompt, outputTokens: plain.tokens });
  expect(await result.warnings).toEqual([]);
});

test('generateText is the same text at once, and says what it cannot honour', async () => {
  const model = createLethe(() => Promise.resolve(engine)).languageModel(engine.info.modelName);
  const result = await generateText({ model, system: 'Be brief.', prompt: PROMPT, presencePenalty: 1, ...GREEDY });
  expect(result.text).toBe((await plainAnswer()).text);
  expect(result.response.modelId).toBe(engine.info.modelName);
  expect(result.warnings).toEqual([{ type: 'unsupported', feature: 'presencePenalty' }]);
});

test('provider options reach the engine, which refuses those that it does not know', async () => {
  const call = { model: createLethe(engine)(), prompt: PROMPT, maxRetries: 0, ...GREEDY };
  await generateText({ ...call, providerOptions: { lethe: { repetition_penalty: 1.3 } } });
  const wrong = generateText({ ...call, providerOptions: { lethe: { logit_bias: 1 } } });
  await expect(wrong).rejects.toThrow('logit_bias');
  const other = generateText({ ...call, model: createLethe(engine)('another') });
  await expect(other).rejects.toThrow('another is not loaded');
});

test('a signal ends the stream', async () => {
  const stop = new AbortController();
  const result = streamText({
    ...{ model: createLethe(engine)(), prompt: PROMPT, temperature: 0, maxOutputTokens: 400 },
    abortSignal: stop.signal,
  });
  const kinds: string[] = [];
  for await (const part of result.fullStream) {
    kinds.push(part.type);
    if (part.type === 'text-delta') stop.abort();
  }
  expect(kinds.at(-1)).toBe('abort');
  expect(kinds).not.toContain('finish');
});

test('an image is refused, and there are no embeddings', async () => {
  const lethe = createLethe(engine);
  const content = [{ type: 'image', image: new Uint8Array(8), mediaType: 'image/png' }] as const;
  const asked = generateText({ model: lethe(), messages: [{ role: 'user', content: [...content] }], maxRetries: 0 });
  await expect(asked).rejects.toThrow('file in a message');
  expect(() => lethe.embeddingModel('x')).toThrow('x');
});
