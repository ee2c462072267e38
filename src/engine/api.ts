/**
 * The public shape of the engine, the same in a page (behind a worker), in Node and in tests. Chat completions follow
 * OpenAI's field names; what Lethe adds stands under `lethe`. It refuses what it does not know, by name.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { QualityPoint } from '../formats/manifest.ts';
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
  /**
   * Address of a model folder or of a GGUF file; a repository of the Hugging Face hub, as `hf:owner/name`, with
   * `@revision` and `/file.gguf` where they are meant, or by the address of its page; or files that a person chose.
   */
  readonly model: string | readonly File[];
  /**
   * How weights are held. `native`: as the file has them (BF16 in 32 bits). `w8`, `w4`: matrices of 16 or 32 bits are
   * rounded to 8 or 4 while they come, quantised ones stay. Default: native for GGUF, w8 for safetensors.
   */
  readonly weights?: 'native' | 'w8' | 'w4';
  readonly device?: DeviceOptions;
  readonly cache?: CacheOptions;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** An OpenAI-compatible server in the place of a model here. */
export interface ServerOptions {
  /** Absolute address that `chat/completions` stands below; it usually ends in `/v1`. */
  readonly baseURL: string;
  /** Sent as a bearer token, to this server alone. */
  readonly apiKey?: string;
  /** Name of one of the server's models; may be left out where it has only one. */
  readonly model?: string;
  /** Sent with every request besides. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** A call that a model asked for in an earlier answer, as a client read it from there. */
export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A function that the model is told of. */
export interface ToolDescription {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description?: string; readonly parameters?: object };
}

export interface ChatMessage {
  /** `tool`: what a call gave back. */
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** An assistant's, for chat templates that know tools. */
  readonly tool_calls?: readonly ToolCall[];
  /** Which call a tool's message answers. */
  readonly tool_call_id?: string;
  /** What an assistant thought before this answer. The chat template decides whether the model sees it again. */
  readonly reasoning_content?: string;
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
  /**
   * Put into the prompt by the model's chat template; refused where it knows none. A call comes as the model writes it,
   * in the text of the answer.
   */
  readonly tools?: readonly ToolDescription[];
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
  /** Tokens of the thought among those of the completion, where a server counts them. */
  readonly completion_tokens_details?: { readonly reasoning_tokens: number };
  /** The cache's figures after the last token; null from a server. */
  readonly kv: { readonly bytes: number; readonly dense_bytes: number; readonly ratio: number } | null;
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
  /** One. Not readonly, so that OpenAI's own types accept it. */
  readonly choices: [
    {
      readonly index: 0;
      readonly message: {
        readonly role: 'assistant';
        readonly content: string;
        /** What the model thought before it answered, without tags; absent where it did not. */
        readonly reasoning_content?: string;
        readonly refusal: null;
      };
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
  readonly choices: {
    readonly index: 0;
    readonly delta: {
      readonly role?: 'assistant';
      readonly content?: string;
      readonly reasoning_content?: string;
    };
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
  /**
   * Most tokens of a chat: what `cache.context` asked for, and no more than the model's own. Of a model with a sliding
   * window that is the window: full attention, which is what is computed, is the same so far. Infinite where a server
   * does not say.
   */
  readonly context: number;
  /** What each eviction offset was measured to give, by rising offset; null where nobody measured. */
  readonly quality: readonly QualityPoint[] | null;
  readonly adapter: { readonly vendor: string; readonly architecture: string; readonly description: string };
  readonly f16: boolean;
  readonly subgroups: boolean;
  /**
   * Address of the server that the model runs at, null for one that runs here. Of a server's model the facts are 0, its
   * context length infinite unless the server says it.
   */
  readonly server: string | null;
}

/** For each token in the cache, dropped ones included, who still holds it. */
export interface Retention {
  readonly tokensSeen: number;
  readonly layers: number;
  readonly kvHeads: number;
  /** Shape [tokensSeen]: pairs of layer and KV head that hold the token, at most layers * kvHeads. */
  readonly holders: Uint16Array;
  /** Shape [tokensSeen, layers]: KV heads of the layer that hold the token. */
  readonly perLayer: Uint8Array;
  /** Shape [tokensSeen]: the token's text; joined, the chat as the model reads it, special tokens included. */
  readonly text: readonly string[];
  /**
   * Shape [tokensSeen]: index of the message that the token belongs to, -1 for text of the chat template. The answer to
   * the last request has the index that its message gets when it is sent back.
   */
  readonly messages: Int32Array;
}

/** A saved memory. */
export interface SnapshotFile {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** Memories saved by name, in the browser's private file system; in Node where the engine was told to keep them. */
export interface Snapshots {
  /** Saves the conversation in the cache, in the place of one of that name. */
  save(name: string): Promise<{ readonly bytes: number }>;
  /** False when there is none of that name. @throws SnapshotError as `Engine.restore` does */
  restore(name: string): Promise<boolean>;
  /** Does nothing when there is none. */
  remove(name: string): Promise<void>;
  list(): Promise<readonly SnapshotFile[]>;
}

/** A model that runs here, or one at a server: then all but chats is refused with a NotOnServerError. */
export interface Engine {
  readonly info: EngineInfo;
  readonly chat: { readonly completions: Completions };
  /** The cache now. */
  occupancy(): Promise<Occupancy>;
  /** Changes the cache policy; the next completion reads its messages anew under it. */
  setPolicy(policy: CachePolicy): Promise<void>;
  /** Tokens of a request with these messages, as `usage.prompt_tokens` would count them now. */
  countTokens(messages: readonly ChatMessage[]): Promise<number>;
  /** Which heads hold which token. Waits for requests under way. */
  retention(): Promise<Retention>;
  /** The conversation in the cache, live slots only, as one file. Waits for requests under way. */
  snapshot(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Puts a snapshot in the place of the conversation in the cache: the next request that extends it reads only what is
   * new. What was in the cache stays when it throws.
   * @throws SnapshotError (`reason`) for another model, policy, format or version, and for a file that is damaged;
   *   CacheFullError when it does not fit
   */
  restore(snapshot: Uint8Array): Promise<void>;
  readonly snapshots: Snapshots;
  /** Forgets the conversation in the cache. */
  reset(): Promise<void>;
  /** Resolves when the graphics device is gone, with words for the reader. */
  readonly lost: Promise<string>;
  destroy(): Promise<void>;
}
