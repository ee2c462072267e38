/** Which tokens the cache keeps. Plain values: they cross from the page to the worker. */

/** Trained eviction as the checkpoint learned it. */
export interface DmsPolicy {
  readonly kind: 'dms';
  /** In place of the checkpoint's: smaller evicts more. */
  readonly offset?: number;
  /**
   * Recent tokens that no head gives up, besides the newest; at least 1. By default what the model's measured curve
   * (`EngineInfo.quality`) has for the offset, else the checkpoint's.
   */
  readonly window?: number;
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
