/**
 * Reads GGUF, versions 2 and 3, little endian: the header into metadata and tensor places, tensors on demand. Follows
 * ggml's docs/gguf.md. It refuses big-endian files and any tensor type that our kernels have no layout for.
 */
import type { ByteSource } from '../util/byte_source.ts';
import { ByteCursor } from './byte_cursor.ts';
import { FormatError } from './errors.ts';
import { huggingFaceName, interleavedPart } from './gguf_names.ts';
import {
  byName,
  type Checkpoint,
  checkedLayout,
  type TensorInfo,
  tensorBytes,
  tensorReads,
  type WeightType,
} from './tensor.ts';

const MAGIC = 0x46554747; // "GGUF", little endian
const DEFAULT_ALIGNMENT = 32;
const MAX_DIMENSIONS = 4;
const MAX_NESTING = 3;

/** ggml's type numbers that we read. */
const TYPES: ReadonlyMap<number, WeightType> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [8, 'Q8_0'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [30, 'BF16'],
]);

/** Names of common types that we do not read, so that the error can say which one it met. */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [9, 'Q8_1'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
]);

/** Architectures whose converter puts the rows of q and k into interleaved-RoPE order. */
const INTERLEAVED: ReadonlySet<string> = new Set(['llama', 'smollm3']);

const STRING = 8;
const ARRAY = 9;

/** Metadata value types of a fixed size: bytes and how to read them. 64-bit numbers become doubles where exact. */
const SCALARS: ReadonlyMap<number, readonly [number, (view: DataView, at: number) => unknown]> = new Map([
  [0, [1, (view: DataView, at: number) => view.getUint8(at)]],
  [1, [1, (view: DataView, at: number) => view.getInt8(at)]],
  [2, [2, (view: DataView, at: number) => view.getUint16(at, true)]],
  [3, [2, (view: DataView, at: number) => view.getInt16(at, true)]],
  [4, [4, (view: DataView, at: number) => view.getUint32(at, true)]],
  [5, [4, (view: DataView, at: number) => view.getInt32(at, true)]],
  [6, [4, (view: DataView, at: number) => view.getFloat32(at, true)]],
  [7, [1, (view: DataView, at: number) => view.getUint8(at) !== 0]],
  [10, [8, (view: DataView, at: number) => exact(view.getBigUint64(at, true))]],
  [11, [8, (view: DataView, at: number) => exact(view.getBigInt64(at, true))]],
  [12, [8, (view: DataView, at: number) => view.getFloat64(at, true)]],
]);

function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/**
 * Opens a GGUF file: reads its header and checks every tensor's place.
 * @throws FormatError that names the file, the tensor where there is one, and the fact
 */
export async function openGguf(source: ByteSource, signal?: AbortSignal): Promise<Checkpoint> {
  const { reader, tensorCount, entryCount } = await openHeader(source, signal);
  const metadata = await reader.metadata(entryCount);
  const infos = checkedLayout(source.name, ...(await reader.tensors(tensorCount, metadata)), source.size);
  const tensors = byName(source.name, infos);
  return {
    name: source.name,
    format: 'gguf',
    metadata,
    tensors,
    ...tensorReads(source, tensors),
  };
}

/** What a GGUF file says of itself before its vocabulary. */
export interface GgufHead {
  readonly metadata: Metadata;
  /** Tokens of the vocabulary. */
  readonly vocabSize: number;
}

const TOKENS_KEY = 'tokenizer.ggml.tokens';

/** Bytes fetched at a time in front of a vocabulary, where all but never more is needed. */
const HEAD_WINDOW_BYTES = 1 << 16;

/**
 * Reads the metadata in front of the vocabulary, which is where writers put a model's sizes: some KiB of a file
 * that may be large. It checks no tensor.
 * @throws FormatError when the file is no GGUF file or ends too early
 */
export async function readGgufHead(source: ByteSource, signal?: AbortSignal): Promise<GgufHead> {
  const { reader, entryCount } = await openHeader(source, signal, HEAD_WINDOW_BYTES);
  const metadata = await reader.metadata(entryCount, TOKENS_KEY);
  const vocabSize = metadata[TOKENS_KEY];
  return { metadata, vocabSize: typeof vocabSize === 'number' ? vocabSize : 0 };
}

/** Reads magic, version and counts. */
async function openHeader(source: ByteSource, signal?: AbortSignal, windowBytes?: number) {
  const cursor = new ByteCursor(source, signal, windowBytes);
  await cursor.fill(24, 'its first 24 bytes');
  const magic = cursor.u32();
  if (magic !== MAGIC) {
    throw new FormatError(
      source.name,
      `it begins with 0x${magic.toString(16)}, not with "GGUF"; this is no GGUF file.`,
    );
  }
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    throw new FormatError(source.name, `GGUF version ${version} is not supported; little-endian 2 and 3 are.`);
  }
  const tensorCount = cursor.u64('the number of tensors');
  const entryCount = cursor.u64('the number of metadata entries');
  // The shortest tensor entry takes 25 bytes and the shortest metadata entry 13.
  if (tensorCount * 25 + entryCount * 13 > cursor.remaining) {
    throw new FormatError(
      source.name,
      `it announces ${tensorCount} tensors and ${entryCount} metadata entries, more than ${source.size} bytes hold.`,
    );
  }
  const reader = new HeaderReader(cursor, source.name);
  return { reader, tensorCount, entryCount };
}

type Metadata = Readonly<Record<string, unknown>>;

class HeaderReader {
  readonly #cursor: ByteCursor;
  readonly #file: string;

  constructor(cursor: ByteCursor, file: string) {
    this.#cursor = cursor;
    this.#file = file;
  }

  /** @param last name of a list to stop at; its length stands in the place of its values */
  async metadata(count: number, last?: string): Promise<Metadata> {
    const cursor = this.#cursor;
    const entries = new Map<string, unknown>();
    for (let i = 0; i < count; i++) {
      const key = await this.#string(`the name of metadata entry ${i}`);
      if (entries.has(key)) throw new FormatError(this.#file, `the metadata has ${key} twice.`);
      await cursor.fill(4, key);
      const type = cursor.u32();
      if (key === last && type === ARRAY) {
        await cursor.fill(12, key);
        cursor.u32();
        entries.set(key, cursor.u64(`the length of ${key}`));
        break;
      }
      entries.set(key, await this.#value(type, key, 0));
    }
    return Object.fromEntries(entries);
  }

  /** The tensors, with offsets from the start of the file, and where their data begins. */
  async tensors(count: number, metadata: Metadata): Promise<[TensorInfo[], number]> {
    const alignment = metadata['general.alignment'] ?? DEFAULT_ALIGNMENT;
    if (typeof alignment !== 'number' || alignment < 1 || !Number.isInteger(Math.log2(alignment))) {
      throw new FormatError(this.#file, `general.alignment is ${String(alignment)}; a power of two was expected.`);
    }
    const infos: TensorInfo[] = [];
    for (let i = 0; i < count; i++) infos.push(await this.#tensor(i, alignment, metadata));
    const dataStart = Math.ceil(this.#cursor.position / alignment) * alignment;
    return [infos.map((info) => ({ ...info, offset: info.offset + dataStart })), dataStart];
  }

  async #tensor(index: number, alignment: number, metadata: Metadata): Promise<TensorInfo> {
    const cursor = this.#cursor;
    const ggmlName = await this.#string(`the name of tensor ${index}`);
    const subject = `${this.#file}: tensor ${ggmlName}`;
    await cursor.fill(4, subject);
    const dimensions = cursor.u32();
    if (dimensions > MAX_DIMENSIONS) {
      throw new FormatError(subject, `it has ${dimensions} dimensions; GGUF allows ${MAX_DIMENSIONS}.`);
    }
    await cursor.fill(dimensions * 8 + 12, subject);
    // GGUF lists the dimension that is contiguous in memory first; Hugging Face lists it last.
    const shape = Array.from({ length: dimensions }, () => cursor.u64(`${ggmlName}'s size`)).reverse();
    const typeNumber = cursor.u32();
    const offset = cursor.u64(`${ggmlName}'s offset`);
    const type = TYPES.get(typeNumber);
    if (type === undefined) {
      const known = REFUSED.get(typeNumber);
      throw new FormatError(
        subject,
        `its type is number ${typeNumber}${known ? ` (${known})` : ''}, which is not supported; ` +
          `${[...TYPES.values()].join(', ')} are.`,
      );
    }
    if (offset % alignment !== 0) {
      throw new FormatError(subject, `its offset ${offset} is not a multiple of the alignment ${alignment}.`);
    }
    const info = {
      name: huggingFaceName(ggmlName),
      type,
      shape,
      offset,
      byteLength: tensorBytes(type, shape, subject),
    };
    const interleavedHeads = this.#interleavedHeads(ggmlName, shape, metadata);
    return interleavedHeads === null ? info : { ...info, interleavedHeads };
  }

  #interleavedHeads(ggmlName: string, shape: readonly number[], metadata: Metadata): number | null {
    const part = interleavedPart(ggmlName);
    const family = String(metadata['general.architecture']);
    if (part === null || !INTERLEAVED.has(family)) return null;
    const queryHeads = metadata[`${family}.attention.head_count`];
    const heads = part === 'q' ? queryHeads : (metadata[`${family}.attention.head_count_kv`] ?? queryHeads);
    if (typeof heads !== 'number' || heads < 1 || shape[0] % (heads * 2) !== 0) {
      const fact = `its ${shape[0]} rows do not divide into the heads that the metadata announces (${String(heads)}).`;
      throw new FormatError(`${this.#file}: tensor ${ggmlName}`, fact);
    }
    return heads;
  }

  async #string(what: string): Promise<string> {
    const cursor = this.#cursor;
    if (!cursor.has(8)) await cursor.fill(8, what);
    const length = cursor.u64(`the length of ${what}`);
    if (!cursor.has(length)) await cursor.fill(length, what);
    return cursor.text(length, what);
  }

  async #value(type: number, key: string, depth: number): Promise<unknown> {
    const scalar = SCALARS.get(type);
    if (scalar) {
      if (!this.#cursor.has(scalar[0])) await this.#cursor.fill(scalar[0], key);
      return this.#cursor.take(scalar[0], scalar[1]);
    }
    if (type === STRING) return this.#string(key);
    if (type === ARRAY && depth < MAX_NESTING) return this.#array(key, depth);
    throw new FormatError(this.#file, `metadata entry ${key} has value type ${type}, which GGUF does not define here.`);
  }

  async #array(key: string, depth: number): Promise<unknown[]> {
    const cursor = this.#cursor;
    await cursor.fill(12, key);
    const type = cursor.u32();
    const length = cursor.u64(`the length of ${key}`);
    const least = SCALARS.get(type)?.[0] ?? 8;
    if (length * least > cursor.remaining) {
      throw new FormatError(this.#file, `metadata entry ${key} announces ${length} values, more than the file holds.`);
    }
    const values: unknown[] = [];
    if (type === STRING) {
      for (let i = 0; i < length; i++) {
        // The same as #string, without an await for each of the hundred thousand tokens and merges.
        if (!cursor.has(8)) await cursor.fill(8, key);
        const bytes = cursor.u64(`the length of a value of ${key}`);
        if (!cursor.has(bytes)) await cursor.fill(bytes, key);
        values.push(cursor.text(bytes, key));
      }
      return values;
    }
    const scalar = SCALARS.get(type);
    if (scalar) {
      await cursor.fill(length * scalar[0], key);
      for (let i = 0; i < length; i++) values.push(cursor.take(scalar[0], scalar[1]));
      return values;
    }
    for (let i = 0; i < length; i++) values.push(await this.#value(type, key, depth + 1));
    return values;
  }
}
