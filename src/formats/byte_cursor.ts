/**
 * Reads a header of unknown length front to back through a window, so that no more than the header is fetched and no
 * count in the file can make us allocate more than the file holds.
 */
import type { ByteSource } from '../util/byte_source.ts';
import { FormatError } from './errors.ts';

/** Bytes fetched at a time: a header with a 49,152-token vocabulary takes two fetches. */
const WINDOW_BYTES = 1 << 20;

export class ByteCursor {
  readonly #source: ByteSource;
  readonly #signal: AbortSignal | undefined;
  readonly #windowBytes: number;
  // A text may begin with U+FEFF, which a decoder would otherwise swallow as a mark.
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #bytes = new Uint8Array(0);
  #view = new DataView(new ArrayBuffer(0));
  #start = 0;
  #at = 0;

  constructor(source: ByteSource, signal?: AbortSignal, windowBytes = WINDOW_BYTES) {
    this.#source = source;
    this.#signal = signal;
    this.#windowBytes = windowBytes;
  }

  /** Bytes from the start of the file. */
  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes from here to the end of the file. */
  get remaining(): number {
    return this.#source.size - this.position;
  }

  /** True when the next `length` bytes are in the window; else call `fill` first. Saves an await per string. */
  has(length: number): boolean {
    return this.#at + length <= this.#bytes.length;
  }

  /** Fetches until the next `length` bytes are in the window. @throws FormatError when the file ends before */
  async fill(length: number, what: string): Promise<void> {
    if (this.has(length)) return;
    if (length > this.remaining) {
      throw new FormatError(
        this.#source.name,
        `the file ends inside ${what}: ${length} bytes are announced at byte ${this.position}, ` +
          `${this.remaining} are left. It is cut short or damaged; get it again.`,
      );
    }
    const kept = this.#bytes.subarray(this.#at);
    const from = this.position + kept.length;
    const wanted = Math.min(Math.max(length - kept.length, this.#windowBytes), this.#source.size - from);
    const fresh = await this.#source.read(from, wanted, this.#signal);
    const joined = new Uint8Array(kept.length + fresh.length);
    joined.set(kept);
    joined.set(fresh, kept.length);
    this.#start += this.#at;
    this.#at = 0;
    this.#bytes = joined;
    this.#view = new DataView(joined.buffer);
  }

  /** Reads a value of `size` bytes that `fill` or `has` has made available. */
  take<T>(size: number, get: (view: DataView, at: number) => T): T {
    const value = get(this.#view, this.#at);
    this.#at += size;
    return value;
  }

  u8(): number {
    return this.take(1, (view, at) => view.getUint8(at));
  }

  u32(): number {
    return this.take(4, (view, at) => view.getUint32(at, true));
  }

  /** A 64-bit count. @throws FormatError when a double cannot hold it, which no real file needs */
  u64(what: string): number {
    const value = this.take(8, (view, at) => view.getBigUint64(at, true));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new FormatError(this.#source.name, `${what} is ${value}, which is absurd. The file is damaged.`);
    }
    return Number(value);
  }

  /** `length` bytes as UTF-8 text. @throws FormatError when they are none */
  text(length: number, what: string): string {
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    try {
      const value = this.#decoder.decode(bytes);
      this.#at += length;
      return value;
    } catch (cause) {
      throw new FormatError(this.#source.name, `${what}, at byte ${this.position}, is not text in UTF-8.`, { cause });
    }
  }
}
