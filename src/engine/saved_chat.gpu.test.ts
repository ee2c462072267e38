/** Chats that are saved and opened again, and who remembers what of them, with the micro model on a real device. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryKeeper } from '../store/kept_files.ts';
import type { ChatMessage, Engine } from './api.ts';
import { microEngine } from './test_engine.ts';

const greedy = { temperature: 0, repetition_penalty: 1 };
const system: ChatMessage = { role: 'system', content: ' You are a river. Answer briefly.\n' };
const question: ChatMessage = { role: 'user', content: 'What does the river forget? Zürich, 河, user and <answer>?' };

let here: Engine;
let there: Engine;
const keeper = memoryKeeper();

beforeAll(async () => {
  here = await microEngine({ keeper });
  there = await microEngine({ keeper });
});

afterAll(async () => {
  await here.destroy();
  await there.destroy();
});

/** Asks two questions and returns the chat so far. */
async function talk(engine: Engine): Promise<ChatMessage[]> {
  const messages: ChatMessage[] = [system, question];
  for (const next of ['And then? '.repeat(20), 'Why?']) {
    const { choices } = await engine.chat.completions.create({ messages, max_tokens: 40, ...greedy });
    messages.push(choices[0].message, { role: 'user', content: next });
  }
  return messages;
}

test('a chat that was saved goes on in another engine without reading what was read', async () => {
  const messages = await talk(here);
  const file = await here.snapshot();
  const told = await here.occupancy();
  await there.restore(file);
  expect((await there.occupancy()).live).toEqual(told.live);
  expect((await there.occupancy()).tokensSeen).toBe(told.tokensSeen);
  // Only what is live is in the file: far less than the dense bytes, and little more than the live ones.
  const overhead = (4 * (17 + 64) + 300) * told.layers * told.kvHeads;
  expect(file.length - told.liveBytes).toBeLessThan(overhead + told.tokensSeen * 8 + 3000);
  const ask = (engine: Engine) => engine.chat.completions.create({ messages, max_tokens: 64, ...greedy });
  const [one, other] = [await ask(here), await ask(there)];
  expect(other.choices).toEqual(one.choices);
  expect(other.usage).toEqual({ ...one.usage, kv: other.usage.kv });
  const { prompt_tokens, prompt_tokens_details } = other.usage;
  expect(prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(told.tokensSeen);
  expect(prompt_tokens - prompt_tokens_details.cached_tokens).toBeLessThan(60);
  expect(await there.retention()).toEqual(await here.retention());
});

test('chats are kept by name', async () => {
  await here.reset();
  const messages = await talk(here);
  const { bytes } = await here.snapshots.save('chat 1');
  const list = await here.snapshots.list();
  expect(list.map(({ name, bytes: size }) => [name, size])).toEqual([['chat 1', bytes]]);
  await there.reset();
  expect(await there.snapshots.restore('chat 2')).toBe(false);
  expect(await there.snapshots.restore('chat 1')).toBe(true);
  const { usage } = await there.chat.completions.create({ messages, max_tokens: 1, ...greedy });
  expect(usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(200);
  await here.snapshots.remove('chat 1');
  expect(await here.snapshots.list()).toEqual([]);
});

test('a refused snapshot leaves the chat as it was', async () => {
  await here.reset();
  const messages = await talk(here);
  const file = await here.snapshot();
  const refusals: [string, Uint8Array][] = [
    ['truncated', file.subarray(0, file.length - 4)],
    ['corrupted', file.map((byte, i) => (i === file.length - 9 ? byte ^ 1 : byte))],
    ['version', file.map((byte, i) => (i === 8 ? 9 : byte))],
  ];
  for (const [cache, reason] of [
    [{ policy: { kind: 'dense' } }, 'cache'],
    [{ kv: 'f16' }, 'cache'],
  ] as const) {
    const other = await microEngine({ cache });
    await other.chat.completions.create({ messages: [question], max_tokens: 2 });
    refusals.push([reason, await other.snapshot()]);
    await other.destroy();
  }
  for (const [reason, bytes] of refusals) {
    await expect(here.restore(bytes)).rejects.toMatchObject({ name: 'SnapshotError', reason });
  }
  const other = await microEngine({ cache: { context: 256 } });
  await other.chat.completions.create({ messages: [question], max_tokens: 2 });
  await expect(other.restore(file)).rejects.toMatchObject({ name: 'CacheFullError', reason: 'context' });
  expect(await other.occupancy()).toMatchObject({ tokensSeen: (await other.retention()).tokensSeen });
  await other.destroy();
  const { usage } = await here.chat.completions.create({ messages, max_tokens: 1, ...greedy });
  expect(usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(200);
});

test('an empty chat can be saved and opened', async () => {
  await here.reset();
  const file = await here.snapshot();
  await talk(here);
  await here.restore(file);
  expect((await here.occupancy()).tokensSeen).toBe(0);
  expect((await here.retention()).text).toEqual([]);
  await talk(here);
});

test('retention counts the heads that hold each token, and says whose text it is', async () => {
  await here.reset();
  const messages = await talk(here);
  const { tokensSeen, layers, kvHeads, live } = await here.occupancy();
  const kept = await here.retention();
  expect(kept).toMatchObject({ tokensSeen, layers, kvHeads });
  expect([kept.holders.length, kept.perLayer.length]).toEqual([tokensSeen, tokensSeen * layers]);
  for (let layer = 0; layer < layers; layer++) {
    const held = kept.perLayer.reduce((sum, count, i) => sum + (i % layers === layer ? count : 0), 0);
    const slots = live.subarray(layer * kvHeads, (layer + 1) * kvHeads).reduce((sum, length) => sum + length, 0);
    expect(held).toBe(slots);
  }
  kept.holders.forEach((count, token) => {
    const own = kept.perLayer.subarray(token * layers, (token + 1) * layers);
    expect(count).toBe(own.reduce((sum, heads) => sum + heads, 0));
    if (token >= tokensSeen - 17) expect(count).toBe(layers * kvHeads);
  });
  expect(kept.holders.some((count) => count < layers * kvHeads)).toBe(true);
  const textOf = (index: number) => kept.text.filter((_, i) => kept.messages[i] === index).join('');
  // The last message is not read yet; the last answer is, but for the token that was chosen last.
  messages.slice(0, -2).forEach(({ content }, i) => {
    expect(textOf(i).trim()).toBe(content.trim());
  });
  expect(messages[4].content.startsWith(textOf(4))).toBe(true);
  expect(textOf(4).length).toBeGreaterThan(10);
  expect(kept.text.join('')).toContain('<|im_start|>user');
  expect(textOf(-1)).not.toContain('river');
});

test('tokens are counted as a request counts them', async () => {
  await here.reset();
  const messages = await talk(here);
  for (const fresh of [false, true]) {
    if (fresh) await here.reset();
    const counted = await here.countTokens(messages);
    const { usage } = await here.chat.completions.create({ messages, max_tokens: 1, ...greedy });
    expect(usage.prompt_tokens).toBe(counted);
  }
  await expect(here.countTokens([])).rejects.toMatchObject({ name: 'RequestError', param: 'messages' });
});
