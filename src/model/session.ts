/** A conversation: reads tokens, generates tokens, keeps its cache from turn to turn. */
import { CacheFullError } from '../cache/errors.ts';
import type { Occupancy } from '../cache/occupancy.ts';
import { assert } from '../util/assert.ts';
import { DEPTH, type Flight, type Runner } from './runner.ts';
import type { GenerateOptions, PrefillOptions, Session, SessionForm, SessionState } from './session_types.ts';

export class DecoderSession implements Session {
  readonly context: number;
  readonly #runner: Runner;
  readonly #onDestroy: () => void;
  /** A token that was sampled and not yet fed. */
  #pending: number | null = null;
  /** True while the logits of the last token read are on the GPU and no token was chosen from them. */
  #logitsReady = false;
  #busy = false;

  constructor(runner: Runner, context: number, onDestroy: () => void) {
    this.#runner = runner;
    this.context = context;
    this.#onDestroy = onDestroy;
  }

  get position(): number {
    return this.#runner.position;
  }

  async prefill(ids: readonly number[], options: PrefillOptions = {}): Promise<void> {
    await this.#exclusive(async () => {
      const all = this.#pending === null ? ids : [this.#pending, ...ids];
      this.#checkContext(all.length);
      const { chunk } = this.#runner.prefill;
      try {
        for (let done = 0; done < all.length; ) {
          options.signal?.throwIfAborted();
          await this.#runner.pace();
          const rows = all.slice(done, done + chunk);
          done += rows.length;
          await this.#runner.submitChunk(rows, done === all.length);
          this.#pending = null;
          this.#logitsReady = done === all.length;
          options.onProgress?.(done - (all.length - ids.length));
        }
      } finally {
        await this.#runner.settle();
      }
    });
  }

  async *generate(options: GenerateOptions): AsyncGenerator<number, void> {
    const { sampling, maxTokens, stopTokens, signal } = options;
    if (!this.#logitsReady) await this.prefill([]);
    assert(this.#logitsReady, 'generate before any token was read');
    assert(!this.#busy, 'a session does one thing at a time');
    this.#busy = true;
    this.#logitsReady = false;
    const runner = this.#runner;
    const flights: Flight[] = [];
    let submitted = 0;
    let ended = false;
    let full: unknown = null;
    try {
      runner.sampler.begin(sampling, stopTokens);
      for (;;) {
        while (!ended && !full && flights.length < DEPTH && submitted < maxTokens && !signal?.aborted) {
          try {
            flights.push(await this.#next(submitted === 0));
            submitted++;
          } catch (cause) {
            full = cause;
          }
        }
        const flight = flights.shift();
        if (!flight) break;
        const token = await flight.token;
        if (token === null) continue;
        ended = stopTokens.includes(token);
        this.#pending = ended ? null : token;
        yield token;
      }
    } finally {
      for (const { token } of flights) this.#pending = (await token.catch(() => null)) ?? this.#pending;
      this.#busy = false;
    }
    if (full) throw full;
  }

  occupancy(): Occupancy {
    return this.#runner.cache.occupancy();
  }

  form(): Promise<SessionForm> {
    return this.#runner.form();
  }

  save(): Promise<SessionState> {
    return this.#exclusive(async () => {
      const pending = this.#pending;
      return { ...(await this.#runner.save(this.#logitsReady)), pending };
    });
  }

  restore({ cache, pending, logits, seen }: SessionState): Promise<void> {
    return this.#exclusive(async () => {
      await this.#runner.restore({ cache, logits, seen });
      this.#pending = pending;
      this.#logitsReady = logits !== null;
    });
  }

  async dropped(): Promise<Uint32Array<ArrayBuffer>> {
    await this.#runner.settle();
    return this.#runner.cache.readDropped();
  }

  reset(): void {
    this.#runner.clear();
    this.#pending = null;
    this.#logitsReady = false;
  }

  destroy(): void {
    this.#runner.destroy();
    this.#onDestroy();
  }

  /** Submits the choice of the next token, behind the step that feeds the one before it. */
  async #next(first: boolean): Promise<Flight> {
    if (first) return this.#runner.submitSample();
    this.#checkContext(1);
    return this.#runner.submitStep(true);
  }

  #checkContext(tokens: number): void {
    if (this.position + tokens <= this.context) return;
    const message = `The chat would hold ${this.position + tokens} tokens and this one may hold ${this.context}.`;
    throw new CacheFullError('context', `${message} Start a new chat, or allow a longer context.`);
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    assert(!this.#busy, 'a session does one thing at a time');
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }
}
