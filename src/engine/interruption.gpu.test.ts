/** What may come between: aborts, a full context or budget, another policy, two at once, the end of the engine. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChatChunk, ChatMessage, Engine } from './api.ts';
import { dawn, EXACT, hear, microEngine } from './test_engine.ts';

let engine: Engine;
const question: ChatMessage = { role: 'user', content: 'What does the river forget?' };
const greedy = { temperature: 0 };
/** Three chunks of a prompt: two may be under way when the first is told. */
const long: ChatMessage = { role: 'user', content: 'The river goes on and on. '.repeat(30) };
const middling: ChatMessage = { role: 'user', content: 'The river goes on and on. '.repeat(10) };

beforeAll(async () => {
  engine = await microEngine(EXACT);
});

afterAll(() => engine.destroy());

/** Reads a stream and fires the signal when a chunk fits. */
async function abortAt(
  request: Parameters<Engine['chat']['completions']['create']>[0],
  when: (chunk: ChatChunk) => boolean,
): Promise<readonly ChatChunk[]> {
  const stop = new AbortController();
  const stream = await engine.chat.completions.create({ ...request, stream: true }, { signal: stop.signal });
  const chunks: ChatChunk[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    if (when(chunk)) stop.abort();
  }
  return chunks;
}

test('an abort while writing ends the answer within two steps, and the chat goes on from there', async () => {
  await engine.reset();
  let shown = 0;
  const chunks = await abortAt({ messages: [question], max_tokens: 400, ...greedy }, (chunk) => {
    shown += chunk.choices[0]?.delta.content ? 1 : 0;
    return shown === 5;
  });
  const last = chunks.at(-1);
  expect(last?.choices[0]?.finish_reason).toBe('stop');
  expect(last?.lethe?.aborted).toBe(true);
  expect(shown).toBeLessThan(12);
  const content = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
  const messages: ChatMessage[] = [question, { role: 'assistant', content }, { role: 'user', content: 'Go on.' }];
  const next = await engine.chat.completions.create({ messages, max_tokens: 8, ...greedy });
  expect(next.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(40);
  await engine.reset();
  const anew = await engine.chat.completions.create({ messages, max_tokens: 8, ...greedy });
  expect(next.choices[0].message.content).toBe(anew.choices[0].message.content);
});

test('an abort while reading keeps what was read, and the same chat reads the rest', async () => {
  await engine.reset();
  const request = { messages: [long], max_tokens: 6, ...greedy };
  const chunks = await abortAt(request, (chunk) => chunk.lethe?.prefill !== undefined);
  expect(chunks.at(-1)?.lethe?.aborted).toBe(true);
  expect(chunks.some((chunk) => chunk.choices[0]?.delta.content)).toBe(false);
  const { tokensSeen } = await engine.occupancy();
  expect(tokensSeen).toBeGreaterThan(0);
  const rest = await engine.chat.completions.create(request);
  expect(tokensSeen).toBeLessThan(rest.usage.prompt_tokens);
  expect(rest.usage.prompt_tokens_details.cached_tokens).toBe(tokensSeen);
  await engine.reset();
  const anew = await engine.chat.completions.create(request);
  expect(rest.choices[0].message.content).toBe(anew.choices[0].message.content);
});

test('a signal that fired before is an answer without words', async () => {
  const options = { signal: AbortSignal.abort() };
  const { choices, lethe, usage } = await engine.chat.completions.create({ messages: [question] }, options);
  expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: '' } });
  expect(lethe.aborted).toBe(true);
  expect(usage.completion_tokens).toBe(0);
});

test('leaving the loop frees the engine for the next request', async () => {
  await engine.reset();
  const stream = await engine.chat.completions.create({ messages: [question], stream: true, ...greedy });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  const before = performance.now();
  const { usage } = await engine.chat.completions.create({ messages: [question], max_tokens: 2, ...greedy });
  expect(usage.completion_tokens).toBe(2);
  expect(performance.now() - before).toBeLessThan(10_000);
});

test('two requests at once are answered one after the other, each as if alone', async () => {
  const other: ChatMessage = { role: 'user', content: 'Something else entirely.' };
  const ask = (message: ChatMessage) =>
    engine.chat.completions.create({ messages: [message], max_tokens: 10, stream: true, ...greedy });
  await engine.reset();
  const alone = [(await hear(await ask(question))).text, (await hear(await ask(other))).text];
  const streams = await Promise.all([ask(question), ask(other)]);
  const together = await Promise.all(streams.map(hear));
  expect(together.map(({ text }) => text)).toEqual(alone);
});

test('a policy holds from the next request on', async () => {
  await engine.setPolicy({ kind: 'dense' });
  const request = { messages: [middling], max_tokens: 4, ...greedy };
  const dense = await engine.chat.completions.create(request);
  expect(dense.usage.prompt_tokens_details.cached_tokens).toBe(0);
  expect(dense.lethe.occupancy).toMatchObject({ policy: 'dense', ratio: 1 });
  await engine.setPolicy({ kind: 'window', window: 32, sinks: 2 });
  const window = await engine.chat.completions.create(request);
  expect(window.lethe.occupancy?.policy).toBe('window');
  expect(Math.max(...(window.lethe.occupancy?.live ?? []))).toBeLessThanOrEqual(36);
  await engine.setPolicy({ kind: 'dms' });
  const dms = await engine.chat.completions.create(request);
  expect(dms.lethe.occupancy?.policy).toBe('dms');
  expect(dms.usage.kv?.ratio).toBeGreaterThan(1.3);
  expect(dms.usage.kv?.ratio).toBeLessThan(window.usage.kv?.ratio ?? 0);
});

test('a full context ends the answer; a chat that cannot fit is refused before it is read', async () => {
  const small = await microEngine({ cache: { context: 64 } });
  const { choices, usage } = await small.chat.completions.create({ messages: [question], max_tokens: 500, ...greedy });
  expect(usage.total_tokens).toBe(64);
  expect(choices[0].finish_reason).toBe('length');
  const messages: ChatMessage[] = [question, choices[0].message, { role: 'user', content: 'More?' }];
  const refused = small.chat.completions.create({ messages, ...greedy });
  await expect(refused).rejects.toMatchObject({ name: 'CacheFullError', reason: 'context' });
  expect((await small.occupancy()).tokensSeen).toBe(63);
  const again = await small.chat.completions.create({ messages: [question], max_tokens: 3, ...greedy });
  expect(again.usage.completion_tokens).toBe(3);
  await small.destroy();
});

test('a full budget is a typed error after the words before it, and the engine goes on', async () => {
  const { allocatedBytes } = await engine.occupancy();
  const cache = { ...EXACT.cache, policy: { kind: 'dense' }, budgetBytes: allocatedBytes } as const;
  const tight = await microEngine({ ...EXACT, cache });
  const stream = await tight.chat.completions.create({
    messages: [question],
    max_tokens: 1900,
    stream: true,
    ...greedy,
  });
  let text = '';
  const reading = (async () => {
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  })();
  await expect(reading).rejects.toMatchObject({ name: 'CacheFullError', reason: 'budget' });
  expect(text.length).toBeGreaterThan(10);
  expect((await tight.occupancy()).allocatedBytes).toBeLessThanOrEqual(allocatedBytes);
  const next = await tight.chat.completions.create({ messages: [question], max_tokens: 3, ...greedy });
  expect(next.usage.completion_tokens).toBe(3);
  await tight.destroy();
});

test('the end of the engine ends an answer under way and refuses the next', async () => {
  const short = await microEngine();
  const stream = await short.chat.completions.create({ messages: [question], max_tokens: 1500, stream: true });
  const heard = hear(stream);
  await short.destroy();
  expect((await heard).chunks.at(-1)?.lethe?.aborted).toBe(true);
  await expect(short.chat.completions.create({ messages: [question] })).rejects.toThrow('destroyed');
  await expect(short.occupancy()).rejects.toThrow('destroyed');
});

/** Dawn, with a hand on the device that is opened through it. */
function withDevice(): { readonly gpu: typeof dawn; readonly lose: () => void } {
  let device: GPUDevice | null = null;
  const forward = (target: object, key: string | symbol): unknown => {
    const value: unknown = Reflect.get(target, key, target);
    return typeof value === 'function' ? value.bind(target) : value;
  };
  const adapterOf = (adapter: GPUAdapter): GPUAdapter =>
    new Proxy(adapter, {
      get: (target, key) =>
        key === 'requestDevice'
          ? async (descriptor: GPUDeviceDescriptor) => {
              device = await target.requestDevice(descriptor);
              return device;
            }
          : forward(target, key),
    });
  const gpu = new Proxy(dawn, {
    get: (target, key) =>
      key === 'requestAdapter'
        ? async (options: GPURequestAdapterOptions) => {
            const adapter = await target.requestAdapter(options);
            return adapter && adapterOf(adapter);
          }
        : forward(target, key),
  });
  return { gpu, lose: () => device?.destroy() };
}

test('a lost device ends the answer under way, is told, and refuses what comes after', async () => {
  const { gpu, lose } = withDevice();
  const doomed = await microEngine({ gpu });
  const stream = await doomed.chat.completions.create({ messages: [question], stream: true, max_tokens: 1900 });
  const reading = (async () => {
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) lose();
  })();
  await expect(reading).rejects.toMatchObject({ name: 'DeviceError', fault: 'lost' });
  expect(await doomed.lost).toContain('lost');
  const next = doomed.chat.completions.create({ messages: [question] });
  await expect(next).rejects.toMatchObject({ name: 'DeviceError', fault: 'lost' });
  await doomed.destroy();
});
