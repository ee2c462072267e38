/**
 * In which layout each weight is held, and reading it there: whole where bits are moved, piece by piece where they are
 * rounded, so that a matrix is never in memory at its file's precision and at ours together.
 */

import { rowReader } from './dequantise.ts';
import { FormatError } from './errors.ts';
import { checkedMatrix } from './matrix.ts';
import { nativeFormat, type PackTarget, packWeight } from './pack.ts';
import { type PackedWeight, WEIGHT_GROUP, type WeightFormat } from './packed.ts';
import { groupWriter } from './quantise.ts';
import type { Checkpoint, TensorInfo } from './tensor.ts';

/**
 * What was asked for: `native` holds each weight as its file does, `w8` and `w4` round float matrices while they come
 * and leave quantised ones alone, `f32` dequantises all.
 */
export type WeightChoice = 'native' | 'w8' | 'w4' | 'f32';

/** Matrices that w4 would cost most: they are held in w8 instead. */
const SENSITIVE = /^(model\.embed_tokens|lm_head)\.weight$/;

/** Bytes of an element in each layout, scales included. */
const ELEMENT_BYTES: Readonly<Record<WeightFormat, number>> = {
  w4: 18 / 32,
  w4m: 20 / 32,
  w8: 34 / 32,
  f16: 2,
  f32: 4,
};

function wanted(info: TensorInfo, choice: WeightChoice): WeightFormat {
  const native = nativeFormat(info.type);
  if (native === null)
    throw new FormatError(`tensor ${info.name}`, `${info.type} is not a type that weights can have.`);
  if (choice === 'f32' || choice === 'native') return choice === 'f32' ? 'f32' : native;
  const float = native === 'f32' || native === 'f16';
  const divides = info.shape.length > 1 && info.shape[info.shape.length - 1] % WEIGHT_GROUP === 0;
  if (!float || !divides) return native;
  return SENSITIVE.test(info.name) ? 'w8' : choice;
}

/**
 * The layout of matrices that share a dispatch, which must be one. Those of unequal formats meet in w8, or in f32 where
 * one of them is a float.
 * @param exact true where rounding would change eviction bits: floats are then held in 16 bits
 * @throws FormatError for a type that no weight has
 */
export function commonFormat(
  infos: readonly TensorInfo[],
  choice: WeightChoice,
  exact = false,
): { readonly format: WeightFormat; readonly target: PackTarget } {
  const formats = new Set(infos.map((info) => wanted(info, choice)));
  const floats = infos.every(({ type }) => type === 'F32' || type === 'F16' || type === 'BF16');
  if (exact && floats && (choice === 'w8' || choice === 'w4')) return { format: 'f16', target: 'f16' };
  const [first] = formats;
  if (formats.size > 1) {
    const common = formats.has('f32') || formats.has('f16') ? 'f32' : 'w8';
    return { format: common, target: common };
  }
  // A format that files have is reached by moving bits.
  const moved = infos.every(({ type }) => nativeFormat(type) === first);
  return { format: first, target: moved || first === 'w4m' ? 'native' : first };
}

/** Bytes of a tensor in a layout. */
export function heldBytes(info: TensorInfo, format: WeightFormat): number {
  return ELEMENT_BYTES[format] * info.shape.reduce((product, size) => product * size, 1);
}

/** Bytes of a matrix that are read at a time while it is rounded. */
const PIECE_BYTES = 1 << 25;

/**
 * Reads a matrix into a layout. A large one that is rounded comes in pieces of 32 MiB.
 * @throws FormatError as `packWeight`
 */
export async function readPacked(
  checkpoint: Checkpoint,
  info: TensorInfo,
  target: PackTarget,
  signal?: AbortSignal,
): Promise<PackedWeight> {
  const rounded = target === 'w8' || target === 'w4';
  if (!rounded || info.byteLength <= PIECE_BYTES || info.interleavedHeads !== undefined || info.shape.length !== 2) {
    return packWeight(info, await checkpoint.read(info.name, signal), target);
  }
  const [rows, cols] = info.shape;
  const rowBytes = info.byteLength / rows;
  const step = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  const writer = groupWriter(target, { rows, cols, subject: `tensor ${info.name}` });
  const values = new Float32Array(cols);
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first);
    const range = { offset: first * rowBytes, length: count * rowBytes };
    const bytes = await checkpoint.readRange(info.name, range, signal);
    const read = rowReader(checkedMatrix({ ...info, shape: [count, cols], byteLength: range.length }, bytes));
    for (let row = 0; row < count; row++) {
      read(row, values);
      writer.push(values);
    }
  }
  return writer.finish();
}
