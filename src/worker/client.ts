/**
 * The engine as a page uses it: the same interface as in the worker, with streams, signals and errors carried across.
 * It starts one worker an engine and ends it with the engine; it computes nothing.
 */
import { type Endpoint, proxy, type Remote, transfer, wrap } from 'comlink';
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type {
  ChatChunk,
  ChatMessage,
  ChatRequest,
  Engine,
  EngineInfo,
  EngineOptions,
  RequestOptions,
  Retention,
  ServerOptions,
  Snapshots,
} from '../engine/api.ts';
import { Channel } from '../engine/channel.ts';
import { ChatCompletions } from '../engine/completions.ts';
import { findModel } from '../engine/find_model.ts';
import { keptDownloads } from '../store/opfs_disk.ts';
import { type ChatAbort, type ChatEvent, type EngineHost, type Outcome, unpackError } from './protocol.ts';
import { startWorker } from './start_worker.ts';

/** The thread at the other end of an endpoint. */
export interface Thread {
  readonly endpoint: Endpoint;
  /** Rejects when the thread dies by itself. */
  readonly crashed: Promise<never>;
  terminate(): void;
}

/**
 * Loads a model in a worker, or, given a `baseURL`, speaks to a server.
 * @throws ServerError (url, status) for a server; for a model the errors of loading, by `name`: DeviceError (fault,
 *   remedy), HubError (repo, reason), DownloadError (url, status), FormatError, UnsupportedModelError, TextError,
 *   PolicyError; the signal's reason when it fires
 */
export async function createEngine(options: EngineOptions | ServerOptions): Promise<Engine> {
  options.signal?.throwIfAborted();
  if ('baseURL' in options) {
    // Few pages want it, so that it is loaded when one does.
    const { createServerEngine } = await import('../engine/server_engine.ts');
    return createServerEngine(options);
  }
  return connectEngine(startThread(), options);
}

function startThread(): Thread {
  const worker = startWorker();
  const crashed = new Promise<never>((_, reject) => {
    worker.addEventListener('error', (event) => {
      // Without this the page logs the same error once more.
      event.preventDefault();
      const words = event.message || 'its script could not be loaded';
      reject(new Error(`The engine's worker stopped: ${words}. Reload the page.`));
    });
  });
  return { endpoint: worker, crashed, terminate: () => worker.terminate() };
}

/** Loads a model at the other end of an endpoint where a host is exposed; ends the thread when that fails. */
export async function connectEngine(thread: Thread, options: EngineOptions): Promise<Engine> {
  const { model, weights, device, cache, onProgress, signal } = options;
  const host = wrap<EngineHost>(thread.endpoint);
  thread.crashed.catch(() => undefined);
  let cancel = (): void => {};
  const cancelled = new Promise<never>((_, reject) => {
    cancel = () => reject(signal?.reason);
  });
  signal?.addEventListener('abort', cancel, { once: true });
  let loading = true;
  const report = proxy((progress: Parameters<NonNullable<typeof onProgress>>[0]) => {
    if (loading && progress.stage !== 'ready') onProgress?.(progress);
  });
  try {
    const found = findModel(model, { signal, disk: keptDownloads });
    const wire = {
      ...(await Promise.race([found, cancelled, thread.crashed])),
      ...(weights ? { weights } : {}),
      ...(device ? { device } : {}),
      ...(cache ? { cache } : {}),
    };
    const loaded = await Promise.race([host.load(wire, report), cancelled, thread.crashed]);
    const engine = new RemoteEngine(thread, host, resultOf(loaded));
    // The worker's own word may come after its result: they take different ports.
    onProgress?.({ stage: 'ready', done: 1, total: 1 });
    return engine;
  } catch (cause) {
    thread.terminate();
    throw cause;
  } finally {
    loading = false;
    signal?.removeEventListener('abort', cancel);
  }
}

function resultOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw unpackError(outcome.error);
}

class RemoteEngine implements Engine {
  readonly info: EngineInfo;
  readonly chat = { completions: new ChatCompletions((request, options) => this.#start(request, options)) };
  readonly lost: Promise<string>;
  readonly snapshots: Snapshots = {
    save: (name) => this.#ask(() => this.#host.saveSnapshot(name)),
    restore: (name) => this.#ask(() => this.#host.restoreSnapshot(name)),
    remove: async (name) => {
      await this.#ask(() => this.#host.removeSnapshot(name));
    },
    list: () => this.#ask(() => this.#host.listSnapshots()),
  };
  readonly #thread: Thread;
  readonly #host: Remote<EngineHost>;
  readonly #streams = new Set<Channel<ChatChunk>>();
  /** Why nothing more can be asked. */
  #gone: Error | null = null;
  #end: (cause: Error) => void = () => {};
  /** Rejects when the thread is gone: its answers would never come. */
  readonly #ended: Promise<never>;

  constructor(thread: Thread, host: Remote<EngineHost>, info: EngineInfo) {
    this.info = info;
    this.#thread = thread;
    this.#host = host;
    this.#ended = new Promise<never>((_, reject) => {
      this.#end = (cause) => {
        this.#gone ??= cause;
        for (const stream of this.#streams) stream.fail(cause);
        this.#streams.clear();
        reject(cause);
      };
    });
    this.#ended.catch(() => undefined);
    const crash = thread.crashed.catch((cause: Error) => {
      this.#end(cause);
      return cause.message;
    });
    this.lost = Promise.race([host.lost(), crash]);
  }

  occupancy(): Promise<Occupancy> {
    return this.#ask(() => this.#host.occupancy());
  }

  async setPolicy(policy: CachePolicy): Promise<void> {
    await this.#ask(() => this.#host.setPolicy(policy));
  }

  countTokens(messages: readonly ChatMessage[]): Promise<number> {
    return this.#ask(() => this.#host.countTokens(messages));
  }

  retention(): Promise<Retention> {
    return this.#ask(() => this.#host.retention());
  }

  snapshot(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#ask(() => this.#host.snapshot());
  }

  async restore(snapshot: Uint8Array): Promise<void> {
    // The caller keeps its bytes: what is handed over is a copy.
    const bytes = snapshot.slice();
    await this.#ask(() => this.#host.restore(transfer(bytes, [bytes.buffer])));
  }

  async reset(): Promise<void> {
    await this.#ask(() => this.#host.reset());
  }

  async destroy(): Promise<void> {
    if (!this.#gone) await this.#ask(() => this.#host.destroy());
    this.#end(new Error('The engine was destroyed; create another.'));
    this.#thread.terminate();
  }

  async #ask<T>(call: () => Promise<Outcome<T>>): Promise<T> {
    if (this.#gone) throw this.#gone;
    return resultOf(await Promise.race([call(), this.#ended]));
  }

  async #start(request: ChatRequest, { signal }: RequestOptions): Promise<AsyncIterable<ChatChunk>> {
    const { port1, port2 } = new MessageChannel();
    const message: ChatAbort = { type: 'abort' };
    const abort = (): void => port1.postMessage(message);
    const channel = new Channel<ChatChunk>(abort);
    const finish = (): void => {
      signal?.removeEventListener('abort', abort);
      this.#streams.delete(channel);
      port1.close();
    };
    port1.onmessage = ({ data }: MessageEvent<ChatEvent>) => {
      if (data.type === 'chunk') return channel.push(data.chunk);
      if (data.type === 'end') channel.close();
      else channel.fail(unpackError(data.error));
      finish();
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    this.#streams.add(channel);
    try {
      await this.#ask(() => this.#host.chat(request, transfer(port2, [port2])));
    } catch (cause) {
      finish();
      throw cause;
    }
    return channel;
  }
}
