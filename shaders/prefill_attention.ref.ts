/**
 * Definition of `prefill_attention`: a chunk's queries over the slots in use and the chunk, in plain loops and
 * float64.
 */
import { type KvFormatRef, readKvRef } from './lib/kv.ref.ts';

const PAGE_SLOTS = 32;

/**
 * Attention under the mask that `until` says, in the order of the shader's bindings.
 * @param input.q [rows, kvHeads * group, headDim]
 * @param input.pool pages; input.pageTable [kvHeads, tableStride] page of each 32 slots
 * @param input.stage pages; row r of head h is slot r of the pages from h * stagePages on
 * @param input.until [kvHeads, untilStride] last query position that sees a slot, then a row
 * @param input.live [kvHeads] slots in use
 * @returns [rows, kvHeads * group, headDim]
 */
export function prefillAttentionRef(
  input: {
    readonly q: Float32Array;
    readonly pool: Uint32Array;
    readonly pageTable: Uint32Array;
    readonly stage: Uint32Array;
    readonly until: Uint32Array;
    readonly live: Uint32Array;
  },
  size: {
    readonly position: number;
    readonly rows: number;
    readonly group: number;
    readonly headDim: number;
    readonly format: KvFormatRef;
    readonly stagePages: number;
    readonly tableStride: number;
    readonly untilStride: number;
  },
): Float64Array {
  const { q, pool, pageTable, stage, until, live } = input;
  const { position, rows, group, headDim, format, stagePages, tableStride, untilStride } = size;
  const queryHeads = live.length * group;
  const out = new Float64Array(rows * queryHeads * headDim);
  live.forEach((slots, head) => {
    const list = Array.from({ length: slots + rows }, (_, index) => {
      const row = index - slots;
      const at = row < 0 ? index : row;
      const page = Math.floor(at / PAGE_SLOTS);
      const place = {
        page: row < 0 ? pageTable[head * tableStride + page] : head * stagePages + page,
        slot: at % PAGE_SLOTS,
      };
      const words = row < 0 ? pool : stage;
      return {
        since: row < 0 ? 0 : position + row,
        until: until[head * untilStride + index],
        key: readKvRef(words, { ...place, format, headDim, kind: 'key' }),
        value: readKvRef(words, { ...place, format, headDim, kind: 'value' }),
      };
    });
    for (let pair = 0; pair < rows * group; pair++) {
      const row = Math.floor(pair / group);
      const first = (row * queryHeads + head * group + (pair % group)) * headDim;
      const now = position + row;
      const seen = list.filter((entry) => entry.since <= now && now <= entry.until);
      const scores = seen.map(({ key }) => {
        let dot = 0;
        for (let d = 0; d < headDim; d++) dot += q[first + d] * key[d];
        return dot / Math.sqrt(headDim);
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      seen.forEach(({ value }, i) => {
        for (let d = 0; d < headDim; d++) out[first + d] += (weights[i] / total) * value[d];
      });
    }
  });
  return out;
}
