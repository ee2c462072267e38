/** What the cache holds, as a plain value that can cross to the page. */

export type PolicyKind = 'dms' | 'dense' | 'window';

/** A snapshot of the cache's fill. Bytes are those of real buffers, except `denseBytes`, which is what-if. */
export interface Occupancy {
  readonly policy: PolicyKind;
  readonly layers: number;
  readonly kvHeads: number;
  /** The window w: every head holds at least the last min(tokensSeen, w + 1) tokens. 0 under `dense`. */
  readonly window: number;
  /** Tokens read and written so far, dropped ones included. */
  readonly tokensSeen: number;
  /** Live slots, [layers * kvHeads], layer by layer. */
  readonly live: Uint32Array;
  /** Bytes of the live slots. */
  readonly liveBytes: number;
  /** Bytes of the cache's buffers: page pools, page tables, rings, staging. */
  readonly allocatedBytes: number;
  /** Bytes that a dense f16 cache would hold for tokensSeen tokens. */
  readonly denseBytes: number;
  /** tokensSeen over the mean of `live`: how many times fewer tokens are held; 1 for an empty cache. */
  readonly ratio: number;
}
