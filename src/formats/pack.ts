/**
 * Puts tensors into the layouts that the kernels read. Where a layout can hold a type exactly, bits are moved and none
 * is rounded; `NATIVE` says which types are rounded, and docs/decisions/0002_weight_types.md by how much.
 */
import { f32ToF16 } from '../util/f16.ts';
import { bytesOf, floats, halfValues, K_BLOCK, rowReader, scaleAndMinimum } from './dequantise.ts';
import { FormatError } from './errors.ts';
import { checkedMatrix, copyRows, type Matrix, rowStart } from './matrix.ts';
import { type PackedWeight, WEIGHT_GROUP, type WeightFormat } from './packed.ts';
import { groupWriter } from './quantise.ts';
import { BLOCKS, type TensorInfo, type TensorType, type WeightType } from './tensor.ts';

/**
 * What each type becomes. Q4_K's scales are rounded to f16; Q5_1, Q5_K and Q6_K are rounded to 8 bits; all others are
 * exact.
 */
const NATIVE: Readonly<Record<WeightType, WeightFormat>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'f32',
  Q4_0: 'w4',
  Q4_1: 'w4m',
  Q4_K: 'w4m',
  Q5_0: 'w8',
  Q5_1: 'w8',
  Q5_K: 'w8',
  Q6_K: 'w8',
  Q8_0: 'w8',
};

/** How a tensor is to be held: `native` in the nearest layout, or in the one that is named. */
export type PackTarget = 'native' | 'f32' | 'f16' | 'w8' | 'w4';

/** The format that `native` gives a type; null for types that no weight has. */
export function nativeFormat(type: TensorType): WeightFormat | null {
  return Object.hasOwn(NATIVE, type) ? NATIVE[type as WeightType] : null;
}

/**
 * A tensor's bytes in a kernel's layout.
 * @param bytes as `Checkpoint.read` gives them
 * @param target `native` keeps the file's precision (BF16 widens to f32, exactly); `f32` dequantises; `f16`, `w8` and
 *   `w4` round what is not in that format already
 * @throws FormatError when the bytes are not the tensor's, its type is no weight's, or rows split a group
 */
export function packWeight(info: TensorInfo, bytes: Uint8Array, target: PackTarget): PackedWeight {
  const matrix = checkedMatrix(info, bytes);
  const { rows, cols } = matrix;
  const format = target === 'native' ? NATIVE[matrix.type] : target;
  if (format === 'f32') {
    const values = floats(matrix);
    return { format, rows, cols, codes: new Uint32Array(values.buffer, 0, values.length), scales: null };
  }
  if (format === 'f16' && matrix.type !== 'F16') return { format, rows, cols, codes: halvesOf(matrix), scales: null };
  if (format === 'f16') {
    const codes = new Uint32Array(Math.ceil((rows * cols) / 2));
    copyRows(matrix, new Uint16Array(codes.buffer));
    return { format, rows, cols, codes, scales: null };
  }
  const exact = EXACT[matrix.type];
  if (exact && NATIVE[matrix.type] === format) return { format, rows, cols, ...exact(matrix) };
  return format === 'w4m' ? { format, rows, cols, ...packQ4K(matrix) } : requantise(matrix, format);
}

const LARGEST_HALF = 65504;

type Packed = Pick<PackedWeight, 'codes' | 'scales'>;

/** Types whose codes are moved as they are. */
const EXACT: Readonly<Partial<Record<WeightType, (matrix: Matrix) => Packed>>> = {
  Q4_0: packScaled,
  Q4_1: packQ41,
  Q5_0: packQ50,
  Q8_0: packScaled,
};

/** Values to halves. @throws FormatError for one beyond the largest half */
function halvesOf(matrix: Matrix): Uint32Array {
  const { name, rows, cols } = matrix;
  const codes = new Uint32Array(Math.ceil((rows * cols) / 2));
  const halves = new Uint16Array(codes.buffer);
  const read = rowReader(matrix);
  const values = new Float32Array(cols);
  for (let row = 0; row < rows; row++) {
    read(row, values);
    for (let i = 0; i < cols; i++) {
      if (!(Math.abs(values[i]) <= LARGEST_HALF)) {
        throw new FormatError(`tensor ${name}`, `it holds ${values[i]}, which is no finite half.`);
      }
      halves[row * cols + i] = f32ToF16(values[i]);
    }
  }
  return codes;
}

/** Values to w8 or w4, a row at a time. */
function requantise(matrix: Matrix, format: 'w8' | 'w4'): PackedWeight {
  const { name, rows, cols } = matrix;
  const writer = groupWriter(format, { rows, cols, subject: `tensor ${name}` });
  const read = rowReader(matrix);
  const values = new Float32Array(cols);
  for (let row = 0; row < rows; row++) {
    read(row, values);
    writer.push(values);
  }
  return writer.finish();
}

/** Q4_1: blocks of 5 words, the first of which is already `d | m << 16`. */
function packQ41(matrix: Matrix): Packed {
  const { rows, cols, halves } = matrix;
  const words = new Uint32Array(halves.buffer, halves.byteOffset, halves.length / 2);
  const groups = cols / WEIGHT_GROUP;
  const scales = new Uint32Array(rows * groups);
  const codes = new Uint32Array(rows * groups * 4);
  let group = 0;
  for (let row = 0; row < rows; row++) {
    let from = rowStart(matrix, row) / 2;
    for (let i = 0; i < groups; i++, group++, from += 5) {
      scales[group] = words[from];
      const to = group * 4;
      codes[to] = words[from + 1];
      codes[to + 1] = words[from + 2];
      codes[to + 2] = words[from + 3];
      codes[to + 3] = words[from + 4];
    }
  }
  return { codes, scales };
}

/** Q4_0 and Q8_0: blocks of an f16 scale and codes, which are not aligned to words. */
function packScaled(matrix: Matrix): Packed {
  const { type, rows, cols, halves } = matrix;
  const groups = cols / WEIGHT_GROUP;
  const codeHalves = BLOCKS[type].bytes / 2 - 1;
  const scales = new Uint32Array(Math.ceil((rows * groups) / 2));
  const codes = new Uint32Array((rows * groups * codeHalves) / 2);
  const scaleTarget = new Uint16Array(scales.buffer);
  const codeTarget = new Uint16Array(codes.buffer);
  let group = 0;
  let to = 0;
  for (let row = 0; row < rows; row++) {
    let from = rowStart(matrix, row);
    for (let i = 0; i < groups; i++) {
      scaleTarget[group++] = halves[from++];
      for (let j = 0; j < codeHalves; j++) codeTarget[to++] = halves[from++];
    }
  }
  return { codes, scales };
}

/** Q5_0: the five bits of an element, less 16, are an int8 code. */
function packQ50(matrix: Matrix): Packed {
  const { rows, cols, halves } = matrix;
  const groups = cols / WEIGHT_GROUP;
  const scales = new Uint32Array(Math.ceil((rows * groups) / 2));
  const scaleTarget = new Uint16Array(scales.buffer);
  const codes = new Int8Array(rows * cols);
  for (let row = 0, group = 0; row < rows; row++) {
    let from = rowStart(matrix, row);
    for (let i = 0; i < groups; i++, group++, from += 11) {
      scaleTarget[group] = halves[from];
      const bytes = bytesOf(halves, from + 3, 16);
      const [low, high] = [halves[from + 1], halves[from + 2]];
      const to = group * WEIGHT_GROUP;
      for (let j = 0; j < 16; j++) {
        codes[to + j] = ((bytes[j] & 15) | (((low >> j) & 1) << 4)) - 16;
        codes[to + j + 16] = ((bytes[j] >> 4) | (((high >> j) & 1) << 4)) - 16;
      }
    }
  }
  return { codes: new Uint32Array(codes.buffer), scales };
}

/** Q4_K: nibbles move, and the product of a block's scale and a sub-block's 6 bits is rounded to f16. */
function packQ4K(matrix: Matrix): Packed {
  const { rows, cols, halves } = matrix;
  const table = halfValues();
  const groups = cols / WEIGHT_GROUP;
  const scales = new Uint32Array(rows * groups);
  const codes = new Uint8Array(rows * groups * 16);
  for (let row = 0, group = 0; row < rows; row++) {
    const start = rowStart(matrix, row);
    for (let at = start; at < start + matrix.rowHalves; at += 72) {
      const bytes = bytesOf(halves, at + 2, 140);
      for (let j = 0; j < K_BLOCK / WEIGHT_GROUP; j++, group++) {
        const packed = scaleAndMinimum(bytes, j);
        const d = f32ToF16(table[halves[at]] * (packed & 255));
        const m = f32ToF16(-table[halves[at + 1]] * (packed >> 8));
        scales[group] = d | (m << 16);
        const first = 12 + (j >> 1) * 32;
        const shift = (j & 1) * 4;
        for (let l = 0; l < 16; l++) {
          const low = (bytes[first + l] >> shift) & 15;
          codes[group * 16 + l] = low | (((bytes[first + l + 16] >> shift) & 15) << 4);
        }
      }
    }
  }
  return { codes: new Uint32Array(codes.buffer), scales };
}
