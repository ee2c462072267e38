/** What a loaded model offers to the engine above it. No GPU type appears here. */
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { Sampling } from '../kernels/sample.ts';

export type { Sampling };

export interface SessionOptions {
  /** Default: `dms` when the model was retrofitted, else `dense`. */
  readonly policy?: CachePolicy;
  /** Storage of keys and values; default int8. */
  readonly kv?: 'int8' | 'f16' | 'f32';
  /** Most tokens a chat may hold; default the model's context length. */
  readonly context?: number;
  /** Bytes that the cache's buffers may take; default without limit. Reaching it is a CacheFullError. */
  readonly budgetBytes?: number;
  /** Most tokens of one prefill chunk. */
  readonly chunk?: number;
  /** Stops the loading of weights that the policy needs and no session had before. */
  readonly signal?: AbortSignal;
}

export interface PrefillOptions {
  /** Called with the number of tokens read so far of this call. */
  readonly onProgress?: (done: number) => void;
  /** Stops between chunks: rejects with the signal's reason; the tokens read so far stay in the cache. */
  readonly signal?: AbortSignal;
}

export interface GenerateOptions {
  readonly sampling: Sampling;
  /** Most tokens to yield. */
  readonly maxTokens: number;
  /** A token of these ends the generation; it is yielded last and is not fed to the cache. */
  readonly stopTokens: readonly number[];
  /** No further step is started once it fires; tokens of steps already under way (at most two) are still yielded. */
  readonly signal?: AbortSignal;
}

/** One conversation's cache with the model that reads it. Calls may not overlap. */
export interface Session {
  /** Tokens in the cache. */
  readonly position: number;
  /** Most tokens that the session may hold. */
  readonly context: number;
  /** Reads tokens, in chunks. A token sampled last and not yet fed is fed first. */
  prefill(ids: readonly number[], options?: PrefillOptions): Promise<void>;
  /** Yields tokens after at least one prefill. Throws CacheFullError, after yielding what came before it. */
  generate(options: GenerateOptions): AsyncGenerator<number, void>;
  occupancy(): Occupancy;
  /** Forgets everything. */
  reset(): void;
  destroy(): void;
}

/** The facts of a model that the page shows and the engine needs. */
export interface ModelFacts {
  readonly architecture: string;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly contextLength: number;
  /** Bytes of the weights that the model was loaded with. Those of another policy may join them later. */
  readonly weightBytes: number;
  /** Null when the checkpoint was not retrofitted: then only `dense` and `window` are possible. */
  readonly dms: { readonly variant: 'borrow' | 'adapter'; readonly window: number; readonly offset: number } | null;
}

/** Weights on the GPU. */
export interface LoadedModel {
  readonly facts: ModelFacts;
  /** Loads weights where the policy has its own. @throws PolicyError when `dms` is asked of a model that has none. */
  createSession(options?: SessionOptions): Promise<Session>;
  destroy(): void;
}
