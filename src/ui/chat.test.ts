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
  quality: null,
  context: 100,
  adapter: { vendor: '', architecture: '', description: '' },
  f16: false,
  subgroups: false,
  server: null,
};

type Script = (request: ChatRequest, signal: AbortSignal) => AsyncIterable<ChatChunk>;

function chunk(content: string, more: Partial<ChatChunk> = {}): ChatChunk {
  const choices: ChatChunk['choices'] = [{ index: 0, delta: { content }, finish_reason: null, logprobs: null }];
  return { id: 'x', object: 'chat.completion.chunk', created: 0, model: 'Scripted', choices, ...more };
}

const unscripted = (): Promise<never> => Promise.reject(new Error('not scripted'));

class ScriptedEngine implements Engine {
  readonly info = INFO;
  readonly requests: ChatRequest[] = [];
  readonly policies: CachePolicy[] = [];
  resets = 0;
  readonly lost = new Promise<string>(() => {});
  readonly chat: Engine['chat'];
  readonly countTokens = unscripted;
  readonly retention = unscripted;
  readonly snapshot = unscripted;
  readonly restore = unscripted;
  readonly snapshots = { save: unscripted, restore: unscripted, remove: unscripted, list: unscripted };

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
  expect(last).toMatchObject({
    note: '2 tokens, memory 2.1 MB (dense 10.8 MB)',
    memory: { tokens: 10, live: 2_100_000, dense: 10_800_000 },
  });
});

test('a thought is kept apart from the answer, timed, and not sent back', async () => {
  const thinking = (reasoning_content: string): ChatChunk => ({
    ...chunk(''),
    choices: [{ index: 0, delta: { reasoning_content }, finish_reason: null, logprobs: null }],
  });
  const seen: (number | null | undefined)[] = [];
  const { chat, engine } = await chatWith(async function* () {
    yield thinking('One ');
    yield thinking('and one.');
    await new Promise((resolve) => setTimeout(resolve, 150));
    const turn = chat.turns.at(-1);
    seen.push(turn?.role === 'assistant' ? turn.thought?.seconds : undefined);
    yield chunk('Two.');
  });
  await chat.send('1 + 1?', DEFAULT_SETTINGS);
  expect(seen).toEqual([null]);
  expect(chat.turns.at(-1)).toMatchObject({ text: 'Two.', thought: { text: 'One and one.', seconds: 0 } });
  await chat.send('Sure?', DEFAULT_SETTINGS);
  expect(engine.requests[1].messages).toEqual([
    { role: 'user', content: '1 + 1?' },
    { role: 'assistant', content: 'Two.' },
    { role: 'user', content: 'Sure?' },
  ]);
});

test('an edited message becomes a sibling, anywhere, and both branches stay', async () => {
  const { chat, engine } = await chatWith(echo);
  await chat.send('one', DEFAULT_SETTINGS);
  await chat.send('two', DEFAULT_SETTINGS);
  await chat.send('two, better', DEFAULT_SETTINGS, chat.turns[2].id);
  expect(said(chat)).toEqual(['user: one', 'assistant: re: one', 'user: two, better', 'assistant: re: two, better']);
  expect(chat.placeOf(chat.turns[2].id)).toEqual({ at: 2, of: 2 });
  await chat.send('first', DEFAULT_SETTINGS, chat.turns[0].id);
  expect(said(chat)).toEqual(['user: first', 'assistant: re: first']);
  expect(engine.requests.at(-1)?.messages).toEqual([{ role: 'user', content: 'first' }]);
  chat.choose(chat.turns[0].id, -1);
  chat.choose(chat.turns[2].id, -1);
  expect(said(chat)).toEqual(['user: one', 'assistant: re: one', 'user: two', 'assistant: re: two']);
  await chat.send('three', DEFAULT_SETTINGS);
  expect(engine.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
    ...['one', 're: one', 'two', 're: two', 'three'],
  ]);
});

test('an answer asked for again becomes a sibling of the first', async () => {
  let count = 0;
  const { chat, engine } = await chatWith(async function* () {
    count++;
    if (count === 3) throw Object.assign(new Error('Gone.'), { name: 'DeviceError', fault: 'lost' });
    yield chunk(`answer ${count}`);
  });
  await chat.send('one', DEFAULT_SETTINGS);
  await chat.regenerate(chat.turns[1].id, DEFAULT_SETTINGS);
  expect(said(chat)).toEqual(['user: one', 'assistant: answer 2']);
  expect(chat.placeOf(chat.turns[1].id)).toEqual({ at: 2, of: 2 });
  expect(engine.requests[1].messages).toEqual([{ role: 'user', content: 'one' }]);
  chat.choose(chat.turns[1].id, -1);
  expect(said(chat)).toEqual(['user: one', 'assistant: answer 1']);
  await chat.regenerate(chat.turns[1].id, DEFAULT_SETTINGS);
  expect(said(chat)).toEqual(['user: one', 'assistant: answer 1']);
  expect([chat.returnedText, chat.tree.turns.length]).toEqual([null, 3]);
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

test('an engine that is lent takes no message until it is back', async () => {
  const { chat, engine } = await chatWith(echo);
  let end = (): void => {};
  const lent = chat.lend(async (given) => {
    expect(given).toBe(engine);
    await new Promise<void>((resolve) => {
      end = resolve;
    });
  });
  expect(chat.ready).toBe(false);
  expect(chat.activity).toBe('reading');
  await chat.lend(() => Promise.reject(new Error('lent twice')));
  end();
  await lent;
  expect(chat.ready).toBe(true);
});

test('a policy waits for the next message', async () => {
  const { chat, engine } = await chatWith(echo);
  chat.choosePolicy({ kind: 'window', window: 8, sinks: 4 });
  expect(chat.pendingPolicy).toEqual({ kind: 'window', window: 8, sinks: 4 });
  expect(engine.policies).toEqual([]);
  await chat.send('one', DEFAULT_SETTINGS);
  expect(engine.policies).toEqual([{ kind: 'window', window: 8, sinks: 4 }]);
  expect(chat.pendingPolicy).toBeNull();
  expect(chat.policy).toEqual({ kind: 'window', window: 8, sinks: 4 });
  chat.choosePolicy({ kind: 'window', window: 8, sinks: 4 });
  expect(chat.pendingPolicy).toBeNull();
});

test('a chat that is opened is recalled before anything is asked, by each engine that comes', async () => {
  const { chat, engine } = await chatWith(echo);
  await chat.send('one', DEFAULT_SETTINGS);
  const { tree } = chat;
  await chat.newChat();
  let recalled = (): void => {};
  const asked: unknown[] = [];
  chat.recall = (engine) => {
    asked.push(engine);
    return new Promise<void>((resolve) => {
      recalled = resolve;
    });
  };
  const opened = chat.open(tree);
  await expect.poll(() => asked).toEqual([engine]);
  expect([chat.ready, chat.opening, engine.resets]).toEqual([false, true, 2]);
  recalled();
  await opened;
  expect([chat.ready, chat.opening]).toEqual([true, false]);
  expect(said(chat)).toEqual(['user: one', 'assistant: re: one']);

  const next = new ScriptedEngine(echo);
  chat.recall = () => Promise.reject(new Error('It was made with another model.'));
  await chat.setEngine(next);
  expect([chat.ready, next.resets]).toEqual([true, 0]);
  await chat.send('two', DEFAULT_SETTINGS);
  expect(next.requests[0].messages.map(({ content }) => content)).toEqual(['one', 're: one', 'two']);
});

test('the words of an answer that is left stay in its chat', async () => {
  const { chat } = await chatWith(async function* (_, signal) {
    yield chunk('words');
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  });
  void chat.send('one', DEFAULT_SETTINGS);
  await expect.poll(() => chat.activity).toBe('writing');
  chat.leave();
  expect(chat.tree.turns.at(-1)).toMatchObject({ text: 'words', activity: 'idle' });
  expect(chat.ready).toBe(true);
});
