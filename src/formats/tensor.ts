/**
 * What a checkpoint is to the rest of Lethe: named tensors in Hugging Face's names and order, read one at a time. It
 * knows how large each type is and checks that tensors lie inside their file; it never converts a value.
 */
import type { ByteSource } from '../util/byte_source.ts';
import { FormatError } from './errors.ts';

/** Types that weights may have; the quantised ones come in blocks along a row, of 32 elements or (K types) of 256. */
export type WeightType = 'F32' | 'F16' | 'BF16' | 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q8_0' | 'Q4_K' | 'Q5_K' | 'Q6_K';

/** Types that safetensors files may also hold, readable as raw bytes only: token ids, bits, masks. */
export type RawType = 'U8' | 'I32' | 'I64' | 'BOOL';

export type TensorType = WeightType | RawType;

/** How many elements stand in a block of each type, and in how many bytes. Sources: ggml-common.h, safetensors. */
export const BLOCKS: Readonly<Record<TensorType, { readonly elements: number; readonly bytes: number }>> = {
  F32: { elements: 1, bytes: 4 },
  F16: { elements: 1, bytes: 2 },
  BF16: { elements: 1, bytes: 2 },
  Q4_0: { elements: 32, bytes: 18 },
  Q4_1: { elements: 32, bytes: 20 },
  Q5_0: { elements: 32, bytes: 22 },
  Q5_1: { elements: 32, bytes: 24 },
  Q8_0: { elements: 32, bytes: 34 },
  Q4_K: { elements: 256, bytes: 144 },
  Q5_K: { elements: 256, bytes: 176 },
  Q6_K: { elements: 256, bytes: 210 },
  U8: { elements: 1, bytes: 1 },
  I32: { elements: 1, bytes: 4 },
  I64: { elements: 1, bytes: 8 },
  BOOL: { elements: 1, bytes: 1 },
};

export interface TensorInfo {
  /** Hugging Face's name, such as `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  readonly type: TensorType;
  /** Row-major, outermost first: [rows, cols] for a projection. */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
  /**
   * Set where the file's rows are in interleaved-RoPE order (ggml's llama): the number of heads among them. `pack.ts`
   * puts them back into the half-split order that Hugging Face and our kernels use.
   */
  readonly interleavedHeads?: number;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** The two ways to read tensors that lie in one file. */
export function tensorReads(
  source: ByteSource,
  tensors: ReadonlyMap<string, TensorInfo>,
): Pick<Checkpoint, 'read' | 'readRange'> {
  const find = (name: string): TensorInfo => {
    const info = tensors.get(name);
    if (!info) throw new FormatError(`${source.name}: tensor ${name}`, 'the file does not have it.');
    return info;
  };
  return {
    async read(name, signal) {
      const { offset, byteLength } = find(name);
      return source.read(offset, byteLength, signal);
    },
    async readRange(name, { offset, length }, signal) {
      const info = find(name);
      if (offset < 0 || length < 0 || offset + length > info.byteLength) {
        const fact = `bytes ${offset} to ${offset + length} were asked for, and it has ${info.byteLength}.`;
        throw new FormatError(`${source.name}: tensor ${name}`, fact);
      }
      return source.read(info.offset + offset, length, signal);
    },
  };
}

/** An opened weights file. Nothing but its header has been read. */
export interface Checkpoint {
  /** The file's name, for messages. */
  readonly name: string;
  readonly format: 'gguf' | 'safetensors';
  readonly metadata: Readonly<Record<string, unknown>>;
  /** In the order in which they lie in the file: reading in this order reads the file once, from front to back. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The tensor's bytes as they are in the file. @throws FormatError when the checkpoint has no such tensor */
  read(name: string, signal?: AbortSignal): Promise<Uint8Array>;
  /** Some of its bytes, counted from its first. @throws FormatError as `read`, or when they are not inside it */
  readRange(name: string, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array>;
}

/** Bytes of a tensor. @throws FormatError when the size is beyond what a double counts, or rows split a block */
export function tensorBytes(type: TensorType, shape: readonly number[], subject: string): number {
  const { elements, bytes } = BLOCKS[type];
  const count = shape.reduce((product, size) => product * size, 1);
  const cols = shape.length === 0 ? 1 : shape[shape.length - 1];
  if (cols % elements !== 0) {
    throw new FormatError(subject, `rows of ${cols} elements do not divide into ${type} blocks of ${elements}.`);
  }
  const size = (count / elements) * bytes;
  if (!Number.isSafeInteger(size)) throw new FormatError(subject, `shape [${shape.join(', ')}] is absurdly large.`);
  return size;
}

/**
 * Sorts tensors by place and checks that each lies in [dataStart, fileSize) and that no two share a byte.
 * @throws FormatError that names the tensor and the figures
 */
export function checkedLayout(file: string, infos: TensorInfo[], dataStart: number, fileSize: number): TensorInfo[] {
  const sorted = [...infos].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  let end = dataStart;
  let before = '';
  for (const { name, offset, byteLength } of sorted) {
    const subject = `${file}: tensor ${name}`;
    if (!Number.isSafeInteger(offset) || offset < dataStart) {
      throw new FormatError(subject, `it starts at byte ${offset}, inside the header that ends at ${dataStart}.`);
    }
    if (offset + byteLength > fileSize) {
      throw new FormatError(
        subject,
        `its ${byteLength} bytes from byte ${offset} reach past the end of the file, which has ${fileSize} bytes. ` +
          'The file is cut short or its header is wrong; get it again.',
      );
    }
    if (byteLength > 0 && offset < end && before !== '') {
      throw new FormatError(subject, `it starts at byte ${offset}, inside tensor ${before} that ends at ${end}.`);
    }
    if (byteLength > 0) [end, before] = [offset + byteLength, name];
  }
  return sorted;
}

/** The tensors by name. @throws FormatError when two have the same name */
export function byName(file: string, infos: readonly TensorInfo[]): ReadonlyMap<string, TensorInfo> {
  const map = new Map<string, TensorInfo>();
  for (const info of infos) {
    if (map.has(info.name)) throw new FormatError(`${file}: tensor ${info.name}`, 'the file has it twice.');
    map.set(info.name, info);
  }
  return map;
}
