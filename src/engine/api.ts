/**
 * The public shape of the engine, the same in a page (behind a worker), in Node and in tests. Chat completions follow
 * OpenAI's field names; what Lethe adds stands under `lethe`. It refuses what it does not know, by name.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { ModelFacts } from '../model/session_types.ts';

/** Where loading stands. `download` counts bytes, `upload` bytes, `compile` kernels. */
export interface LoadProgress {
  readonly stage: 'download' | 'upload' | 'compile' | 'ready';
  readonly done: number;
  readonly total: number;
}

export interface CacheOptions {
  readonly policy?: CachePolicy;
  readonly kv?: 'int8' | 'f16' | 'f32';
  /** Most tokens of a chat; default the model's. */
  readonly context?: number;
  /** Most bytes that the cache's buffers may take. */
  readonly budgetBytes?: number;
}

export interface DeviceOptions {
  readonly f16?: boolean;
  readonly subgroups?: boolean;
  readonly powerPreference?: 'low-power' | 'high-performance';
  /** int8 activations (default) or f32. */
  readonly activations?: 'int8' | 'f32';
}

export interface EngineOptions {
  /** Address of a model folder or of a GGUF file, or files that a person chose. */
  readonly model: string | readonly File[];
  readonly device?: DeviceOptions;
  readonly cache?: CacheOptions;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** Every field that is accepted; any other is refused by name. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly stream?: boolean;
  /** With `stream`, a last chunk that carries the usage. */
  readonly stream_options?: { readonly include_usage?: boolean };
  /** Ignored when equal to the loaded model's name; any other name is refused. */
  readonly model?: string;
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly min_p?: number;
  readonly repetition_penalty?: number;
  readonly seed?: number;
  readonly stop?: string | readonly string[];
}

/** Tokens/s and times of one completion. */
export interface Speed {
  /** Milliseconds from the call to the first token. */
  readonly ttft_ms: number;
  readonly prefillTokens: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  /** Prompt tokens that were in the cache already and were not read again. */
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  /** The cache's figures after the last token. */
  readonly kv: { readonly bytes: number; readonly dense_bytes: number; readonly ratio: number };
}

export type FinishReason = 'stop' | 'length';

/** What Lethe adds to a completion or a chunk. */
export interface LetheExtra {
  readonly occupancy?: Occupancy;
  readonly speed?: Speed;
  /** Prompt tokens read so far, in chunks sent while a long prompt is being read. */
  readonly prefill?: { readonly done: number; readonly total: number };
  /** True when the signal ended the answer. */
  readonly aborted?: boolean;
}

export interface ChatCompletion {
  readonly id: string;
  readonly object: 'chat.completion';
  readonly created: number;
  readonly model: string;
  readonly choices: readonly [
    {
      readonly index: 0;
      readonly message: { readonly role: 'assistant'; readonly content: string; readonly refusal: null };
      readonly finish_reason: FinishReason;
      readonly logprobs: null;
    },
  ];
  readonly usage: Usage;
  readonly lethe: LetheExtra;
}

export interface ChatChunk {
  readonly id: string;
  readonly object: 'chat.completion.chunk';
  readonly created: number;
  readonly model: string;
  /** Empty in the usage chunk. */
  readonly choices: readonly {
    readonly index: 0;
    readonly delta: { readonly role?: 'assistant'; readonly content?: string };
    readonly finish_reason: FinishReason | null;
    readonly logprobs: null;
  }[];
  readonly usage?: Usage | null;
  readonly lethe?: LetheExtra;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
}

export interface Completions {
  create(request: ChatRequest & { readonly stream: true }, options?: RequestOptions): Promise<AsyncIterable<ChatChunk>>;
  create(request: ChatRequest & { readonly stream?: false }, options?: RequestOptions): Promise<ChatCompletion>;
  create(request: ChatRequest, options?: RequestOptions): Promise<ChatCompletion | AsyncIterable<ChatChunk>>;
}

/** What is known once a model is loaded. */
export interface EngineInfo {
  readonly modelName: string;
  readonly license: string | null;
  readonly modelBytes: number;
  readonly facts: ModelFacts;
  readonly adapter: { readonly vendor: string; readonly architecture: string; readonly description: string };
  readonly f16: boolean;
  readonly subgroups: boolean;
}

export interface Engine {
  readonly info: EngineInfo;
  readonly chat: { readonly completions: Completions };
  /** The cache now. */
  occupancy(): Promise<Occupancy>;
  /** Changes the cache policy; the next completion reads its messages anew under it. */
  setPolicy(policy: CachePolicy): Promise<void>;
  /** Forgets the conversation in the cache. */
  reset(): Promise<void>;
  /** Resolves when the graphics device is gone, with words for the reader. */
  readonly lost: Promise<string>;
  destroy(): Promise<void>;
}
