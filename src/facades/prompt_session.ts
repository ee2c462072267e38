/**
 * A session of the Prompt API: a conversation that grows with each prompt. Prompts are answered one after another. When
 * the next one does not fit, the oldest turns after the initial prompts are left out, and an event says so.
 */
import type { ChatMessage, ChatRequest, Engine } from '../engine/api.ts';
import { NotOnServerError } from '../engine/errors.ts';
import { type PromptInput, promptMessages, refuse } from './prompt_messages.ts';
import { pulledStream } from './pulled_stream.ts';

export interface SessionOptions {
  readonly temperature?: number;
  readonly topK?: number;
}

export interface PromptOptions {
  readonly signal?: AbortSignal;
  /** Not supported. */
  readonly responseConstraint?: unknown;
}

interface Parts {
  readonly engine: Engine;
  readonly messages: readonly ChatMessage[];
  readonly options: SessionOptions;
  /** Counts one more session; what it returns is called when that ends. */
  readonly join: () => () => void;
}

/** Tokens that are kept free for an answer. */
const ROOM = 16;

export class LanguageModelSession extends EventTarget {
  readonly temperature: number | undefined;
  readonly topK: number | undefined;
  /** Most tokens of the conversation; infinite where a server does not say. */
  readonly contextWindow: number;
  /** Called when turns are left out because the conversation has grown too long. */
  oncontextoverflow: ((event: Event) => void) | null = null;
  /** The older name of the same. */
  onquotaoverflow: ((event: Event) => void) | null = null;
  readonly #parts: Parts;
  readonly #ended: () => void;
  readonly #initial: readonly ChatMessage[];
  readonly #shutdown = new AbortController();
  #turns: readonly ChatMessage[] = [];
  #usage = 0;
  /** Resolves when all that was asked so far is done. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(parts: Parts, ended: () => void) {
    super();
    const { engine, messages, options } = parts;
    this.#parts = parts;
    this.#ended = ended;
    this.#initial = messages;
    this.temperature = options.temperature;
    this.topK = options.topK;
    this.contextWindow = engine.info.context;
  }

  /** @param ended called once when the session is destroyed @throws DOMException QuotaExceededError */
  static async open(parts: Parts, ended: () => void): Promise<LanguageModelSession> {
    const session = new LanguageModelSession(parts, ended);
    await session.#fit([]);
    return session;
  }

  /** Tokens that the conversation takes. */
  get contextUsage(): number {
    return this.#usage;
  }

  get inputUsage(): number {
    return this.#usage;
  }

  get inputQuota(): number {
    return this.contextWindow;
  }

  /**
   * The whole answer.
   * @throws DOMException NotSupportedError, QuotaExceededError, InvalidStateError; the signal's reason
   */
  async prompt(input: PromptInput, options: PromptOptions = {}): Promise<string> {
    let answer = '';
    for await (const piece of this.#ask(input, options)) answer += piece;
    return answer;
  }

  /** The answer in pieces. Leaving the stream stops the answer. */
  promptStreaming(input: PromptInput, options: PromptOptions = {}): ReadableStream<string> {
    const left = new AbortController();
    const signal = AbortSignal.any([left.signal, ...(options.signal ? [options.signal] : [])]);
    const pieces = this.#ask(input, { ...options, signal });
    // It is read to its end whether or not somebody reads it: the next prompt waits for this one.
    return pulledStream(pieces, { highWaterMark: Number.POSITIVE_INFINITY }, (reason) => left.abort(reason));
  }

  /** Adds to the conversation without asking for an answer. */
  append(input: PromptInput, { signal }: PromptOptions = {}): Promise<void> {
    return this.#enqueue(async () => {
      signal?.throwIfAborted();
      const added = promptMessages(input);
      await this.#fit(added);
      this.#turns = [...this.#turns, ...added];
    });
  }

  /** Tokens that a prompt would add. */
  measureContextUsage(input: PromptInput): Promise<number> {
    return this.#enqueue(async () => {
      const [before, after] = [await this.#count([]), await this.#count(promptMessages(input))];
      return after - before;
    });
  }

  measureInputUsage(input: PromptInput): Promise<number> {
    return this.measureContextUsage(input);
  }

  /** Another session that begins with the conversation so far. It counts for itself; destroy it by itself. */
  async clone({ signal }: { readonly signal?: AbortSignal } = {}): Promise<LanguageModelSession> {
    signal?.throwIfAborted();
    this.#throwIfDestroyed();
    const other = new LanguageModelSession(this.#parts, this.#parts.join());
    other.#turns = this.#turns;
    other.#usage = this.#usage;
    return other;
  }

  /** Ends what is under way and takes no more. */
  destroy(): void {
    if (this.#shutdown.signal.aborted) return;
    this.#shutdown.abort(new DOMException('The session was destroyed.', 'AbortError'));
    this.#ended();
  }

  #throwIfDestroyed(): void {
    if (this.#shutdown.signal.aborted) throw new DOMException('The session was destroyed.', 'InvalidStateError');
  }

  async *#ask(input: PromptInput, { signal, responseConstraint }: PromptOptions): AsyncGenerator<string, void> {
    if (responseConstraint !== undefined) throw refuse('Constrained answers are not supported.');
    const added = promptMessages(input);
    const stop = AbortSignal.any([this.#shutdown.signal, ...(signal ? [signal] : [])]);
    const before = this.#tail;
    let done = (): void => {};
    this.#tail = new Promise<void>((resolve) => {
      done = resolve;
    });
    try {
      this.#throwIfDestroyed();
      await before;
      stop.throwIfAborted();
      await this.#fit(added);
      const { temperature, topK } = this;
      const request: ChatRequest & { readonly stream: true } = {
        ...{ messages: [...this.#initial, ...this.#turns, ...added], stream: true },
        stream_options: { include_usage: true },
        ...(temperature === undefined ? {} : { temperature }),
        ...(topK === undefined ? {} : { top_k: topK }),
      };
      let answer = '';
      for await (const chunk of await this.#parts.engine.chat.completions.create(request, { signal: stop })) {
        if (chunk.lethe?.aborted) stop.throwIfAborted();
        const piece = chunk.choices[0]?.delta.content;
        if (piece) yield piece;
        answer += piece ?? '';
        if (chunk.usage) this.#usage = chunk.usage.total_tokens;
      }
      this.#turns = [...this.#turns, ...added, { role: 'assistant', content: answer }];
    } finally {
      done();
    }
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      this.#throwIfDestroyed();
      return work();
    });
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Tokens of the conversation with these messages; what was used last where a server does not tell. */
  async #count(added: readonly ChatMessage[]): Promise<number> {
    const messages = [...this.#initial, ...this.#turns, ...added];
    if (messages.length === 0) return 0;
    return this.#parts.engine.countTokens(messages).catch((cause: unknown) => {
      if (cause instanceof NotOnServerError) return this.#usage;
      throw cause;
    });
  }

  /** Leaves out the oldest turns until the rest fits with room for an answer. */
  async #fit(added: readonly ChatMessage[]): Promise<void> {
    const kept = this.#turns;
    let tokens = await this.#count(added);
    while (tokens + ROOM > this.contextWindow) {
      if (this.#turns.length === 0) {
        this.#turns = kept;
        const words = `The prompt has ${tokens} tokens, and the context has room for ${this.contextWindow}.`;
        throw new DOMException(words, 'QuotaExceededError');
      }
      // A question goes with its answer.
      const next = this.#turns.findIndex(({ role }, index) => index > 0 && role === 'user');
      this.#turns = next < 0 ? [] : this.#turns.slice(next);
      tokens = await this.#count(added);
    }
    this.#usage = tokens;
    if (this.#turns === kept) return;
    for (const [name, handler] of [
      ['contextoverflow', this.oncontextoverflow],
      ['quotaoverflow', this.onquotaoverflow],
    ] as const) {
      const event = new Event(name);
      this.dispatchEvent(event);
      handler?.call(this, event);
    }
  }
}
