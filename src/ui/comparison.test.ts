import { describe, expect, test } from 'vitest';
import type { CachePolicy } from '../cache/policy.ts';
import type { ChatChunk, ChatRequest, Engine, RequestOptions } from '../engine/api.ts';
import { Comparison, likenessWords } from './comparison.ts';

const DENSE: CachePolicy = { kind: 'dense' };
const DMS: CachePolicy = { kind: 'dms', offset: 6 };
const BACK: CachePolicy = { kind: 'dms', offset: 8 };
const TASK = {
  messages: [{ role: 'user', content: 'Why?' }],
  policies: [DENSE, DMS],
  back: BACK,
  maxTokens: 9,
} as const;

/** Writes down what it is asked, in order; its answer is the policy's name in two pieces. */
function recorder(held: number, fail: (policy: CachePolicy) => boolean = () => false) {
  const asked: string[] = [];
  let policy: CachePolicy = BACK;
  const part = (content: string): ChatChunk => ({
    ...{ id: '', object: 'chat.completion.chunk', created: 0, model: '' },
    choices: [{ index: 0, delta: { content }, finish_reason: null, logprobs: null }],
  });
  async function* answer(signal: AbortSignal | undefined): AsyncIterable<ChatChunk> {
    if (fail(policy)) throw new Error('no room');
    yield part(policy.kind);
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (!signal?.aborted) yield part(' indeed');
  }
  const engine = {
    occupancy: async () => ({ tokensSeen: held }),
    snapshot: async () => {
      asked.push('snapshot');
      return Uint8Array.of(7);
    },
    restore: async (bytes: Uint8Array) => void asked.push(`restore ${bytes[0]}`),
    setPolicy: async (next: CachePolicy) => {
      policy = next;
      asked.push(`policy ${JSON.stringify(next)}`);
    },
    chat: {
      completions: {
        create: async (request: ChatRequest, options?: RequestOptions) => {
          asked.push(`answer ${request.temperature} ${request.max_tokens} ${request.messages[0].content}`);
          return answer(options?.signal);
        },
      },
    },
  } as unknown as Engine;
  return { engine, asked };
}

const [dense, dms, back] = [DENSE, DMS, BACK].map((policy) => `policy ${JSON.stringify(policy)}`);

describe('side by side', () => {
  test('answers under each policy with the likeliest tokens, and puts the memory back', async () => {
    const { engine, asked } = recorder(50);
    const comparison = new Comparison(() => {});
    await comparison.run(engine, TASK);
    expect(asked).toEqual(['snapshot', dense, 'answer 0 9 Why?', dms, 'answer 0 9 Why?', back, 'restore 7']);
    expect(comparison.sides.map(({ text, state }) => `${text}: ${state}`)).toEqual([
      'dense indeed: done',
      'dms indeed: done',
    ]);
    expect(comparison.running).toBe(false);
    expect(comparison.fault).toBeNull();
  });

  test('saves nothing when nothing is held', async () => {
    const { engine, asked } = recorder(0);
    await new Comparison(() => {}).run(engine, TASK);
    expect(asked).toEqual([dense, 'answer 0 9 Why?', dms, 'answer 0 9 Why?', back]);
  });

  test('is stopped within an answer, keeps its words, and puts the memory back', async () => {
    const { engine, asked } = recorder(50);
    const comparison = new Comparison(() => {});
    const run = comparison.run(engine, TASK);
    while (comparison.sides[0]?.text !== 'dense') await new Promise((resolve) => setTimeout(resolve, 0));
    comparison.stop();
    await run;
    expect(asked).toEqual(['snapshot', dense, 'answer 0 9 Why?', back, 'restore 7']);
    expect(comparison.sides.map(({ text, state }) => `${text}: ${state}`)).toEqual(['dense: stopped', ': stopped']);
  });

  test('says what failed, and puts the memory back', async () => {
    const { engine, asked } = recorder(50, ({ kind }) => kind === 'dms');
    const comparison = new Comparison(() => {});
    await comparison.run(engine, TASK);
    expect(comparison.fault).toBe('no room');
    expect(asked.slice(-2)).toEqual([back, 'restore 7']);
    expect(comparison.sides.map(({ state }) => state)).toEqual(['done', 'stopped']);
  });
});

test.each([
  ['a b c', 'a  b\nc', 'Both answers are the same, word for word.'],
  ['a b c', 'a b d', 'The answers are the same for 2 words, then differ.'],
  ['a b', 'a', 'The answers are the same for 1 word, then differ.'],
  ['a', 'a b', 'The answers are the same for 1 word, then differ.'],
  ['x', 'y', 'The answers differ from the first word.'],
])('%j beside %j', (one, other, words) => {
  expect(likenessWords(one, other)).toBe(words);
});
