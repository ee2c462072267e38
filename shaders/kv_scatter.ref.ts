/** Definition of `kv_scatter`: copies stored rows of a chunk to their slots, in plain loops. */

const PAGE_SLOTS = 32;
const DROPPED = 0xffffffff;

/** Where word `word` of slot `slot` of a page lies: key rows, then value rows, then scales. */
function wordInPage(slot: number, word: number, rowWords: number, scaleWords: number): number {
  if (word < 2 * rowWords) {
    const half = Math.floor(word / rowWords);
    return (half * PAGE_SLOTS + slot) * rowWords + (word % rowWords);
  }
  return 2 * PAGE_SLOTS * rowWords + slot * scaleWords + word - 2 * rowWords;
}

/**
 * Copies row r of head h from staging page h * stagePages + r / 32 to slot slotOfRow[h, r] of the pool, through the
 * head's page table. Changes `pool`.
 */
export function kvScatterRef(args: {
  /** [kvHeads, rows] */
  readonly slotOfRow: Uint32Array;
  /** [kvHeads, tableStride] */
  readonly pageTable: Uint32Array;
  readonly stage: Uint32Array;
  readonly pool: Uint32Array;
  readonly kvHeads: number;
  readonly rows: number;
  readonly stagePages: number;
  readonly tableStride: number;
  readonly rowWords: number;
  readonly scaleWords: number;
}): void {
  const { slotOfRow, pageTable, stage, pool, kvHeads, rows, stagePages, tableStride, rowWords, scaleWords } = args;
  const slotWords = 2 * rowWords + scaleWords;
  const pageWords = PAGE_SLOTS * slotWords;
  for (let head = 0; head < kvHeads; head++) {
    for (let row = 0; row < rows; row++) {
      const slot = slotOfRow[head * rows + row];
      if (slot === DROPPED) continue;
      const from = head * stagePages + Math.floor(row / PAGE_SLOTS);
      const to = pageTable[head * tableStride + Math.floor(slot / PAGE_SLOTS)];
      for (let word = 0; word < slotWords; word++) {
        pool[to * pageWords + wordInPage(slot % PAGE_SLOTS, word, rowWords, scaleWords)] =
          stage[from * pageWords + wordInPage(row % PAGE_SLOTS, word, rowWords, scaleWords)];
      }
    }
  }
}
