/**
 * The layouts in which the kernels read weights, and joining several by rows. It knows no file format and rounds
 * nothing.
 */
import { FormatError } from './errors.ts';

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
