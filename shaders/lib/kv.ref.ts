/**
 * Definition of how keys and values lie in a page and what their words stand for; `src/kernels/kv_layout.ts` in
 * words.
 */
import { f16ToF32, f32ToF16 } from '../../src/util/f16.ts';

export type KvFormatRef = 'int8' | 'f16' | 'f32';

const SLOTS = 32;
const GROUP = 32;

/** One row of a slot in a pool. */
export interface KvRowRef {
  readonly page: number;
  readonly slot: number;
  readonly kind: 'key' | 'value';
  readonly format: KvFormatRef;
  readonly headDim: number;
}

function placesOf({ page, slot, kind, format, headDim }: KvRowRef) {
  const rowWords = format === 'int8' ? headDim / 4 : format === 'f16' ? headDim / 2 : headDim;
  const scaleWords = format === 'int8' ? Math.ceil(headDim / GROUP) : 0;
  const base = page * SLOTS * (2 * rowWords + scaleWords);
  const shift = kind === 'key' ? 0 : 16;
  return {
    row: base + (slot + (kind === 'key' ? 0 : SLOTS)) * rowWords,
    rowWords,
    scale: base + 2 * SLOTS * rowWords + slot * scaleWords,
    shift,
  };
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor & 1) : Math.round(x);
}

/** Writes the headDim numbers of a row into a pool, with their scales. */
export function writeKvRef(pool: Uint32Array, at: KvRowRef, x: Float32Array): void {
  const { row, rowWords, scale, shift } = placesOf(at);
  if (at.format === 'f32') {
    pool.set(new Uint32Array(Float32Array.from(x).buffer), row);
    return;
  }
  pool.fill(0, row, row + rowWords);
  if (at.format === 'f16') {
    x.forEach((value, i) => {
      pool[row + (i >> 1)] |= f32ToF16(Math.min(65504, Math.max(-65504, value))) << (16 * (i & 1));
    });
    return;
  }
  for (let first = 0; first < x.length; first += GROUP) {
    const group = x.subarray(first, first + GROUP);
    const bits = f32ToF16(Math.min(65504, group.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127));
    const word = scale + first / GROUP;
    pool[word] = (pool[word] & ~(0xffff << shift)) | (bits << shift);
    const step = f16ToF32(bits);
    group.forEach((value, i) => {
      const code = step > 0 ? Math.min(127, Math.max(-127, roundHalfEven(value / step))) : 0;
      pool[row + ((first + i) >> 2)] |= (code & 0xff) << (8 * (i & 3));
    });
  }
}

/** The headDim numbers that a row of a pool stands for. */
export function readKvRef(pool: Uint32Array, at: KvRowRef): Float32Array {
  const { row, scale, shift } = placesOf(at);
  return Float32Array.from({ length: at.headDim }, (_, i) => {
    if (at.format === 'f32') return new Float32Array(pool.slice(row + i, row + i + 1).buffer)[0];
    if (at.format === 'f16') return f16ToF32((pool[row + (i >> 1)] >>> (16 * (i & 1))) & 0xffff);
    const code = (pool[row + (i >> 2)] << (24 - 8 * (i & 3))) >> 24;
    return code * f16ToF32((pool[scale + Math.floor(i / GROUP)] >>> shift) & 0xffff);
  });
}
