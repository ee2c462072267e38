/**
 * The values of every weight type, bit for bit those of the Python package `gguf`. Layouts follow ggml-quants.c. The
 * products are exact in double precision, so each value is rounded once, as ggml's f32 arithmetic rounds it.
 */
import { f16ToF32 } from '../util/f16.ts';
import { checkedMatrix, copyRows, type Matrix, rowStart } from './matrix.ts';
import { WEIGHT_GROUP } from './packed.ts';
import type { TensorInfo, WeightType } from './tensor.ts';

/** The tensor's values, row after row, rows in half-split RoPE order. @throws FormatError as `checkedMatrix` */
export function dequantise(info: TensorInfo, bytes: Uint8Array): Float32Array {
  return floats(checkedMatrix(info, bytes));
}

/** All values of a matrix. */
export function floats(matrix: Matrix): Float32Array<ArrayBuffer> {
  const { rows, cols, type } = matrix;
  const values = new Float32Array(rows * cols);
  if (type === 'F32') copyRows(matrix, new Uint16Array(values.buffer));
  else {
    const read = rowReader(matrix);
    for (let row = 0; row < rows; row++) read(row, values.subarray(row * cols, (row + 1) * cols));
  }
  return values;
}

/** Reads one row's values into `values` [cols]. */
export function rowReader(matrix: Matrix): (row: number, values: Float32Array<ArrayBuffer>) => void {
  const decode = DECODERS[matrix.type];
  return (row, values) => decode(values, matrix.halves, rowStart(matrix, row));
}

let halfTable: Float32Array | null = null;

/** All halves by their bits: reading is several times faster than computing. */
export function halfValues(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => f16ToF32(bits));
  return halfTable;
}

type Decoder = (values: Float32Array<ArrayBuffer>, halves: Uint16Array, from: number) => void;

const DECODERS: Readonly<Record<WeightType, Decoder>> = {
  F32: (values, halves, from) => {
    const bits = new Uint16Array(values.buffer, values.byteOffset, values.length * 2);
    bits.set(halves.subarray(from, from + bits.length));
  },
  F16: (values, halves, from) => {
    const table = halfValues();
    for (let i = 0; i < values.length; i++) values[i] = table[halves[from + i]];
  },
  BF16: (values, halves, from) => {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < values.length; i++) bits[i] = halves[from + i] << 16;
  },
  Q4_0: (values, halves, from) => nibbleRow(values, halves, { from, minimum: false }),
  Q4_1: (values, halves, from) => nibbleRow(values, halves, { from, minimum: true }),
  Q5_0: (values, halves, from) => fiveBitRow(values, halves, { from, minimum: false }),
  Q5_1: (values, halves, from) => fiveBitRow(values, halves, { from, minimum: true }),
  Q8_0: int8Row,
  Q4_K: (values, halves, from) => kRow(values, halves, { from, five: false }),
  Q5_K: (values, halves, from) => kRow(values, halves, { from, five: true }),
  Q6_K: sixBitRow,
};

function int8Row(values: Float32Array, halves: Uint16Array, from: number): void {
  const table = halfValues();
  let at = from;
  for (let group = 0; group < values.length; group += WEIGHT_GROUP) {
    const d = table[halves[at++]];
    for (let j = 0; j < WEIGHT_GROUP; j += 2) {
      const pair = halves[at++];
      values[group + j] = d * ((pair << 24) >> 24);
      values[group + j + 1] = d * ((pair << 16) >> 24);
    }
  }
}

interface BlockOptions {
  readonly from: number;
  /** True where a block has a minimum beside its scale. */
  readonly minimum: boolean;
}

function nibbleRow(values: Float32Array, halves: Uint16Array, { from, minimum }: BlockOptions): void {
  const table = halfValues();
  const zero = minimum ? 0 : 8;
  let at = from;
  for (let group = 0; group < values.length; group += WEIGHT_GROUP) {
    const d = table[halves[at++]];
    // Adding -0 changes nothing, not even the sign of a zero.
    const m = minimum ? table[halves[at++]] : -0;
    for (let j = 0; j < WEIGHT_GROUP / 2; j += 2) {
      const pair = halves[at++];
      values[group + j] = d * ((pair & 15) - zero) + m;
      values[group + j + 16] = d * (((pair >> 4) & 15) - zero) + m;
      values[group + j + 1] = d * (((pair >> 8) & 15) - zero) + m;
      values[group + j + 17] = d * ((pair >> 12) - zero) + m;
    }
  }
}

/** Q5_0 and Q5_1: the fifth bits of the 32 elements stand in a word before the nibbles. */
function fiveBitRow(values: Float32Array, halves: Uint16Array, { from, minimum }: BlockOptions): void {
  const table = halfValues();
  const zero = minimum ? 0 : 16;
  let at = from;
  for (let group = 0; group < values.length; group += WEIGHT_GROUP) {
    const d = table[halves[at++]];
    const m = minimum ? table[halves[at++]] : -0;
    const low = halves[at++];
    const high = halves[at++];
    for (let j = 0; j < WEIGHT_GROUP / 2; j++) {
      const byte = (halves[at + (j >> 1)] >> (8 * (j & 1))) & 255;
      values[group + j] = d * (((byte & 15) | (((low >> j) & 1) << 4)) - zero) + m;
      values[group + j + 16] = d * (((byte >> 4) | (((high >> j) & 1) << 4)) - zero) + m;
    }
    at += WEIGHT_GROUP / 4;
  }
}

/** Elements of a K type's block. */
export const K_BLOCK = 256;

/** The 6-bit scale (low byte) and minimum (high byte) of sub-block j; `bytes` are the block's 12 (get_scale_min_k4). */
export function scaleAndMinimum(bytes: Uint8Array, j: number): number {
  if (j < 4) return (bytes[j] & 63) | ((bytes[j + 4] & 63) << 8);
  const scale = (bytes[j + 4] & 15) | ((bytes[j - 4] >> 6) << 4);
  const minimum = (bytes[j + 4] >> 4) | ((bytes[j] >> 6) << 4);
  return scale | (minimum << 8);
}

/** A view of 16-bit words as bytes. */
export function bytesOf(halves: Uint16Array, from: number, length: number): Uint8Array {
  return new Uint8Array(halves.buffer, halves.byteOffset + from * 2, length);
}

/** Q4_K and Q5_K: 8 sub-blocks of 32 with a 6-bit scale and minimum each. */
function kRow(
  values: Float32Array,
  halves: Uint16Array,
  { from, five }: { readonly from: number; readonly five: boolean },
): void {
  const table = halfValues();
  const blockHalves = five ? 88 : 72;
  for (let block = 0, at = from; block < values.length; block += K_BLOCK, at += blockHalves) {
    const d = table[halves[at]];
    const dmin = table[halves[at + 1]];
    const bytes = bytesOf(halves, at + 2, blockHalves * 2 - 4);
    const codes = bytes.subarray(five ? 44 : 12);
    for (let j = 0; j < 8; j++) {
      const packed = scaleAndMinimum(bytes, j);
      const scale = d * (packed & 255);
      const minimum = dmin * (packed >> 8);
      const first = (j >> 1) * 32;
      const shift = (j & 1) * 4;
      for (let l = 0; l < 32; l++) {
        const fifth = five ? ((bytes[12 + l] >> j) & 1) << 4 : 0;
        values[block + 32 * j + l] = scale * (((codes[first + l] >> shift) & 15) | fifth) - minimum;
      }
    }
  }
}

/** Q6_K: 16 sub-blocks of 16 with an int8 scale each. */
function sixBitRow(values: Float32Array, halves: Uint16Array, from: number): void {
  const table = halfValues();
  for (let block = 0, at = from; block < values.length; block += K_BLOCK, at += 105) {
    const low = bytesOf(halves, at, 128);
    const high = bytesOf(halves, at + 64, 64);
    const d = table[halves[at + 104]];
    const scales = new Int8Array(halves.buffer, halves.byteOffset + (at + 96) * 2, 16);
    for (let i = 0; i < K_BLOCK; i++) {
      const half = i >> 7;
      const quarter = (i >> 5) & 3;
      const l = i & 31;
      const nibble = (low[half * 64 + (quarter & 1) * 32 + l] >> (4 * (quarter >> 1))) & 15;
      const top = (high[half * 32 + l] >> (2 * quarter)) & 3;
      values[block + i] = d * scales[i >> 4] * ((nibble | (top << 4)) - 32);
    }
  }
}
