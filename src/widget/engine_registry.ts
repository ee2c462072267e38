/**
 * Engines that several widgets of one page share: the same model under the same policy and context is loaded once, and
 * goes when its last user does. Requests wait for each other in the engine itself; every widget sends its conversation
 * whole, so the engine reads again what another's conversation pushed out of its cache. It knows no element.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import type { ChatRequest, Completions, Engine, EngineOptions, LoadProgress, RequestOptions } from '../engine/api.ts';

type CreateEngine = (options: EngineOptions) => Promise<Engine>;
type Listener = (progress: LoadProgress) => void;

/** One engine, loading or loaded, and who uses it. */
interface Entry {
  readonly key: string;
  readonly engine: Promise<Engine>;
  readonly abort: AbortController;
  readonly listeners: Set<Listener>;
  progress: LoadProgress | null;
  users: number;
  /** Whose conversation is in the cache. */
  owner: SharedEngine | null;
}

/** What makes two widgets share: everything that an engine is made of. */
function keyOf({ model, weights, device, cache }: EngineOptions): string {
  return JSON.stringify([model, weights, device, cache]);
}

export class EngineRegistry {
  readonly #create: CreateEngine;
  readonly #entries = new Map<string, Entry>();

  constructor(create: CreateEngine) {
    this.#create = create;
  }

  /** True when such an engine is there or on its way, so that nothing more would be downloaded for it. */
  has(options: EngineOptions): boolean {
    return this.#entries.has(keyOf(options));
  }

  /**
   * A share in the engine of these options, which is loaded for the first who asks. `destroy` gives the share back; the
   * engine ends with its last share. The signal gives up this share alone.
   * @throws as `createEngine` does; the signal's reason when it fires
   */
  async share(options: EngineOptions): Promise<Engine> {
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const entry = this.#entries.get(keyOf(options)) ?? this.#load(options);
    entry.users++;
    if (onProgress) {
      entry.listeners.add(onProgress);
      if (entry.progress) onProgress(entry.progress);
    }
    let cancel = (): void => {};
    const cancelled = new Promise<never>((_, reject) => {
      cancel = () => reject(signal?.reason);
    });
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const engine = await Promise.race([entry.engine, cancelled]);
      const form = await engine.occupancy();
      return new SharedEngine(engine, entry, { form, release: () => this.#release(entry) });
    } catch (cause) {
      void this.#release(entry);
      throw cause;
    } finally {
      signal?.removeEventListener('abort', cancel);
      if (onProgress) entry.listeners.delete(onProgress);
    }
  }

  #load(options: EngineOptions): Entry {
    const abort = new AbortController();
    const listeners = new Set<Listener>();
    const onProgress = (progress: LoadProgress): void => {
      entry.progress = progress;
      for (const listener of listeners) listener(progress);
    };
    const engine = this.#create({ ...options, onProgress, signal: abort.signal });
    const entry: Entry = { key: keyOf(options), engine, abort, listeners, progress: null, users: 0, owner: null };
    this.#entries.set(entry.key, entry);
    // Whoever asks after a failure or a loss gets a new engine.
    const forget = (): void => this.#forget(entry);
    engine.then(({ lost }) => lost.then(forget, forget), forget);
    return entry;
  }

  async #release(entry: Entry): Promise<void> {
    entry.users--;
    if (entry.users > 0) return;
    this.#forget(entry);
    entry.abort.abort();
    // A load that failed or was given up left nothing to end.
    const engine = await entry.engine.catch(() => null);
    await engine?.destroy();
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
  }
}

interface Share {
  /** What the cache is like; whose conversation it holds does not matter. */
  readonly form: Occupancy;
  readonly release: () => Promise<void>;
}

/** One widget's share in an engine: it looks like an engine of its own. */
class SharedEngine implements Engine {
  readonly info: Engine['info'];
  readonly chat: Engine['chat'];
  readonly lost: Promise<string>;
  readonly snapshots: Engine['snapshots'];
  readonly #engine: Engine;
  readonly #entry: Entry;
  readonly #giveBack: () => Promise<void>;
  #destroyed = false;
  /** The cache after this share's last token. */
  #occupancy: Occupancy;

  constructor(engine: Engine, entry: Entry, share: Share) {
    this.#engine = engine;
    this.#entry = entry;
    this.#giveBack = share.release;
    const live = new Uint32Array(share.form.live.length);
    this.#occupancy = { ...share.form, live, tokensSeen: 0, liveBytes: 0, denseBytes: 0, ratio: 1 };
    this.info = engine.info;
    this.lost = engine.lost;
    this.snapshots = engine.snapshots;
    const create = (request: ChatRequest, options?: RequestOptions): Promise<unknown> => {
      this.#entry.owner = this;
      return engine.chat.completions.create(request, options);
    };
    this.chat = { completions: { create } as Completions };
  }

  /** Of this share's own conversation, as it was when it was last in the cache. */
  async occupancy(): Promise<Occupancy> {
    if (this.#entry.owner !== this) return this.#occupancy;
    const occupancy = await this.#engine.occupancy();
    if (this.#entry.owner === this) this.#occupancy = occupancy;
    return this.#occupancy;
  }

  /** Refused: another widget may be in the midst of an answer. */
  setPolicy(): Promise<void> {
    return Promise.reject(new Error('A shared engine keeps its policy. Ask for an engine of another policy instead.'));
  }

  countTokens(messages: Parameters<Engine['countTokens']>[0]): Promise<number> {
    return this.#engine.countTokens(messages);
  }

  retention(): ReturnType<Engine['retention']> {
    return this.#engine.retention();
  }

  snapshot(): ReturnType<Engine['snapshot']> {
    return this.#engine.snapshot();
  }

  async restore(snapshot: Uint8Array): Promise<void> {
    this.#entry.owner = this;
    await this.#engine.restore(snapshot);
  }

  /** Forgets this share's conversation; another's stays in the cache. */
  async reset(): Promise<void> {
    if (this.#entry.owner === this) await this.#engine.reset();
  }

  /** Gives the share back. */
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    if (this.#entry.owner === this) this.#entry.owner = null;
    await this.#giveBack();
  }
}
