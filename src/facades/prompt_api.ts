/**
 * A `LanguageModel` in the shape of the Prompt API (a WebML Community Group report), over an engine: pages written for
 * a browser's own model run on any model of ours. What it cannot do, such as images or constrained answers, is refused
 * with the exceptions that the report names.
 */
import type { Engine, LoadProgress } from '../engine/api.ts';
import { DEFAULT_SAMPLING } from '../engine/request.ts';
import { isKept } from '../worker/kept_models.ts';
import { type EngineSource, engineMaker } from './engine_source.ts';
import { initialMessages, type Prompt, refuse } from './prompt_messages.ts';
import { LanguageModelSession, type SessionOptions } from './prompt_session.ts';

export type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available';

export interface CreateOptions extends SessionOptions {
  readonly initialPrompts?: readonly Prompt[];
  readonly signal?: AbortSignal;
  /** Is given a target whose `downloadprogress` events have `loaded` from 0 to 1. */
  readonly monitor?: (monitor: EventTarget) => void;
  /** Texts alone are understood; anything else is refused. */
  readonly expectedInputs?: readonly { readonly type: string; readonly languages?: readonly string[] }[];
  readonly expectedOutputs?: readonly { readonly type: string; readonly languages?: readonly string[] }[];
  readonly tools?: readonly unknown[];
}

/** Event of a monitor. */
export class DownloadProgressEvent extends Event {
  readonly lengthComputable = true;
  readonly total = 1;
  /** @param loaded share of the model's bytes, 0 to 1 */
  constructor(readonly loaded: number) {
    super('downloadprogress');
  }
}

/** What a page calls `LanguageModel`. */
export interface LanguageModelApi {
  availability(options?: CreateOptions): Promise<Availability>;
  /** Temperature and top-k where none is given, and the most that may be; a top-k of 0 is no limit. */
  params(): Promise<{ defaultTopK: number; maxTopK: number; defaultTemperature: number; maxTemperature: number }>;
  /** @throws DOMException NotSupportedError, AbortError; the errors of loading */
  create(options?: CreateOptions): Promise<LanguageModelSession>;
}

/**
 * @param source the engine, how to make it, or what `createEngine` takes. One that is made here is destroyed with its
 *   last session
 */
export function promptApi(source: EngineSource): LanguageModelApi {
  return new Models(source);
}

class Models implements LanguageModelApi {
  readonly #source: EngineSource;
  #engine: Promise<Engine> | null = null;
  #loaded = false;
  #sessions = 0;
  readonly #monitors = new Set<EventTarget>();

  constructor(source: EngineSource) {
    this.#source = source;
  }

  async availability(options: CreateOptions = {}): Promise<Availability> {
    if (unsupported(options) !== null) return 'unavailable';
    if (this.#loaded) return 'available';
    if (this.#engine) return 'downloading';
    const source = this.#source;
    if (typeof source === 'function') return 'downloadable';
    if ('chat' in source || 'baseURL' in source || typeof source.model !== 'string') return 'available';
    if (!globalThis.navigator?.gpu) return 'unavailable';
    return (await isKept(source.model)) ? 'available' : 'downloadable';
  }

  async params() {
    const { temperature, topK } = DEFAULT_SAMPLING;
    return { defaultTopK: topK, maxTopK: 0xffff_ffff, defaultTemperature: temperature, maxTemperature: 2 };
  }

  async create(options: CreateOptions = {}): Promise<LanguageModelSession> {
    const { initialPrompts = [], signal, monitor } = options;
    signal?.throwIfAborted();
    const wrong = unsupported(options);
    if (wrong !== null) throw refuse(wrong);
    const messages = initialMessages(initialPrompts);
    const target = new EventTarget();
    monitor?.(target);
    const leave = this.#join();
    this.#monitors.add(target);
    try {
      const engine = await withSignal(this.#open(), signal);
      target.dispatchEvent(new DownloadProgressEvent(1));
      const parts = { engine, messages, options, join: () => this.#join() };
      return await LanguageModelSession.open(parts, leave);
    } catch (cause) {
      leave();
      throw cause;
    } finally {
      this.#monitors.delete(target);
    }
  }

  #open(): Promise<Engine> {
    const source = this.#source;
    const watched =
      typeof source === 'function' || 'chat' in source
        ? source
        : { ...source, onProgress: (progress: LoadProgress) => this.#tell(progress) };
    this.#engine ??= engineMaker(watched)().then(
      (engine) => {
        this.#loaded = true;
        return engine;
      },
      (cause: unknown) => {
        this.#engine = null;
        throw cause;
      },
    );
    return this.#engine;
  }

  #tell({ stage, done, total }: LoadProgress): void {
    if (stage !== 'download' || total === 0) return;
    for (const target of this.#monitors) target.dispatchEvent(new DownloadProgressEvent(Math.min(1, done / total)));
  }

  /** Counts a session; what it returns is called once when the session ends. */
  #join(): () => void {
    this.#sessions++;
    return () => this.#leave();
  }

  #leave(): void {
    if (--this.#sessions > 0 || typeof this.#source === 'function' || 'chat' in this.#source) return;
    const engine = this.#engine;
    this.#engine = null;
    this.#loaded = false;
    void engine?.then((made) => made.destroy()).catch(() => undefined);
  }
}

/** What a session was asked to be and cannot; null when all is well. */
function unsupported({ expectedInputs = [], expectedOutputs = [], tools = [] }: CreateOptions): string | null {
  const other = [...expectedInputs, ...expectedOutputs].find(({ type }) => type !== 'text');
  if (other) return `${other.type} is not supported, only text.`;
  return tools.length > 0 ? 'Tools are not supported.' : null;
}

/** The engine, unless the signal comes first: it goes on loading for whoever else waits. */
function withSignal<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
