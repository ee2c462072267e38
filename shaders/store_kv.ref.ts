/** Definition of `store_kv`: keys and values of tokens into the pages of a pool, in plain loops. */
import { type KvFormatRef, writeKvRef } from './lib/kv.ref.ts';

/** Where each (row, head) goes, [rows * kvHeads]; null for a token that is not stored. */
export type PlacesRef = readonly ({ readonly page: number; readonly slot: number } | null)[];

/**
 * Changes `pool`.
 * @param kv.k [rows, kvHeads * headDim], kv.v the same
 */
export function storeKvRef(
  pool: Uint32Array,
  kv: { readonly k: Float32Array; readonly v: Float32Array },
  places: PlacesRef,
  size: { readonly headDim: number; readonly format: KvFormatRef },
): void {
  const { headDim } = size;
  places.forEach((place, i) => {
    if (!place) return;
    const row = (x: Float32Array) => x.subarray(i * headDim, (i + 1) * headDim);
    writeKvRef(pool, { ...place, ...size, kind: 'key' }, row(kv.k));
    writeKvRef(pool, { ...place, ...size, kind: 'value' }, row(kv.v));
  });
}
