/** Which tokens the cache keeps. Plain values: they cross from the page to the worker. */

/** Trained eviction as the checkpoint learned it; `offset` overrides the checkpoint's: smaller evicts more. */
export interface DmsPolicy {
  readonly kind: 'dms';
  readonly offset?: number;
}

/** Every token is kept. */
export interface DensePolicy {
  readonly kind: 'dense';
}

/** The first `sinks` tokens and the last `window` + 1 are kept. */
export interface WindowPolicy {
  readonly kind: 'window';
  readonly window: number;
  readonly sinks: number;
}

export type CachePolicy = DmsPolicy | DensePolicy | WindowPolicy;
