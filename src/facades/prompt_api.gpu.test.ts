/** Pages' code for the Prompt API, in the forms of its explainer, on an engine with the micro model. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../engine/api.ts';
import { EXACT, microEngine } from '../engine/test_engine.ts';
import { promptApi } from './prompt_api.ts';

/** Most tokens of a chat here, so that one is soon too long. */
const CONTEXT = 256;
const GREEDY = { temperature: 0 };

let engine: Engine;
beforeAll(async () => {
  engine = await microEngine({ ...EXACT, cache: { ...EXACT.cache, context: CONTEXT } });
});
afterAll(() => engine.destroy());

/** The model's words rarely end by themselves: an answer fills what is left of the context. */
const LanguageModel = promptApi(() => Promise.resolve(engine));

describe('samples of the explainer', () => {
  test('a prompt, whole and streamed', async () => {
    expect(await LanguageModel.availability()).not.toBe('unavailable');
    const loaded: number[] = [];
    const session = await LanguageModel.create({
      ...GREEDY,
      initialPrompts: [
        { role: 'system', content: 'Pretend to be an eloquent river.' },
        { role: 'user', content: 'What do you carry?' },
        { role: 'assistant', content: 'Sand, mostly.' },
      ],
      monitor(m) {
        m.addEventListener('downloadprogress', (event) => loaded.push(Reflect.get(event, 'loaded')));
      },
    });
    expect(loaded).toEqual([1]);
    const before = session.contextUsage;
    const measured = await session.measureContextUsage('Where do you go?');
    let streamed = '';
    const copy = await session.clone();
    for await (const chunk of copy.promptStreaming('Where do you go?')) streamed += chunk;
    expect(await session.prompt('Where do you go?')).toBe(streamed);
    expect(streamed).not.toBe('');
    expect(before).toBeGreaterThan(0);
    expect(measured).toBeGreaterThan(0);
    expect(session.contextUsage).toBeGreaterThan(before + measured);
    expect(session.contextUsage).toBe(copy.contextUsage);
    session.destroy();
    copy.destroy();
  });

  test('messages are added without an answer, and texts may be parts', async () => {
    const session = await LanguageModel.create(GREEDY);
    await session.append([{ role: 'user', content: [{ type: 'text', value: 'The code is ' }] }]);
    const used = session.contextUsage;
    await session.append([{ role: 'assistant', content: 'Understood.' }]);
    expect(session.contextUsage).toBeGreaterThan(used);
    session.destroy();
    await expect(session.prompt('And?')).rejects.toMatchObject({ name: 'InvalidStateError' });
  });

  test('a signal and a cancelled stream end an answer, which is then no part of the conversation', async () => {
    const session = await LanguageModel.create(GREEDY);
    const controller = new AbortController();
    const stream = session.promptStreaming('Tell me a very long story.', { signal: controller.signal });
    const read = async (): Promise<void> => {
      for await (const _ of stream) controller.abort();
    };
    await expect(read()).rejects.toMatchObject({ name: 'AbortError' });
    for await (const _ of session.promptStreaming('Tell me another.')) break;
    expect(await session.prompt('Hello?')).toBe(await (await LanguageModel.create(GREEDY)).prompt('Hello?'));
  });
});

test('prompts of one session are answered in order', async () => {
  const session = await LanguageModel.create(GREEDY);
  const other = await LanguageModel.create(GREEDY);
  const first = await other.prompt('One?');
  const overflow = new Promise((resolve) => other.addEventListener('contextoverflow', resolve, { once: true }));
  const second = await other.prompt('Two?');
  // The first answer filled the context, so it had to go, with its question.
  await overflow;
  expect(await Promise.all([session.prompt('One?'), session.prompt('Two?')])).toEqual([first, second]);
});

test('what does not fit and what is not understood is refused', async () => {
  const session = await LanguageModel.create(GREEDY);
  await expect(session.prompt('word '.repeat(400))).rejects.toMatchObject({ name: 'QuotaExceededError' });
  const image = { role: 'user', content: [{ type: 'image', value: null }] } as const;
  await expect(session.prompt([image])).rejects.toMatchObject({ name: 'NotSupportedError' });
  await expect(session.prompt('x', { responseConstraint: {} })).rejects.toMatchObject({ name: 'NotSupportedError' });
  await expect(session.prompt([{ role: 'system', content: 'x' }])).rejects.toThrow('initialPrompts');
  const late = [
    { role: 'user', content: 'x' },
    { role: 'system', content: 'y' },
  ] as const;
  await expect(LanguageModel.create({ initialPrompts: late })).rejects.toThrow('must be the first');
  const spoken = { expectedInputs: [{ type: 'audio' }] };
  expect(await LanguageModel.availability(spoken)).toBe('unavailable');
  await expect(LanguageModel.create(spoken)).rejects.toMatchObject({ name: 'NotSupportedError' });
});
