/**
 * Definition of `prefill_commit`: which slot each row of a chunk takes and what the ring then holds, in plain loops.
 */
import type { ChunkRef } from './prefill_mask.ref.ts';

/** What stands for "this row is dropped". */
export const DROPPED_REF = 0xffffffff;

/**
 * Slots, ring and lengths of one layer after a chunk.
 * @param input.ring as prefill_mask left it
 * @returns slotOfRow [kvHeads, rows], ring and live after the chunk; for each head the tokens that it dropped
 */
export function prefillCommitRef(input: ChunkRef): {
  readonly slotOfRow: Uint32Array;
  readonly ring: Uint32Array;
  readonly live: Uint32Array;
  readonly dropped: readonly (readonly number[])[];
} {
  const { alpha, position, rows, window, shift, perHead } = input;
  const heads = input.live.length;
  const size = window + 1;
  const ring = input.ring.slice();
  const live = input.live.slice();
  const slotOfRow = new Uint32Array(heads * rows);
  const dropped: number[][] = Array.from({ length: heads }, () => []);
  for (let head = 0; head < heads; head++) {
    const column = perHead ? head : 0;
    const firstKept = position + rows - size;
    const holes: number[] = [];
    for (let p = Math.max(0, position - size); p < Math.min(position, firstKept); p++) {
      const entry = ring[head * size + (p % size)];
      if (entry < 2 ** 31) continue;
      holes.push(entry - 2 ** 31);
      dropped[head].push(p);
    }
    for (let row = 0; row < rows; row++) {
      const flag = row + shift < rows ? alpha[(row + shift) * heads + column] : 0;
      if (flag === 1 && position + row < firstKept) {
        slotOfRow[head * rows + row] = DROPPED_REF;
        dropped[head].push(position + row);
        continue;
      }
      const slot = holes.shift() ?? live[head]++;
      slotOfRow[head * rows + row] = slot;
      if (position + row >= firstKept) ring[head * size + ((position + row) % size)] = slot + flag * 2 ** 31;
    }
  }
  return { slotOfRow, ring, live, dropped };
}
