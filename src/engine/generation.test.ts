/**
 * One answer over a scripted session: it stands in for the model, not for the GPU, so that tokens come which no small
 * model would choose at the right moment, and so that failures come at all.
 */
import { beforeAll, expect, test, vi } from 'vitest';
import { CacheFullError } from '../cache/errors.ts';
import type { GenerateOptions, PrefillOptions } from '../model/session_types.ts';
import type { ChatMessage } from './api.ts';
import { ChatText } from './chat_text.ts';
import { Conversation } from './conversation.ts';
import { type Answer, type AnsweringSession, answer } from './generation.ts';
import { readRequest } from './request.ts';
import { openMicro } from './test_engine.ts';

const CHUNK = 8;

class ScriptedSession implements AnsweringSession {
  position = 0;
  readonly context = 200;
  /** Tokens to yield, by answer; an Error is thrown in their place. */
  script: (number | Error)[] = [];
  readonly reads: number[][] = [];
  onChunk = (): void => {};
  #pending = false;

  async prefill(ids: readonly number[], { signal, onProgress }: PrefillOptions = {}): Promise<void> {
    for (let done = 0; done < ids.length; done += CHUNK) {
      signal?.throwIfAborted();
      const rows = ids.slice(done, done + CHUNK);
      this.position += rows.length + (this.#pending ? 1 : 0);
      this.#pending = false;
      this.reads.push([...rows]);
      this.onChunk();
      onProgress?.(Math.min(done + CHUNK, ids.length));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async *generate({ maxTokens, stopTokens, signal }: GenerateOptions): AsyncGenerator<number, void> {
    for (const token of this.script.splice(0, maxTokens)) {
      if (token instanceof Error) throw token;
      if (signal?.aborted) return;
      if (this.#pending) this.position++;
      this.#pending = !stopTokens.includes(token);
      yield token;
      if (!this.#pending) return;
    }
  }

  reset(): void {
    this.position = 0;
    this.#pending = false;
  }
}

let text: ChatText;
const question: ChatMessage = { role: 'user', content: 'Zażółć?' };

beforeAll(async () => {
  text = new ChatText(await openMicro());
});

interface Run {
  readonly answer: Promise<Answer>;
  readonly pieces: readonly string[];
  readonly thoughts: readonly string[];
}

function chat() {
  const session = new ScriptedSession();
  const conversation = new Conversation(text.tokenizer.encode);
  const ask = (messages: readonly ChatMessage[], extra: object = {}, signal = new AbortController().signal): Run => {
    const pieces: string[] = [];
    const thoughts: string[] = [];
    const onThought = (piece: string) => thoughts.push(piece);
    const listener = { onPrefill: () => {}, onText: (piece: string) => pieces.push(piece), onThought };
    const settings = readRequest({ messages, ...extra }, 'Micro');
    const task = { session, conversation, text, settings, signal, askedAt: performance.now(), listener };
    return { answer: answer(task), pieces, thoughts };
  };
  return { session, conversation, ask };
}

const endOfTurn = (): number => text.tokenizer.tokenId('<|im_end|>') ?? -1;

test('streams whole characters and ends at the end of the turn', async () => {
  const { session, ask } = chat();
  session.script = [...text.tokenizer.encode('łódź 🛶'), endOfTurn(), 99];
  const { answer: made, pieces } = ask([question]);
  expect(await made).toMatchObject({ reason: 'stop', aborted: false, cachedTokens: 0 });
  expect(pieces.join('')).toBe('łódź 🛶');
  expect(pieces).toEqual([...'łódź 🛶']);
  expect((await made).completionTokens).toBe(text.tokenizer.encode('łódź 🛶').length + 1);
});

test('a following turn reads the end of the turn before it and what is new', async () => {
  const { session, ask } = chat();
  const said = text.tokenizer.encode(' yes ');
  session.script = [...said, endOfTurn()];
  const first = await ask([question]).answer;
  session.reads.length = 0;
  session.script = [endOfTurn()];
  const more: ChatMessage[] = [question, { role: 'assistant', content: ' yes ' }, { role: 'user', content: 'so?' }];
  const { cachedTokens, promptTokens } = await ask(more).answer;
  const rest = '<|im_end|>\n<|im_start|>user\nso?<|im_end|>\n<|im_start|>assistant\n';
  expect(session.reads.flat()).toEqual(text.tokenizer.encode(rest));
  expect(cachedTokens).toBe(first.promptTokens + said.length);
  expect(promptTokens - cachedTokens).toBe(text.tokenizer.encode(rest).length);
});

test('special tokens inside an answer are not shown and not lost', async () => {
  const { session, conversation, ask } = chat();
  const start = text.tokenizer.tokenId('<|im_start|>') ?? -1;
  session.script = [...text.tokenizer.encode('a'), start, ...text.tokenizer.encode('b'), endOfTurn()];
  const { answer: made, pieces } = ask([question]);
  await made;
  expect(pieces.join('')).toBe('ab');
  // The cache has a token that the visible answer lacks, so a chat with that answer is another chat.
  const plan = conversation.plan(text.render([question, { role: 'assistant', content: 'ab' }]));
  expect(plan.reset).toBe(true);
});

test('text held back for a stop string comes out when the answer ends otherwise', async () => {
  const { session, ask } = chat();
  session.script = text.tokenizer.encode('abc');
  const { answer: made, pieces } = ask([question], { stop: 'cd', max_tokens: 3 });
  expect((await made).reason).toBe('length');
  expect(pieces.join('')).toBe('abc');
  session.script = text.tokenizer.encode('abcdef');
  const cut = ask([question], { stop: 'cd', max_tokens: 6 });
  expect(await cut.answer).toMatchObject({ reason: 'stop', aborted: false });
  expect(cut.pieces.join('')).toBe('ab');
});

test('an answer cut inside a character ends with a mark', async () => {
  const { session, ask } = chat();
  session.script = text.tokenizer.encode('xł');
  const { answer: made, pieces } = ask([question], { max_tokens: 2 });
  expect((await made).completionTokens).toBe(2);
  expect(pieces.join('')).toBe('x\uFFFD');
});

test('a full cache comes after the words before it, and the chat goes on from them', async () => {
  const { session, conversation, ask } = chat();
  session.script = [...text.tokenizer.encode('abc'), new CacheFullError('budget', 'full')];
  const { answer: made, pieces } = ask([question], { stop: 'cd' });
  await expect(made).rejects.toMatchObject({ reason: 'budget' });
  expect(pieces.join('')).toBe('abc');
  const plan = conversation.plan(text.render([question, { role: 'assistant', content: 'abc' }]));
  expect(plan.reset).toBe(false);
});

test('a chat that cannot fit is refused with the cache as it was', async () => {
  const { session, ask } = chat();
  session.script = [endOfTurn()];
  await ask([question]).answer;
  const { position } = session;
  const huge: ChatMessage = { role: 'user', content: 'x'.repeat(300) };
  await expect(ask([huge]).answer).rejects.toMatchObject({ name: 'CacheFullError', reason: 'context' });
  expect(session.position).toBe(position);
});

test('an abort while reading leaves what was read', async () => {
  const { session, conversation, ask } = chat();
  const stop = new AbortController();
  const messages: ChatMessage[] = [{ role: 'user', content: 'one two three four five six' }];
  const run = ask(messages, {}, stop.signal);
  queueMicrotask(() => stop.abort());
  session.script = [endOfTurn()];
  expect(await run.answer).toMatchObject({ aborted: true, reason: 'stop', completionTokens: 0 });
  expect(session.position).toBe(CHUNK);
  expect(conversation.length).toBe(CHUNK);
  const again = await ask(messages).answer;
  expect(again.cachedTokens).toBe(CHUNK);
  expect(session.reads.flat()).toEqual(text.tokenizer.encode(text.render(messages)));
});

test('an abort between reading and writing leaves nothing to read', async () => {
  const { session, ask } = chat();
  const stop = new AbortController();
  session.script = [...text.tokenizer.encode('ok'), endOfTurn()];
  const ids = text.tokenizer.encode(text.render([question]));
  const last = Math.ceil(ids.length / CHUNK);
  session.onChunk = () => {
    if (session.reads.length === last) stop.abort();
  };
  expect(await ask([question], {}, stop.signal).answer).toMatchObject({ aborted: true, completionTokens: 0 });
  const again = ask([question]);
  expect(await again.answer).toMatchObject({ cachedTokens: ids.length, promptTokens: ids.length });
  expect(again.pieces.join('')).toBe('ok');
  expect(session.reads.flat()).toEqual(ids);
  // Once answered, the same chat is another answer and is read anew.
  session.script = [endOfTurn()];
  expect((await ask([question]).answer).cachedTokens).toBe(0);
});

test('tells a thought from the answer, also where tokens end inside a tag', async () => {
  const { session, conversation, ask } = chat();
  const raw = '<think>\nŁódź?\n</think>\n\nYes 🛶';
  session.script = [...text.tokenizer.encode(raw), endOfTurn()];
  const { answer: made, pieces, thoughts } = ask([question]);
  await made;
  expect(thoughts.join('')).toBe('Łódź?');
  expect(pieces.join('')).toBe('Yes 🛶');
  // The cache holds the thought, whatever is shown of it.
  expect(conversation.save().text).toContain(raw);
});

test('knows a thought that the template opens', async () => {
  const { session, ask } = chat();
  const render = text.render.bind(text);
  const opening = vi.spyOn(text, 'render').mockImplementation((messages) => `${render(messages)}<think>\n`);
  session.script = [...text.tokenizer.encode('Hm.\n</think>\nNo.'), endOfTurn()];
  const { answer: made, pieces, thoughts } = ask([question]);
  await made;
  opening.mockRestore();
  expect([thoughts.join(''), pieces.join('')]).toEqual(['Hm.', 'No.']);
});

test('tools are refused where the template knows none', async () => {
  const { session, ask } = chat();
  const tools = [{ type: 'function', function: { name: 'now' } }];
  await expect(ask([question], { tools }).answer).rejects.toMatchObject({ name: 'RequestError', param: 'tools' });
  expect(session.reads).toEqual([]);
});
