/** For tests: damages files in the ways that files are damaged, by a seed, and watches what a reader then allocates. */
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { createRng } from '../util/rng.ts';

type Rng = () => number;

const below = (rng: Rng, count: number): number => Math.floor(rng() * count);
const pick = <T>(rng: Rng, list: readonly T[]): T => list[below(rng, list.length)];

/** Counts and offsets that lie at an edge: of signs, of 32 bits, of what a double counts, of 64 bits. */
const EDGES: readonly bigint[] = [
  ...[0n, 1n, 3n, 31n, 255n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n],
  ...[2n ** 40n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

/** Bytes that are no UTF-8: a lone continuation, an overlong form, a surrogate, a byte that never occurs, a cut one. */
const BROKEN_UTF8 = [[0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xff], [0xf0, 0x9f]];

/** What stands in the place of a number or of a word in JSON. */
const JSON_VALUES = [
  ...['-1', '0', '1', '0.5', '1e999', '4294967296', '9007199254740993', '18446744073709551615', '1e15', 'null', 'true'],
  ...['[]', '{}', '""', '"x"', '"\\ud800"', '"../x"', '[[[[]]]]', '{"__proto__": {}}', '"F64"', '"F32"', '[0, 8]', ''],
];

function spliced(bytes: Uint8Array, at: number, remove: number, insert: ArrayLike<number>): Uint8Array {
  const end = Math.min(bytes.length, at + remove);
  const out = new Uint8Array(bytes.length - (end - at) + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(end), at + insert.length);
  return out;
}

/** Most damage is aimed at the first `head` bytes: behind them lie weights, of which any bytes are good ones. */
type Damage = (bytes: Uint8Array, rng: Rng, head: number) => Uint8Array;

const DAMAGES: readonly Damage[] = [
  // Cut short, with a leaning to the header.
  (bytes, rng, head) => bytes.slice(0, below(rng, rng() < 0.7 ? head : bytes.length)),
  // More at the end than belongs there.
  (bytes, rng) => spliced(bytes, bytes.length, 0, new Uint8Array(1 + below(rng, 64))),
  // Single bits.
  (bytes, rng, head) => {
    const out = bytes.slice();
    for (let i = below(rng, 4); i >= 0; i--) out[below(rng, head)] ^= 1 << below(rng, 8);
    return out;
  },
  // A number at an edge, of 32 or of 64 bits.
  (bytes, rng, head) => {
    const out = spliced(bytes, 0, 0, []);
    const size = pick(rng, [4, 8]);
    const at = below(rng, head / 4) * (rng() < 0.5 ? 4 : 1);
    let value = pick(rng, EDGES);
    for (let i = at; i < Math.min(out.length, at + size); i++, value >>= 8n) out[i] = Number(value & 255n);
    return out;
  },
  // A block that is missing, or stands there twice.
  (bytes, rng, head) => spliced(bytes, below(rng, head), 1 + below(rng, 40), []),
  (bytes, rng, head) => {
    const from = below(rng, head);
    return spliced(bytes, below(rng, head), 0, bytes.slice(from, from + 1 + below(rng, 40)));
  },
  (bytes, rng, head) => spliced(bytes, below(rng, head), pick(rng, [0, 1, 2]), pick(rng, BROKEN_UTF8)),
  // Nothing but one byte, over and over.
  (bytes, rng, head) => bytes.slice().fill(pick(rng, [0, 255, 0x7b, 0x5b]), below(rng, head), below(rng, head) + 16),
  jsonValue,
];

/** Puts another value in the place of a number, a text or a whole list of the JSON in the head. */
function jsonValue(bytes: Uint8Array, rng: Rng, head: number): Uint8Array {
  const text = Array.from(bytes.subarray(0, head), (byte) => String.fromCharCode(byte)).join('');
  const values = [...text.matchAll(/-?\d+(\.\d+)?|"[^"\\]*"|\[[^[\]]*\]|\{[^{}]*\}/g)];
  if (values.length === 0) return bytes.slice(0, below(rng, bytes.length));
  const chosen = pick(rng, values);
  const other = rng() < 0.7 ? pick(rng, JSON_VALUES) : pick(rng, values)[0];
  return spliced(
    bytes,
    chosen.index,
    chosen[0].length,
    Array.from(other, (character) => character.charCodeAt(0)),
  );
}

/**
 * `bytes` with one to three kinds of damage.
 * @param head the bytes at the front that say how the rest is to be read
 */
export function damaged(bytes: Uint8Array, seed: number, head = bytes.length): Uint8Array {
  const rng = createRng(seed);
  let out = bytes;
  for (let i = below(rng, 3); i >= 0; i--) {
    out = pick(rng, DAMAGES)(out, rng, Math.max(8, Math.min(head, out.length)));
    if (out.length === 0) break;
  }
  return out;
}

/** What was read through a `watchedFiles`, in bytes. */
export interface ReadRecord {
  total: number;
  largest: number;
}

/** Files in memory that copy what is read, note how much that was, and refuse to be read past their end. */
export function watchedFiles(files: Readonly<Record<string, Uint8Array>>): FileSet & { readonly record: ReadRecord } {
  const record = { total: 0, largest: 0 };
  return {
    name: 'folder',
    record,
    async open(name) {
      return Object.hasOwn(files, name) ? watchedSource(name, files[name], record) : null;
    },
  };
}

function watchedSource(name: string, bytes: Uint8Array, record: ReadRecord): ByteSource {
  return {
    name,
    size: bytes.length,
    async read(offset, length) {
      const inside = Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && offset + length <= bytes.length;
      if (!inside) throw new RangeError(`${name}: ${length} bytes at ${offset} were read, and it has ${bytes.length}`);
      record.total += length;
      record.largest = Math.max(record.largest, length);
      return bytes.slice(offset, offset + length);
    },
  };
}

const WATCHED = ['Array', 'Uint8Array', 'Uint16Array', 'Uint32Array', 'Int32Array', 'Float32Array', 'Float64Array'];

/**
 * The most elements that an array was made with while `run` ran, wherever a count was given: `new Uint8Array(count)`,
 * `Array.from({ length: count })` and the like. The arrays are real; only their constructors are watched.
 */
export async function largestArray(run: () => Promise<void>): Promise<number> {
  const own = globalThis as unknown as Record<string, new (...args: unknown[]) => object>;
  const before = WATCHED.map((name) => own[name]);
  let largest = 0;
  for (const name of WATCHED) {
    own[name] = new Proxy(own[name], {
      construct(target, args, newTarget) {
        if (args.length === 1 && typeof args[0] === 'number') largest = Math.max(largest, args[0]);
        return Reflect.construct(target, args, newTarget);
      },
    });
  }
  try {
    await run();
  } finally {
    WATCHED.forEach((name, i) => {
      own[name] = before[i];
    });
  }
  return largest;
}
