/**
 * One answer, from rendered chat to the last token: reads what the cache lacks, generates, turns tokens into text and
 * knows why it ended. It keeps conversation and session agreeing whatever happens; it knows no wire format.
 */
import { CacheFullError } from '../cache/errors.ts';
import type { Session } from '../model/session_types.ts';
import { Detokenizer } from '../text/detokenizer.ts';
import type { FinishReason, Speed } from './api.ts';
import type { ChatText } from './chat_text.ts';
import type { Conversation, ReadPlan } from './conversation.ts';
import type { ChatSettings } from './request.ts';
import { StopStrings } from './stop_strings.ts';
import { CLOSING, OPENING, type Parted, ThoughtSplitter } from './thinking.ts';

/** Hears of an answer while it is made. */
export interface AnswerListener {
  /** Prompt tokens read so far, of those that must be read. */
  onPrefill(done: number, total: number): void;
  onText(text: string): void;
  /** What the model thinks before it answers, without the tags around it. */
  onThought(thought: string): void;
}

/** What an answer needs of a session. */
export type AnsweringSession = Pick<Session, 'position' | 'context' | 'prefill' | 'generate' | 'reset'>;

export interface AnswerTask {
  readonly session: AnsweringSession;
  readonly conversation: Conversation;
  readonly text: ChatText;
  readonly settings: ChatSettings;
  readonly signal: AbortSignal;
  /** When the caller asked, by `performance.now()`. */
  readonly askedAt: number;
  readonly listener: AnswerListener;
}

export interface Answer {
  readonly reason: FinishReason;
  /** True when the signal ended it. */
  readonly aborted: boolean;
  readonly promptTokens: number;
  /** Of these, tokens that were not read again. */
  readonly cachedTokens: number;
  /** Generated tokens, the one that ended the answer included. */
  readonly completionTokens: number;
  readonly speed: Speed;
}

/** What was generated, and when. */
interface Written {
  readonly reason: FinishReason;
  readonly aborted: boolean;
  readonly tokens: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/**
 * Makes one answer. After any failure the conversation still says what the session holds.
 * @throws CacheFullError before anything is read when the chat cannot fit, or after the text that came before it
 */
export async function answer(task: AnswerTask): Promise<Answer> {
  const { session, conversation, settings, askedAt } = task;
  const plan = conversation.plan(task.text.render(settings.messages, settings.tools));
  const promptTokens = plan.cached + plan.rest.length;
  const room = session.context - promptTokens;
  if (room < 1) throw tooLong(promptTokens, session.context);
  const startedAt = performance.now();
  const complete = await readPrompt(task, plan);
  const readAt = performance.now();
  const written: Written = complete
    ? await write(task, plan, Math.min(settings.maxTokens ?? room, room))
    : { reason: 'stop', aborted: true, tokens: 0, firstAt: readAt, lastAt: readAt };
  const { tokens, firstAt, lastAt } = written;
  return {
    reason: written.reason,
    aborted: written.aborted,
    promptTokens,
    cachedTokens: plan.cached,
    completionTokens: tokens,
    speed: {
      ttft_ms: firstAt - askedAt,
      prefillTokens: plan.rest.length,
      prefillTokensPerSecond: rate(plan.rest.length, readAt - startedAt),
      // The first token falls out of reading the prompt; the others are what decoding costs.
      decodeTokensPerSecond: rate(tokens - 1, lastAt - firstAt),
    },
  };
}

function tooLong(tokens: number, context: number): CacheFullError {
  const facts = `The chat has ${tokens} tokens, and ${context} are the most that fit, with at least one of an answer.`;
  return new CacheFullError('context', `${facts} Start a new chat, or shorten the messages.`);
}

function rate(count: number, ms: number): number {
  return count > 0 && ms > 0 ? (1000 * count) / ms : 0;
}

/** Brings the session to the end of the prompt; false when the signal came first. What was read stays. */
async function readPrompt(task: AnswerTask, plan: ReadPlan): Promise<boolean> {
  const { session, conversation, signal, listener } = task;
  if (signal.aborted) return false;
  if (plan.reset) {
    session.reset();
    conversation.clear();
  }
  conversation.hear(task.settings.messages);
  if (plan.rest.length === 0) return true;
  try {
    await session.prefill(plan.rest, { signal, onProgress: (done) => listener.onPrefill(done, plan.rest.length) });
  } catch (cause) {
    conversation.readPartly(plan, session.position);
    if (signal.aborted && cause === signal.reason) return false;
    throw cause;
  }
  conversation.read(plan);
  return !signal.aborted;
}

async function write(task: AnswerTask, plan: ReadPlan, maxTokens: number): Promise<Written> {
  const { session, conversation, text, settings, signal } = task;
  // A stop string ends the answer like an abort: tokens of steps under way still enter the conversation.
  const ending = new AbortController();
  const stream = new AnswerText(task, plan.rendered, () => ending.abort());
  let tokens = 0;
  let stopToken = false;
  let firstAt = 0;
  let lastAt = 0;
  conversation.startAnswer();
  try {
    const steps = session.generate({
      sampling: settings.sampling,
      maxTokens,
      stopTokens: text.stopTokens,
      signal: AbortSignal.any([signal, ending.signal]),
    });
    for await (const id of steps) {
      tokens++;
      lastAt = performance.now();
      firstAt ||= lastAt;
      stopToken = text.stopTokens.includes(id);
      if (stopToken) continue;
      conversation.addToken(id);
      stream.push(id);
    }
  } finally {
    stream.flush();
  }
  const aborted = signal.aborted && !stopToken && !stream.stopped && tokens < maxTokens;
  const reason = stopToken || stream.stopped || aborted ? 'stop' : 'length';
  return { reason, aborted, tokens, firstAt: firstAt || performance.now(), lastAt };
}

/** Generated tokens on their way to the reader, and to the conversation's text. */
class AnswerText {
  stopped = false;
  readonly #detokenizer: Detokenizer;
  readonly #stops: StopStrings;
  readonly #splitter: ThoughtSplitter;
  readonly #task: AnswerTask;
  readonly #onStop: () => void;

  /** @param prompt the text before the answer, which may have opened a thought */
  constructor(task: AnswerTask, prompt: string, onStop: () => void) {
    this.#task = task;
    this.#onStop = onStop;
    this.#detokenizer = new Detokenizer(task.text.tokenizer, prompt);
    this.#stops = new StopStrings(task.settings.stops);
    this.#splitter = new ThoughtSplitter(prompt.trimEnd().endsWith(OPENING));
  }

  push(id: number): void {
    const { text, raw } = this.#detokenizer.push(id);
    // Where the tags are special tokens they are no text, and yet they part it.
    this.#take({ text: raw === OPENING || raw === CLOSING ? raw : text, raw });
  }

  flush(): void {
    this.#take(this.#detokenizer.flush());
    if (!this.stopped) this.#show(this.#splitter.push(this.#stops.flush()));
    this.#show(this.#splitter.flush());
  }

  #take(piece: { readonly text: string; readonly raw: string }): void {
    this.#task.conversation.addText(piece.raw);
    if (this.stopped) return;
    const released = this.#stops.push(piece.text);
    this.#show(this.#splitter.push(released.text));
    if (!released.stopped) return;
    this.stopped = true;
    this.#onStop();
  }

  #show({ thought, text }: Parted): void {
    if (thought !== '') this.#task.listener.onThought(thought);
    if (text !== '') this.#task.listener.onText(text);
  }
}
