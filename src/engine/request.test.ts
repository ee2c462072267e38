import { expect, test } from 'vitest';
import { RequestError } from './errors.ts';
import { DEFAULT_SAMPLING, readRequest } from './request.ts';

const messages = [{ role: 'user', content: 'hi' }] as const;

function refusal(request: unknown): RequestError {
  try {
    readRequest(request, 'm');
  } catch (cause) {
    if (cause instanceof RequestError) return cause;
    throw cause;
  }
  throw new Error(`accepted ${JSON.stringify(request)}`);
}

test('fills in the defaults', () => {
  const settings = readRequest({ messages }, 'm');
  expect(settings).toMatchObject({ messages, stream: false, includeUsage: false, maxTokens: null, stops: [] });
  const { seed, ...rest } = settings.sampling;
  expect(rest).toEqual(DEFAULT_SAMPLING);
  expect(Number.isInteger(seed) && seed >= 0 && seed <= 0xffffffff).toBe(true);
  expect(readRequest({ messages }, 'm').sampling.seed).not.toBe(seed);
});

test('honours every option', () => {
  const settings = readRequest(
    {
      messages: [{ role: 'system', content: 's' }, ...messages, { role: 'assistant', content: '', refusal: null }],
      model: 'm',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 7,
      max_completion_tokens: 7,
      temperature: 0,
      top_p: 1,
      top_k: 40,
      min_p: 0.05,
      repetition_penalty: 1.1,
      seed: 0xffffffff,
      stop: ['a', 'b'],
    },
    'm',
  );
  expect(settings).toMatchObject({
    stream: true,
    includeUsage: true,
    maxTokens: 7,
    sampling: { temperature: 0, topP: 1, topK: 40, minP: 0.05, repetitionPenalty: 1.1, seed: 0xffffffff },
    stops: ['a', 'b'],
  });
  expect(settings.messages.at(-1)).toEqual({ role: 'assistant', content: '' });
  expect(readRequest({ messages, stop: 'x', seed: undefined, n: undefined }, 'm').stops).toEqual(['x']);
});

test('an unknown option is refused by its name, with those that exist', () => {
  for (const [key, value] of Object.entries({ n: 1, functions: [], logprobs: true, Temperature: 0 })) {
    const error = refusal({ messages, [key]: value });
    expect(error.param).toBe(key);
    expect(error.message).toContain(key);
    expect(error.message).toContain('repetition_penalty');
  }
  expect(refusal({ messages, stream: true, stream_options: { x: 1 } }).param).toBe('x');
  expect(refusal({ messages: [{ role: 'user', content: 'a', name: 'b' }] }).param).toBe('name');
});

test.each([
  ['max_tokens', 0],
  ['max_tokens', 1.5],
  ['max_tokens', '5'],
  ['max_completion_tokens', -1],
  ['temperature', -0.1],
  ['temperature', 2.1],
  ['temperature', Number.NaN],
  ['temperature', null],
  ['top_p', 0],
  ['top_p', 1.01],
  ['top_k', -1],
  ['top_k', 2.5],
  ['min_p', 1.1],
  ['repetition_penalty', 0],
  ['repetition_penalty', 11],
  ['seed', -1],
  ['seed', 2 ** 32],
  ['stop', ''],
  ['stop', ['a', 1]],
  ['stop', Array.from({ length: 17 }, String)],
  ['stream', 'yes'],
  ['stream_options', { include_usage: true }],
  ['model', 'other'],
  ['messages', []],
  ['messages', 'hi'],
  ['messages', [{ role: 'robot', content: 'x' }]],
  ['messages', [{ role: 'user', content: [{ type: 'text', text: 'x' }] }]],
  ['messages', ['x']],
])('refuses %s = %j', (key, value) => {
  const error = refusal({ messages, [key]: value });
  expect(error.param).toBe(key);
  expect(error.message).toContain(key);
});

test('two different limits are refused', () => {
  expect(refusal({ messages, max_tokens: 1, max_completion_tokens: 2 }).message).toContain('differ');
  expect(refusal(null).param).toBe('messages');
});

test('tools, calls and what they gave back reach the template as they are', () => {
  const tools = [{ type: 'function', function: { name: 'now', parameters: { type: 'object' } } }] as const;
  const call = { id: 'c1', type: 'function', function: { name: 'now', arguments: '{}' } };
  const asked = [
    ...messages,
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', content: '12:00', tool_call_id: 'c1' },
  ];
  const settings = readRequest({ messages: asked, tools }, 'm');
  expect(settings.tools).toEqual(tools);
  expect(settings.messages).toEqual([...messages, { ...asked[1], content: '' }, asked[2]]);
  expect(readRequest({ messages, tools: [] }, 'm').tools).toBeNull();
  expect(refusal({ messages, tools: [{ name: 'now' }] }).param).toBe('tools');
  expect(refusal({ messages: [{ role: 'tool', content: 'x', tool_call_id: 1 }] }).message).toContain('tool_call_id');
  expect(refusal({ messages: [{ role: 'user', content: 'x', tool_calls: [call] }] }).param).toBe('tool_calls');
  expect(refusal({ messages: [{ role: 'assistant', content: null }] }).message).toContain('content must be a text');
});
