/**
 * How keys and values lie in a page: PAGE_SLOTS key rows, then as many value rows, then, for int8, the scales of each
 * slot.
 * One place says it for the host, and the shaders' `lib/kv_*.wgsl` say the same in WGSL.
 */
import { assert } from '../util/assert.ts';

/** Slots of one page of one KV head. */
export const PAGE_SLOTS = 32;

/** Elements that share an int8 scale within a key or value row. */
export const KV_GROUP = 32;

export type KvFormat = 'int8' | 'f16' | 'f32';

export interface KvLayout {
  readonly format: KvFormat;
  readonly headDim: number;
  /** u32 words of one key row, or of one value row. */
  readonly rowWords: number;
  /** u32 words of scales of one slot: one a group, f16 key scale in the low half, f16 value scale in the high half. */
  readonly scaleWords: number;
  /** u32 words of a page: PAGE_SLOTS * (2 * rowWords + scaleWords). */
  readonly pageWords: number;
  /** Bytes that one live slot takes: (2 * rowWords + scaleWords) * 4. */
  readonly slotBytes: number;
}

/** The layout of a format; `headDim` is a multiple of 16. */
export function kvLayout(format: KvFormat, headDim: number): KvLayout {
  assert(headDim % 16 === 0, `head size ${headDim} is no multiple of 16`);
  const rowWords = { int8: headDim / 4, f16: headDim / 2, f32: headDim }[format];
  const scaleWords = format === 'int8' ? Math.ceil(headDim / KV_GROUP) : 0;
  const slotWords = 2 * rowWords + scaleWords;
  return { format, headDim, rowWords, scaleWords, pageWords: PAGE_SLOTS * slotWords, slotBytes: slotWords * 4 };
}
