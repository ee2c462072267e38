/** The conversation's logic, against an engine that says what a test writes down for it. */
import { expect, test } from 'vitest';
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { ChatChunk, ChatRequest, Completions, Engine, EngineInfo, RequestOptions } from '../engine/api.ts';
import { Chat } from './chat.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

const OCCUPANCY: Occupancy = {
  policy: 'dms',
  layers: 1,
  kvHeads: 1,
  window: 4,
  tokensSeen: 10,
  live: Uint32Array.of(5),
  liveBytes: 2_100_000,
  allocatedBytes: 3_000_000,
  denseBytes: 10_800_000,
  ratio: 2,
};

const INFO: EngineInfo = {
  modelName: 'Scripted',
  license: null,
  modelBytes: 1,
  facts: {
    architecture: 'llama',
    layers: 1,
    kvHeads: 1,
    headDim: 64,
    hiddenSize: 64,
    vocabSize: 10,
    contextLength: 100,
    weightBytes: 1,
    dms: null,
  },
  adapter: { vendor: '', architecture: '', description: '' },
  f16: false,
  subgroups: false,
};

type Script = (request: ChatRequest, signal: AbortSignal) => AsyncIterable<ChatChunk>;

function chunk(content: string, more: Partial<ChatChunk> = {}): ChatChunk {
  const choices = [{ index: 0, delta: { content }, finish_reason: null, logprobs: null }] as const;
  return { id: 'x', object: 'chat.completion.chunk', created: 0, model: 'Scripted', choices, ...more };
}

class ScriptedEngine implements Engine {
  readonly info = INFO;
  readonly requests: ChatRequest[] = [];
  readonly policies: CachePolicy[] = [];
  resets = 0;
  readonly lost = new Promise<string>(() => {});
  readonly chat: Engine['chat'];

  constructor(script: Script) {
    const create = async (request: ChatRequest, options: RequestOptions = {}): Promise<AsyncIterable<ChatChunk>> => {
      this.requests.push(request);
      return script(request, options.signal ?? new AbortController().signal);
    };
    this.chat = { completions: { create } as Completions };
  }

  async occupancy(): Promise<Occupancy> {
    return OCCUPANCY;
  }

  async setPolicy(policy: CachePolicy): Promise<void> {
    this.policies.push(policy);
  }

  async reset(): Promise<void> {
    this.resets++;
  }

  async destroy(): Promise<void> {}
}

async function chatWith(script: Script): Promise<{ chat: Chat; engine: ScriptedEngine }> {
  const engine = new ScriptedEngine(script);
  const chat = new Chat(() => {});
  await chat.setEngine(engine);
  return { chat, engine };
}

function said(chat: Chat): string[] {
  return chat.turns.map(({ role, text }) => `${role}: ${text}`);
}

async function* echo({ messages }: ChatRequest): AsyncIterable<ChatChunk> {
  yield chunk('re: ');
  yield chunk(messages.at(-1)?.content ?? '', { lethe: { occupancy: OCCUPANCY } });
}

test('an answer is gathered, and all turns go with the next message', async () => {
  const { chat, engine } = await chatWith(echo);
  await chat.send('one', { ...DEFAULT_SETTINGS, systemPrompt: 'Be brief.', temperature: 0 });
  await chat.send('two', DEFAULT_SETTINGS);
  expect(said(chat)).toEqual(['user: one', 'assistant: re: one', 'user: two', 'assistant: re: two']);
  expect(engine.requests[0].messages).toEqual([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'one' },
  ]);
  expect(engine.requests[0].temperature).toBe(0);
  expect(engine.requests[1].messages.map(({ content }) => content)).toEqual(['one', 're: one', 'two']);
  const last = chat.turns.at(-1);
  expect(last?.role === 'assistant' && last.note).toBe('2 tokens, memory 2.1 MB (dense 10.8 MB)');
});

test('an edited message takes the place of the last one and its answer', async () => {
  const { chat } = await chatWith(echo);
  await chat.send('one', DEFAULT_SETTINGS);
  await chat.send('two', DEFAULT_SETTINGS);
  await chat.send('two, better', DEFAULT_SETTINGS, true);
  expect(said(chat)).toEqual(['user: one', 'assistant: re: one', 'user: two, better', 'assistant: re: two, better']);
});

test('a request that fails before its first word gives the text back and leaves the turns', async () => {
  const full = Object.assign(new Error('It is full.'), { name: 'CacheFullError', reason: 'context' });
  const { chat } = await chatWith((request) => {
    if (request.messages.length > 1) throw full;
    return echo(request);
  });
  await chat.send('one', DEFAULT_SETTINGS);
  await chat.send('two', DEFAULT_SETTINGS);
  expect(said(chat)).toEqual(['user: one', 'assistant: re: one']);
  expect(chat.fault?.kind).toBe('context');
  expect(chat.returnedText).toBe('two');
  expect(chat.ready).toBe(true);
});

test('a failure on the way keeps the words so far', async () => {
  const { chat } = await chatWith(async function* () {
    yield chunk('half an ');
    throw Object.assign(new Error('Gone.'), { name: 'DeviceError', fault: 'lost' });
  });
  await chat.send('one', DEFAULT_SETTINGS);
  expect(said(chat)).toEqual(['user: one', 'assistant: half an ']);
  expect(chat.fault?.kind).toBe('lost');
});

test('stop ends the answer by its signal, and the words stay', async () => {
  const { chat } = await chatWith(async function* (_, signal) {
    yield chunk('words');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    yield chunk('', { lethe: { aborted: true } });
  });
  const sent = chat.send('one', DEFAULT_SETTINGS);
  await expect.poll(() => chat.activity).toBe('writing');
  chat.stop();
  expect(chat.activity).toBe('stopping');
  await sent;
  expect(said(chat)).toEqual(['user: one', 'assistant: words']);
  const last = chat.turns.at(-1);
  expect(last?.role === 'assistant' && last.note).toContain('stopped');
});

test('a new chat during an answer forgets it, here and in the engine', async () => {
  const { chat, engine } = await chatWith(async function* (_, signal) {
    yield chunk('words');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    yield chunk('late');
  });
  const sent = chat.send('one', DEFAULT_SETTINGS);
  await expect.poll(() => chat.activity).toBe('writing');
  await chat.newChat();
  await sent;
  expect(chat.turns).toEqual([]);
  expect(engine.resets).toBe(1);
  expect(chat.ready).toBe(true);
});

test('a policy waits for the next message', async () => {
  const { chat, engine } = await chatWith(echo);
  chat.choosePolicy('dense', 'dms');
  expect(chat.pendingPolicy).toBe('dense');
  expect(engine.policies).toEqual([]);
  await chat.send('one', DEFAULT_SETTINGS);
  expect(engine.policies).toEqual([{ kind: 'dense' }]);
  expect(chat.pendingPolicy).toBeNull();
  chat.choosePolicy('dms', 'dms');
  expect(chat.pendingPolicy).toBeNull();
});
