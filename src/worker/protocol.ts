/** What crosses between page and worker. Types, and the two ways of an error; nothing here does any work. */
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type {
  ChatChunk,
  ChatMessage,
  ChatRequest,
  EngineInfo,
  EngineOptions,
  LoadProgress,
  Retention,
  SnapshotFile,
} from '../engine/api.ts';
import type { FoundModel } from '../engine/find_model.ts';

/** The engine's options that can be cloned, with the model as it was found. */
export type WireOptions = FoundModel & Pick<EngineOptions, 'weights' | 'device' | 'cache'>;

/** An error with the fields by which a page chooses its words: fault, remedy, reason, param, status and the like. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | null>>;
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: WireError };

/** From the worker, through the port of one request. */
export type ChatEvent =
  | { readonly type: 'chunk'; readonly chunk: ChatChunk }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: WireError };

/** To the worker, through the port of one request: stop the answer. */
export interface ChatAbort {
  readonly type: 'abort';
}

/** What the worker exposes. No method throws: errors are values, since comlink would strip their fields. */
export interface EngineHost {
  load(options: WireOptions, onProgress: (progress: LoadProgress) => void): Promise<Outcome<EngineInfo>>;
  /** Starts a request; a failure here is one of the request itself. Chunks go through the port. */
  chat(request: ChatRequest, port: MessagePort): Promise<Outcome<null>>;
  occupancy(): Promise<Outcome<Occupancy>>;
  setPolicy(policy: CachePolicy): Promise<Outcome<null>>;
  countTokens(messages: readonly ChatMessage[]): Promise<Outcome<number>>;
  retention(): Promise<Outcome<Retention>>;
  /** The bytes are handed over, both ways: the sender's are gone. */
  snapshot(): Promise<Outcome<Uint8Array<ArrayBuffer>>>;
  restore(snapshot: Uint8Array): Promise<Outcome<null>>;
  saveSnapshot(name: string): Promise<Outcome<{ readonly bytes: number }>>;
  restoreSnapshot(name: string): Promise<Outcome<boolean>>;
  removeSnapshot(name: string): Promise<Outcome<null>>;
  listSnapshots(): Promise<Outcome<readonly SnapshotFile[]>>;
  reset(): Promise<Outcome<null>>;
  /** Resolves when the device is gone. */
  lost(): Promise<string>;
  destroy(): Promise<Outcome<null>>;
}

/** An error as plain data. */
export function packError(cause: unknown): WireError {
  if (!(cause instanceof Error)) return { name: 'Error', message: String(cause), fields: {} };
  const fields: Record<string, string | number | null> = {};
  for (const [key, value] of Object.entries(cause)) {
    if (typeof value === 'string' || typeof value === 'number' || value === null) fields[key] = value;
  }
  return { name: cause.name, message: cause.message, fields };
}

/** The error again: same name, message and fields. Its class is plain `Error`, so look at `name`. */
export function unpackError({ name, message, fields }: WireError): Error {
  return Object.assign(new Error(message), fields, { name });
}
