/**
 * Puts tensors into the layouts that the kernels read, moving bits and never rounding one: the nibbles and int8 codes
 * of ggml's blocks stay as they are, only their scales are set apart. Rows in ggml's interleaved-RoPE order are put
 * back. Little-endian machines only, which all that run WebGPU are.
 */
import { f16ToF32 } from '../util/f16.ts';
import { FormatError } from './errors.ts';
import { BLOCKS, type TensorInfo, type TensorType, type WeightType } from './tensor.ts';

/** w4: 4 bits, symmetric. w4m: 4 bits with a minimum. w8: 8 bits. */
export type WeightFormat = 'w4' | 'w4m' | 'w8' | 'f16' | 'f32';

/** Elements that share a scale, along a row. */
export const WEIGHT_GROUP = 32;

/**
 * A [rows, cols] matrix as the kernels bind it. A vector has one row.
 *
 * | format | codes, u32 | scales, u32 | value |
 * |---|---|---|---|
 * | w4 | 4 a group; byte j: element j low, j + 16 high | f16 a group, two a word, the even group low | d * (q - 8) |
 * | w4m | the same | a word a group: f16 d low, f16 m high | d * q + m |
 * | w8 | 8 a group; int8, four a word in order | as w4 | d * q |
 * | f16 | two a word in order | null | |
 * | f32 | one a word | null | |
 *
 * Groups and elements are counted through the whole matrix, row after row, without padding between rows.
 */
export interface PackedWeight {
  readonly format: WeightFormat;
  readonly rows: number;
  readonly cols: number;
  readonly codes: Uint32Array;
  readonly scales: Uint32Array | null;
}

const NATIVE: Readonly<Record<WeightType, WeightFormat>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'f32',
  Q4_0: 'w4',
  Q4_1: 'w4m',
  Q8_0: 'w8',
};

/**
 * A tensor's bytes in a kernel's layout.
 * @param bytes as `Checkpoint.read` gives them
 * @param target `native` keeps the file's precision (BF16 widens to f32, exactly); `f32` dequantises
 * @throws FormatError when the bytes are not the tensor's, or its type is no weight's
 */
export function packWeight(info: TensorInfo, bytes: Uint8Array, target: 'native' | 'f32'): PackedWeight {
  const matrix = checkedMatrix(info, bytes);
  const { rows, cols } = matrix;
  const format = target === 'f32' ? 'f32' : NATIVE[matrix.type];
  if (format === 'f32') {
    const values = floats(matrix);
    return { format, rows, cols, codes: new Uint32Array(values.buffer, 0, values.length), scales: null };
  }
  if (format === 'f16') {
    const codes = new Uint32Array(Math.ceil((rows * cols) / 2));
    copyRows(matrix, new Uint16Array(codes.buffer), 1);
    return { format, rows, cols, codes, scales: null };
  }
  return { format, rows, cols, ...(format === 'w4m' ? packQ41(matrix) : packScaled(matrix)) };
}

/** The tensor's values, row after row, rows in half-split RoPE order. @throws FormatError as `packWeight` */
export function dequantise(info: TensorInfo, bytes: Uint8Array): Float32Array {
  return floats(checkedMatrix(info, bytes));
}

/** Joins matrices of one format and width by rows, in the order given. @throws FormatError when they differ */
export function concatPacked(list: readonly PackedWeight[]): PackedWeight {
  const [first] = list;
  if (list.length === 1) return first;
  const odd = list.find(({ format, cols }) => format !== first.format || cols !== first.cols);
  if (odd) {
    const words = ({ format, rows, cols }: PackedWeight) => `${format} [${rows}, ${cols}]`;
    throw new FormatError('joining weights', `${words(first)} and ${words(odd)} differ in format or width.`);
  }
  const { format, cols } = first;
  const counts = list.map(({ rows }) => rows * cols);
  const codes = list.map((weight) => weight.codes);
  const scales = list.flatMap((weight) => (weight.scales ? [weight.scales] : []));
  return {
    format,
    rows: list.reduce((sum, { rows }) => sum + rows, 0),
    cols,
    codes: format === 'f16' ? joinHalves(codes, counts) : joinWords(codes),
    scales: scales.length === 0 ? null : joinScales(format, scales, counts),
  };
}

function joinScales(format: WeightFormat, scales: readonly Uint32Array[], counts: readonly number[]): Uint32Array {
  if (format === 'w4m') return joinWords(scales);
  const groups = counts.map((count) => count / WEIGHT_GROUP);
  return joinHalves(scales, groups);
}

function joinWords(list: readonly Uint32Array[]): Uint32Array {
  const joined = new Uint32Array(list.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const words of list) {
    joined.set(words, at);
    at += words.length;
  }
  return joined;
}

/** Joins lists of 16-bit values; `counts` tells where a list of odd length leaves half a word unused. */
function joinHalves(list: readonly Uint32Array[], counts: readonly number[]): Uint32Array {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const joined = new Uint32Array(Math.ceil(total / 2));
  const halves = new Uint16Array(joined.buffer);
  let at = 0;
  list.forEach((words, i) => {
    halves.set(new Uint16Array(words.buffer, words.byteOffset, counts[i]), at);
    at += counts[i];
  });
  return joined;
}

/** A tensor's bytes with all that the packers need to walk them. */
interface Matrix {
  readonly type: WeightType;
  readonly rows: number;
  readonly cols: number;
  /** The file's bytes as 16-bit words; all types are a whole number of these. */
  readonly halves: Uint16Array;
  /** Row of the file that holds row r, or null where they are the same. */
  readonly rowInFile: Uint32Array | null;
}

function isWeightType(type: TensorType): type is WeightType {
  return Object.hasOwn(NATIVE, type);
}

function checkedMatrix(info: TensorInfo, bytes: Uint8Array): Matrix {
  const { name, type, shape, interleavedHeads: heads } = info;
  if (!isWeightType(type)) throw new FormatError(`tensor ${name}`, `${type} is not a type that weights can have.`);
  // A bias of heads is permuted by elements, so it is seen as a column.
  const vector = shape.length < 2;
  const elements = shape.reduce((product, size) => product * size, 1);
  const cols = vector ? (heads ? 1 : elements) : shape[shape.length - 1];
  const rows = cols === 0 ? 0 : elements / cols;
  const block = BLOCKS[type];
  if (cols % block.elements !== 0) {
    const fact = `rows of ${cols} elements do not divide into ${type} blocks of ${block.elements}.`;
    throw new FormatError(`tensor ${name}`, fact);
  }
  const expected = (elements / block.elements) * block.bytes;
  if (bytes.length !== expected) {
    throw new FormatError(
      `tensor ${name}`,
      `${type} [${shape.join(', ')}] takes ${expected} bytes, not ${bytes.length}.`,
    );
  }
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return {
    type,
    rows,
    cols,
    halves: new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2),
    rowInFile: heads ? interleavedRows(rows, heads) : null,
  };
}

/**
 * Half-split row (head, half, i) comes from interleaved row (head, i, half): the inverse of `permute` in ggml's
 * convert_hf_to_gguf.py.
 */
function interleavedRows(rows: number, heads: number): Uint32Array {
  const dim = rows / heads;
  return Uint32Array.from({ length: rows }, (_, row) => {
    const inHead = row % dim;
    const half = inHead >= dim / 2 ? 1 : 0;
    return row - inHead + 2 * (inHead - (half * dim) / 2) + half;
  });
}

/** Copies rows of `halvesPerElement` 16-bit words an element into place. */
function copyRows(matrix: Matrix, target: Uint16Array, halvesPerElement: number): void {
  const { rows, cols, halves, rowInFile } = matrix;
  if (rowInFile === null) {
    target.set(halves);
    return;
  }
  const width = cols * halvesPerElement;
  for (let row = 0; row < rows; row++) {
    const from = rowInFile[row] * width;
    target.set(halves.subarray(from, from + width), row * width);
  }
}

type Packed = Pick<PackedWeight, 'codes' | 'scales'>;

/** Q4_1: blocks of 5 words, the first of which is already `d | m << 16`. */
function packQ41({ rows, cols, halves, rowInFile }: Matrix): Packed {
  const words = new Uint32Array(halves.buffer, halves.byteOffset, halves.length / 2);
  const groups = cols / WEIGHT_GROUP;
  const scales = new Uint32Array(rows * groups);
  const codes = new Uint32Array(rows * groups * 4);
  let group = 0;
  for (let row = 0; row < rows; row++) {
    let from = (rowInFile ? rowInFile[row] : row) * groups * 5;
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
function packScaled({ type, rows, cols, halves, rowInFile }: Matrix): Packed {
  const groups = cols / WEIGHT_GROUP;
  const codeHalves = BLOCKS[type].bytes / 2 - 1;
  const scales = new Uint32Array(Math.ceil((rows * groups) / 2));
  const codes = new Uint32Array((rows * groups * codeHalves) / 2);
  const scaleTarget = new Uint16Array(scales.buffer);
  const codeTarget = new Uint16Array(codes.buffer);
  let group = 0;
  let to = 0;
  for (let row = 0; row < rows; row++) {
    let from = (rowInFile ? rowInFile[row] : row) * groups * (codeHalves + 1);
    for (let i = 0; i < groups; i++) {
      scaleTarget[group++] = halves[from++];
      for (let j = 0; j < codeHalves; j++) codeTarget[to++] = halves[from++];
    }
  }
  return { codes, scales };
}

let halfTable: Float32Array | null = null;

/** All halves by their bits: reading is several times faster than computing. */
function halfValues(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => f16ToF32(bits));
  return halfTable;
}

function floats(matrix: Matrix): Float32Array<ArrayBuffer> {
  const { type, rows, cols, halves, rowInFile } = matrix;
  const values = new Float32Array(rows * cols);
  if (type === 'F32') {
    copyRows(matrix, new Uint16Array(values.buffer), 2);
    return values;
  }
  const table = halfValues();
  const bits = new Uint32Array(values.buffer);
  const { elements, bytes } = BLOCKS[type];
  const rowHalves = ((cols / elements) * bytes) / 2;
  for (let row = 0; row < rows; row++) {
    const from = (rowInFile ? rowInFile[row] : row) * rowHalves;
    const to = row * cols;
    if (type === 'F16') for (let i = 0; i < cols; i++) values[to + i] = table[halves[from + i]];
    else if (type === 'BF16') for (let i = 0; i < cols; i++) bits[to + i] = halves[from + i] << 16;
    else if (type === 'Q8_0') int8Row(values.subarray(to, to + cols), halves, from);
    else nibbleRow(values.subarray(to, to + cols), halves, { from, minimum: type === 'Q4_1' });
  }
  return values;
}

// The products below are exact in double precision, so each value is rounded once, as ggml's f32 arithmetic does.

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

function nibbleRow(values: Float32Array, halves: Uint16Array, options: { from: number; minimum: boolean }): void {
  const table = halfValues();
  const zero = options.minimum ? 0 : 8;
  let at = options.from;
  for (let group = 0; group < values.length; group += WEIGHT_GROUP) {
    const d = table[halves[at++]];
    // Adding -0 changes nothing, not even the sign of a zero.
    const m = options.minimum ? table[halves[at++]] : -0;
    for (let j = 0; j < WEIGHT_GROUP / 2; j += 2) {
      const pair = halves[at++];
      values[group + j] = d * ((pair & 15) - zero) + m;
      values[group + j + 16] = d * (((pair >> 4) & 15) - zero) + m;
      values[group + j + 1] = d * (((pair >> 8) & 15) - zero) + m;
      values[group + j + 17] = d * ((pair >> 12) - zero) + m;
    }
  }
}
