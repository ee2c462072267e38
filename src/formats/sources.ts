/** Byte sources made of other things: bytes in memory, and a file that was cut into parts. */
import type { ByteSource } from '../util/byte_source.ts';
import { FormatError } from './errors.ts';

/** A source over bytes that are in memory already; reads are views, not copies. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    async read(offset, length, signal) {
      signal?.throwIfAborted();
      requireRange(name, bytes.length, { offset, length });
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** @throws FormatError when the range is not inside a file of `size` bytes */
export function requireRange(name: string, size: number, range: { offset: number; length: number }): void {
  const { offset, length } = range;
  if (offset < 0 || length < 0 || offset + length > size) {
    throw new FormatError(name, `bytes ${offset} to ${offset + length} were asked for, and the file has ${size}.`);
  }
}

/** One part of a file, in order. */
export interface Part {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** How many parts stay in memory: a tensor may lie across a border, and the next one may begin before it. */
const KEPT_PARTS = 2;

/**
 * A file joined from its parts. Each part is read whole, checked against its SHA-256 and kept until two later ones
 * have come, so a reader that goes from front to back reads every part once and holds two.
 */
export class PartedSource implements ByteSource {
  readonly size: number;
  readonly #starts: readonly number[];
  readonly #kept = new Map<number, Promise<Uint8Array>>();

  /** @param open opens a part; its bytes must be the part's, whole */
  constructor(
    readonly name: string,
    readonly parts: readonly Part[],
    private readonly open: (part: Part, signal?: AbortSignal) => Promise<ByteSource>,
  ) {
    let size = 0;
    this.#starts = parts.map((part) => {
      size += part.size;
      return size - part.size;
    });
    this.size = size;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    requireRange(this.name, this.size, { offset, length });
    const end = offset + length;
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < this.parts.length; i++) {
      const start = this.#starts[i];
      if (start + this.parts[i].size <= offset || start >= end) continue;
      const bytes = await this.#part(i, signal);
      pieces.push(bytes.subarray(Math.max(0, offset - start), Math.min(bytes.length, end - start)));
    }
    if (pieces.length === 1) return pieces[0];
    const joined = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    return joined;
  }

  #part(index: number, signal?: AbortSignal): Promise<Uint8Array> {
    const kept = this.#kept.get(index);
    if (kept) return kept;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < KEPT_PARTS) break;
      this.#kept.delete(oldest);
    }
    const coming = this.#load(this.parts[index], signal);
    this.#kept.set(index, coming);
    // A part that did not come must not stand in the way of the next try.
    coming.catch(() => {
      if (this.#kept.get(index) === coming) this.#kept.delete(index);
    });
    return coming;
  }

  async #load(part: Part, signal?: AbortSignal): Promise<Uint8Array> {
    const source = await this.open(part, signal);
    if (source.size !== part.size) {
      throw new FormatError(
        `${this.name}: part ${part.name}`,
        `it has ${source.size} bytes and should have ${part.size}. Get it again.`,
      );
    }
    const bytes = await source.read(0, part.size, signal);
    await requireHash(bytes, part.sha256, `${this.name}: part ${part.name}`);
    return bytes;
  }
}

/**
 * Compares bytes with their SHA-256. Pages that are not served over https or from this machine have no WebCrypto;
 * there the size is all that is checked.
 * @throws FormatError when they differ
 */
export async function requireHash(bytes: Uint8Array, sha256: string, subject: string): Promise<void> {
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) return;
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (found !== sha256) {
    throw new FormatError(
      subject,
      `its SHA-256 is ${found} and should be ${sha256}. Its bytes are damaged; get it again.`,
    );
  }
}
