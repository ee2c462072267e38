/**
 * A stream from one producer to one consumer. The producer never waits: what it pushes is kept until it is asked for.
 * Leaving the loop early tells the producer. It refuses a second consumer.
 */
import { assert } from '../util/assert.ts';

type Waiting<T> = { readonly resolve: (result: IteratorResult<T>) => void; readonly reject: (cause: unknown) => void };

export class Channel<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #waiting: Waiting<T>[] = [];
  readonly #onReturn: () => void;
  #ended = false;
  #failure: { readonly cause: unknown } | null = null;
  #taken = false;

  /** @param onReturn called once when the consumer leaves before the end */
  constructor(onReturn: () => void = () => {}) {
    this.#onReturn = onReturn;
  }

  /** Adds an item; after the end it is dropped. */
  push(item: T): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve({ value: item, done: false });
    else this.#items.push(item);
  }

  /** Ends the stream behind what was pushed. */
  close(): void {
    this.#ended = true;
    for (const { resolve } of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  }

  /** Ends the stream with an error, which reaches the consumer behind what was pushed. */
  fail(cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const first = this.#waiting.shift();
    if (first) first.reject(cause);
    else this.#failure = { cause };
    this.close();
  }

  [Symbol.asyncIterator](): this {
    assert(!this.#taken, 'a stream of chunks can be read once');
    this.#taken = true;
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#items.length > 0) return Promise.resolve({ value: this.#items.splice(0, 1)[0], done: false });
    if (this.#failure) {
      const { cause } = this.#failure;
      this.#failure = null;
      return Promise.reject(cause);
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<T>> {
    this.#items.length = 0;
    this.#failure = null;
    if (!this.#ended) {
      this.close();
      this.#onReturn();
    }
    return Promise.resolve({ value: undefined, done: true });
  }
}
