/** What a loaded model offers to the engine above it. No GPU type appears here. */
import type { CacheState } from '../cache/cache_state.ts';
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { KvFormat } from '../kernels/kv_layout.ts';
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

/** What a saved state depends on: it may be restored into a session whose form says the same. */
export interface SessionForm {
  /** SHA-256, in hexadecimal, of the model's settings and of samples of the weights that the session uses. */
  readonly model: string;
  readonly kv: KvFormat;
  /** With the checkpoint's own offset where none was asked for. */
  readonly policy: CachePolicy;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Entries of a head's ring: w + 1. */
  readonly ringSize: number;
  readonly vocabSize: number;
}

/** A session between two calls. */
export interface SessionState {
  readonly cache: CacheState;
  /** A token that was chosen last and not yet fed. */
  readonly pending: number | null;
  /** f32 [vocab]: those of the last token read, where none was chosen from them. */
  readonly logits: Float32Array<ArrayBuffer> | null;
  /** u32 [ceil(vocab / 32)]: a bit for each token of the context, for the repetition penalty. */
  readonly seen: Uint32Array<ArrayBuffer>;
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
  form(): Promise<SessionForm>;
  /** Reads everything back that is needed to go on from here. */
  save(): Promise<SessionState>;
  /**
   * Puts a saved state, of a session of the same form, in the place of the present one.
   * @throws CacheFullError, and then nothing has changed
   */
  restore(state: SessionState): Promise<void>;
  /** [layers * kvHeads, ceil(position / 32)]: a bit for each token of the cache, set where the head dropped it. */
  dropped(): Promise<Uint32Array<ArrayBuffer>>;
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
  /** Most tokens that a chat may have: what the model was trained for, and no more than a sliding window of its. */
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
