/** Definition of `prefill_mask`: until when each key of a chunk's attention is visible, in plain loops. */

/** What no query ever passes. */
export const UNLIMITED_REF = 0xffffffff;

/** A chunk of a prompt, and one layer's state before it. */
export interface ChunkRef {
  /** [rows, kvHeads] bits */
  readonly alpha: Uint32Array;
  /** [kvHeads, window + 1] slot | flag << 31 */
  readonly ring: Uint32Array;
  /** [kvHeads] slots in use */
  readonly live: Uint32Array;
  readonly position: number;
  readonly rows: number;
  readonly window: number;
  readonly shift: 0 | 1;
  readonly perHead: boolean;
}

/**
 * The visibility limits of one layer, and the ring with the verdict that the chunk's first bit brings (shift 1).
 * @returns until: for each head its slots, then its rows
 */
export function prefillMaskRef(input: ChunkRef): { readonly until: number[][]; readonly ring: Uint32Array } {
  const { alpha, live, position, rows, window, shift, perHead } = input;
  const heads = live.length;
  const size = window + 1;
  const ring = input.ring.slice();
  const until = Array.from({ length: heads }, (_, head) => {
    const bit = (row: number): number => alpha[row * heads + (perHead ? head : 0)];
    const limits: number[] = new Array(live[head] + rows).fill(UNLIMITED_REF);
    for (let p = Math.max(0, position - size); p < position; p++) {
      const at = head * size + (p % size);
      const slot = ring[at] % 2 ** 31;
      const flag = shift === 1 && p === position - 1 ? bit(0) : Math.floor(ring[at] / 2 ** 31);
      ring[at] = slot + flag * 2 ** 31;
      if (flag === 1) limits[slot] = p + window;
    }
    for (let row = 0; row + shift < rows; row++) {
      if (bit(row + shift) === 1) limits[live[head] + row] = position + row + window;
    }
    return limits;
  });
  return { until, ring };
}
