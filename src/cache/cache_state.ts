/**
 * The contents of a cache as plain words: what a snapshot keeps of it. Only live slots are in it. They keep their
 * order, for the ring names slots by number; which pages they lie in is not kept, for it means nothing.
 */
import { type KvLayout, PAGE_SLOTS } from '../kernels/kv_layout.ts';

export interface CacheState {
  /** Tokens seen, dropped ones included. */
  readonly tokens: number;
  /** Live slots, [layers * kvHeads]. */
  readonly live: Uint32Array<ArrayBuffer>;
  /** [layers * kvHeads, min(tokens, ringSize)] of slot | flag << 31. */
  readonly ring: Uint32Array<ArrayBuffer>;
  /** [layers * kvHeads, ceil(tokens / 32)]: a bit for each token, set when the head dropped it. */
  readonly dropped: Uint32Array<ArrayBuffer>;
  /**
   * For each layer its heads' slots, one head after the other, packed as `packSlots` does: `slotBytes / 4` words of
   * every live slot.
   */
  readonly slots: readonly Uint32Array<ArrayBuffer>[];
}

/** Where `count` slots of a page have their words: keys, values and scales as [first word, words]. */
function partsOf(layout: KvLayout, count: number): readonly (readonly [number, number])[] {
  const { rowWords, scaleWords } = layout;
  return [
    [0, count * rowWords],
    [PAGE_SLOTS * rowWords, count * rowWords],
    [2 * PAGE_SLOTS * rowWords, count * scaleWords],
  ];
}

/** Calls `visit` for each page of a head with `slots` live slots: its index, and how many of its slots are live. */
function eachPage(slots: number, visit: (page: number, count: number) => void): void {
  for (let page = 0; page * PAGE_SLOTS < slots; page++) visit(page, Math.min(PAGE_SLOTS, slots - page * PAGE_SLOTS));
}

/**
 * The words of live slots without the dead ones of each head's last page.
 * @param pages the heads' pages, whole, one head after the other
 * @param live live slots of each head
 */
export function packSlots(layout: KvLayout, pages: Uint32Array, live: Uint32Array): Uint32Array<ArrayBuffer> {
  const total = live.reduce((sum, length) => sum + length, 0);
  const packed = new Uint32Array((total * layout.slotBytes) / 4);
  let [from, to] = [0, 0];
  for (const length of live) {
    eachPage(length, (_, count) => {
      for (const [first, words] of partsOf(layout, count)) {
        packed.set(pages.subarray(from + first, from + first + words), to);
        to += words;
      }
      from += layout.pageWords;
    });
  }
  return packed;
}

/**
 * The reverse: puts each page of packed slots where `place` says.
 * @param place word of `pool` at which a head's page begins
 */
export function unpackSlots(
  layout: KvLayout,
  packed: { readonly slots: Uint32Array; readonly live: Uint32Array },
  pool: Uint32Array,
  place: (head: number, page: number) => number,
): void {
  let from = 0;
  packed.live.forEach((length, head) => {
    eachPage(length, (page, count) => {
      for (const [first, words] of partsOf(layout, count)) {
        pool.set(packed.slots.subarray(from, from + words), place(head, page) + first);
        from += words;
      }
    });
  });
}

/** The first `keep` words of each row of `stride`, or the reverse: rows of `keep` words apart by `stride`. */
export function restride(rows: Uint32Array, from: number, to: number): Uint32Array<ArrayBuffer> {
  const count = from === 0 ? 0 : rows.length / from;
  const out = new Uint32Array(count * to);
  const width = Math.min(from, to);
  for (let row = 0; row < count; row++) out.set(rows.subarray(row * from, row * from + width), row * to);
  return out;
}
