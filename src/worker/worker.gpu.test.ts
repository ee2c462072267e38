/**
 * Client and host at the two ends of a real message channel, with the micro model on a real device: what a page sees of
 * the engine. That the two find each other in a worker of a browser is the app ring's to show.
 */
import { expose } from 'comlink';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChatChunk, ChatMessage, Engine, EngineOptions, LoadProgress } from '../engine/api.ts';
import { dawn, hear } from '../engine/test_engine.ts';
import { serveMicro, type TestServer } from '../engine/test_server.ts';
import { type HubServer, leadToHub, serveHub } from '../store/hub_server.ts';
import { connectEngine, type Thread } from './client.ts';
import { createHost } from './host_service.ts';

let engine: Engine;
let server: TestServer;
let hub: HubServer;
let back = (): void => {};
const progress: LoadProgress[] = [];
const question: ChatMessage = { role: 'user', content: 'What does the river forget?' };

interface TestThread extends Thread {
  readonly crash: (cause: Error) => void;
  terminated: boolean;
}

/** A thread that is none: host and client share this one, and all that they say to each other is cloned. */
function openThread(): TestThread {
  const { port1, port2 } = new MessageChannel();
  expose(createHost({ gpu: () => dawn }), port1);
  let crash: (cause: Error) => void = () => {};
  const crashed = new Promise<never>((_, reject) => {
    crash = reject;
  });
  const thread = {
    endpoint: port2,
    crashed,
    crash: (cause: Error) => crash(cause),
    terminated: false,
    terminate: () => {
      thread.terminated = true;
      port1.close();
      port2.close();
    },
  };
  return thread;
}

function open(options: Partial<EngineOptions> = {}, thread = openThread()): Promise<Engine> {
  return connectEngine(thread, { model: `${server.address}/micro/`, ...options });
}

beforeAll(async () => {
  server = await serveMicro();
  hub = await serveHub({ 'tiny/Locked': { files: {}, gated: 'manual' } });
  back = leadToHub(hub);
  engine = await open({ onProgress: (step) => progress.push(step) });
});

afterAll(async () => {
  await engine.destroy();
  server.close();
  back();
  await hub.close();
});

test('loads from an address and tells of it stage by stage', async () => {
  expect(engine.info.modelName).toBe('Micro');
  const stages = progress.map(({ stage }) => stage);
  for (const stage of ['download', 'upload', 'compile', 'ready'] as const) expect(stages).toContain(stage);
  expect(stages.at(-1)).toBe('ready');
  for (const { done, total } of progress) expect(done).toBeLessThanOrEqual(total);
  const bytes = progress.filter(({ stage }) => stage === 'download').at(-1);
  expect(bytes?.done).toBe(engine.info.modelBytes);
});

test('streams, completes, and knows its occupancy', async () => {
  const request = { messages: [question], max_tokens: 20, temperature: 0 };
  const whole = await engine.chat.completions.create(request);
  await engine.reset();
  const { text, chunks } = await hear(await engine.chat.completions.create({ ...request, stream: true }));
  expect(text).toBe(whole.choices[0].message.content);
  expect(chunks.length).toBeGreaterThan(10);
  const occupancy = await engine.occupancy();
  expect(occupancy.live).toBeInstanceOf(Uint32Array);
  expect(occupancy.tokensSeen).toBe(whole.usage.total_tokens - 1);
});

test('a signal crosses, before and during an answer', async () => {
  const stop = new AbortController();
  const request = { messages: [question], stream: true, max_tokens: 1500, temperature: 0 } as const;
  const stream = await engine.chat.completions.create(request, { signal: stop.signal });
  const chunks: ChatChunk[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    if (chunks.length === 6) stop.abort();
  }
  expect(chunks.at(-1)?.lethe?.aborted).toBe(true);
  expect(chunks.length).toBeLessThan(40);
  const early = await engine.chat.completions.create({ messages: [question] }, { signal: AbortSignal.abort() });
  expect(early.lethe.aborted).toBe(true);
});

test('leaving the loop stops the answer in the worker', async () => {
  const stream = await engine.chat.completions.create({ messages: [question], stream: true, max_tokens: 1900 });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  await engine.reset();
  expect((await engine.occupancy()).tokensSeen).toBe(0);
});

test('errors keep their name and fields', async () => {
  const wrong = { messages: [question], best_of: 2 };
  await expect(engine.chat.completions.create(wrong)).rejects.toMatchObject({ name: 'RequestError', param: 'best_of' });
  const tooLong: ChatMessage = { role: 'user', content: 'x'.repeat(3000) };
  const stream = await engine.chat.completions.create({ messages: [tooLong], stream: true });
  await expect(hear(stream)).rejects.toMatchObject({ name: 'CacheFullError', reason: 'context' });
  const absent = open({ model: `${server.address}/absent.gguf` });
  await expect(absent).rejects.toMatchObject({ name: 'DownloadError', status: 404 });
  const locked = open({ model: 'hf:tiny/Locked' });
  await expect(locked).rejects.toMatchObject({ name: 'HubError', reason: 'gated' });
});

test('a policy can be changed', async () => {
  await engine.setPolicy({ kind: 'window', window: 8, sinks: 1 });
  const { lethe } = await engine.chat.completions.create({ messages: [question], max_tokens: 3, temperature: 0 });
  expect(lethe.occupancy?.policy).toBe('window');
  await engine.setPolicy({ kind: 'dms' });
  expect((await engine.occupancy()).policy).toBe('dms');
});

test('loading can be given up, which ends the thread', async () => {
  const stop = new AbortController();
  const thread = openThread();
  const loading = open({ signal: stop.signal, onProgress: () => stop.abort() }, thread);
  await expect(loading).rejects.toThrow('aborted');
  await expect(loading.catch((cause) => cause)).resolves.toBe(stop.signal.reason);
  expect(thread.terminated).toBe(true);
});

test('a thread that dies ends what waits for it and is told as a loss', async () => {
  const thread = openThread();
  const doomed = await open({}, thread);
  const stream = await doomed.chat.completions.create({ messages: [question], stream: true, max_tokens: 1900 });
  const heard = hear(stream);
  thread.crash(new Error('out of memory'));
  await expect(heard).rejects.toThrow('out of memory');
  expect(await doomed.lost).toBe('out of memory');
  await expect(doomed.occupancy()).rejects.toThrow('out of memory');
  await doomed.destroy();
  expect(thread.terminated).toBe(true);
});
