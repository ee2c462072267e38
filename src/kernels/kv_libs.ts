/** What a kernel that reads or writes pages is linked from: the library of its KV format and the page's sizes. */
import kvF16Wgsl from '../../shaders/lib/kv_f16.wgsl?raw';
import kvF32Wgsl from '../../shaders/lib/kv_f32.wgsl?raw';
import kvInt8Wgsl from '../../shaders/lib/kv_int8.wgsl?raw';
import { assert } from '../util/assert.ts';
import { type KvFormat, kvLayout, PAGE_SLOTS } from './kv_layout.ts';

/** Head sizes that the kernels of heads and of the cache are compiled for. */
export const HEAD_DIMS = [64, 80, 96, 128] as const;

export type HeadDim = (typeof HEAD_DIMS)[number];

/** A head size that the kernels know; others are refused before a model is loaded. */
export function headDimOf(headDim: number): HeadDim {
  const known = HEAD_DIMS.find((size) => size === headDim);
  assert(known !== undefined, `head size ${headDim} is none of ${HEAD_DIMS.join(', ')}`);
  return known;
}

/** The text of `shaders/lib/kv_<format>.wgsl`. */
export function kvLib(format: KvFormat): string {
  return { int8: kvInt8Wgsl, f16: kvF16Wgsl, f32: kvF32Wgsl }[format];
}

/**
 * The page's sizes as generated consts: PAGE_SLOTS, HEAD_DIM, and ROW_WORDS, SCALE_WORDS and PAGE_WORDS in u32 words.
 */
export function kvConsts(format: KvFormat, headDim: number): Readonly<Record<string, number>> {
  const { rowWords, scaleWords, pageWords } = kvLayout(format, headDim);
  return { PAGE_SLOTS, HEAD_DIM: headDim, ROW_WORDS: rowWords, SCALE_WORDS: scaleWords, PAGE_WORDS: pageWords };
}
