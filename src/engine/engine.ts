/**
 * The engine where the GPU is: in the worker of a page, in Node, in tests. One model, one session, requests one after
 * another. It owns no files and no thread; it refuses work after the device was lost or the engine destroyed.
 */
import { CacheFullError } from '../cache/errors.ts';
import type { Occupancy } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { ModelFiles } from '../formats/model_folder.ts';
import type { Gpu } from '../gpu/device.ts';
import type { GpuModel } from '../model/load.ts';
import type { Session } from '../model/session_types.ts';
import { type FileKeeper, memoryKeeper } from '../store/kept_files.ts';
import { TextError } from '../text/errors.ts';
import type {
  CacheOptions,
  ChatChunk,
  ChatMessage,
  ChatRequest,
  Engine,
  EngineInfo,
  LetheExtra,
  LoadProgress,
  RequestOptions,
  Retention,
  Snapshots,
  Usage,
} from './api.ts';
import { Channel } from './channel.ts';
import { ChatText } from './chat_text.ts';
import { ChatCompletions, ChunkBuilder, type StartChat } from './completions.ts';
import { Conversation } from './conversation.ts';
import { RequestError, SnapshotError } from './errors.ts';
import { type Answer, answer } from './generation.ts';
import { type LoadLocalOptions, loadLocal } from './load_local.ts';
import { measuredPolicy } from './measured_policy.ts';
import { type ChatSettings, readMessages, readRequest } from './request.ts';
import { retentionOf } from './retention.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';

export interface LocalEngineOptions extends Pick<LoadLocalOptions, 'gpu' | 'files' | 'device' | 'weights' | 'signal'> {
  readonly cache?: CacheOptions;
  /** Where `snapshots` are kept; default in memory. */
  readonly keeper?: FileKeeper;
  /** Stages `upload`, `compile` and `ready`; whoever opened the files knows of `download`. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** An engine at hand, which can also give a completion's chunks whichever way was asked: for a host to send on. */
export interface EngineAtHand extends Engine {
  readonly start: StartChat;
}

/** The occupancy travels with chunks, at most this often. */
const OCCUPANCY_EVERY_MS = 200;

/** Failures that leave the session as it says it is. */
const UNDERSTOOD = [CacheFullError, TextError, SnapshotError, RequestError];

/**
 * Loads a model onto a device and makes its first session.
 * @throws DeviceError, UnsupportedModelError, FormatError, TextError, PolicyError; the signal's reason when it fires
 */
export async function createLocalEngine(options: LocalEngineOptions): Promise<EngineAtHand> {
  const { files, cache = {}, keeper = memoryKeeper(), signal } = options;
  // Cheap and likely to fail, so it comes before the weights.
  const text = new ChatText(files);
  let loading = true;
  const tell = (stage: LoadProgress['stage']) => (done: number, total: number) => {
    if (loading) options.onProgress?.({ stage, done, total });
  };
  const { policy } = cache;
  const told = { onUpload: tell('upload'), onCompile: tell('compile'), ...(policy ? { policy } : {}) };
  const { gpu, model } = await loadLocal({ ...options, ...told });
  try {
    const session = await model.createSession(measured(cache, files.quality));
    signal?.throwIfAborted();
    tell('ready')(1, 1);
    loading = false;
    return new LocalEngine({ gpu, model, session, text, files, cache, keeper });
  } catch (cause) {
    gpu.destroy();
    throw cause;
  }
}

/** What is asked of a session, with the window that an offset was measured with. */
function measured(cache: CacheOptions, quality: EngineInfo['quality']): CacheOptions {
  return cache.policy ? { ...cache, policy: measuredPolicy(cache.policy, quality) } : cache;
}

interface Parts {
  readonly gpu: Gpu;
  readonly model: GpuModel;
  readonly session: Session;
  readonly text: ChatText;
  readonly files: ModelFiles;
  readonly cache: CacheOptions;
  readonly keeper: FileKeeper;
}

function infoOf({ gpu, model, session, files }: Parts): EngineInfo {
  const { vendor, architecture, description } = gpu.adapter;
  return {
    modelName: files.name,
    license: files.license,
    modelBytes: files.byteLength,
    facts: model.facts,
    context: session.context,
    quality: files.quality,
    adapter: { vendor, architecture, description },
    f16: gpu.f16,
    subgroups: gpu.subgroups,
    server: null,
  };
}

class LocalEngine implements EngineAtHand {
  readonly info: EngineInfo;
  /** Checks a request and queues it. The chunks come whether or not somebody reads them. */
  readonly start: StartChat = (request, options) => this.#start(request, options);
  readonly chat = { completions: new ChatCompletions(this.start) };
  readonly lost: Promise<string>;
  readonly snapshots: Snapshots;
  readonly #gpu: Gpu;
  readonly #model: GpuModel;
  readonly #text: ChatText;
  readonly #conversation: Conversation;
  #cache: CacheOptions;
  #session: Session;
  /** Set when a step failed for reasons unknown: the session's contents cannot be trusted. */
  #sessionBroken = false;
  /** Why no more work is taken. */
  #closed: Error | null = null;
  /** Rejects when the device is gone: work under way may never end on its own. */
  readonly #lostFailure: Promise<never>;
  readonly #shutdown = new AbortController();
  /** Resolves when all that was asked so far is done. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts) {
    this.info = infoOf(parts);
    this.#gpu = parts.gpu;
    this.#model = parts.model;
    this.#session = parts.session;
    this.#text = parts.text;
    this.#cache = parts.cache;
    this.snapshots = this.#snapshotsIn(parts.keeper);
    this.#conversation = new Conversation(parts.text.tokenizer.encode);
    this.lost = new Promise((resolve) => {
      // Our own `destroy` ends the device too, and is no loss.
      void parts.gpu.lost.then((error) => {
        if (this.#closed) return;
        this.#closed = error;
        resolve(error.message);
      });
    });
    this.#lostFailure = parts.gpu.lost.then((error) => Promise.reject(error));
    this.#lostFailure.catch(() => undefined);
  }

  occupancy(): Promise<Occupancy> {
    return this.#closed ? Promise.reject(this.#closed) : Promise.resolve(this.#session.occupancy());
  }

  async countTokens(messages: readonly ChatMessage[]): Promise<number> {
    if (this.#closed) throw this.#closed;
    const { cached, rest } = this.#conversation.plan(this.#text.render(readMessages(messages)));
    return cached + rest.length;
  }

  retention(): Promise<Retention> {
    return this.#enqueue(() =>
      this.#guarded(async () => {
        const session = await this.#wholeSession();
        const [form, dropped, tokens] = [await session.form(), await session.dropped(), session.position];
        return retentionOf({ tokens, form, dropped, conversation: this.#conversation.save(), text: this.#text });
      }),
    );
  }

  snapshot(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#enqueue(() =>
      this.#guarded(async () => {
        const session = await this.#wholeSession();
        const [form, state] = [await session.form(), await session.save()];
        return encodeSnapshot({ form, session: state, conversation: this.#conversation.save() });
      }),
    );
  }

  restore(snapshot: Uint8Array): Promise<void> {
    return this.#enqueue(() =>
      this.#guarded(async () => {
        const session = await this.#wholeSession();
        const read = await decodeSnapshot(snapshot, await session.form());
        await session.restore(read.session);
        this.#conversation.restore(read.conversation);
      }),
    );
  }

  setPolicy(policy: CachePolicy): Promise<void> {
    return this.#enqueue(() => this.#renewSession({ ...this.#cache, policy }));
  }

  reset(): Promise<void> {
    return this.#enqueue(async () => {
      this.#session.reset();
      this.#conversation.clear();
    });
  }

  async destroy(): Promise<void> {
    this.#closed ??= new Error('The engine was destroyed; create another.');
    this.#shutdown.abort();
    await this.#tail;
    this.#session.destroy();
    this.#model.destroy();
    this.#gpu.destroy();
  }

  async #start(request: ChatRequest, options: RequestOptions): Promise<AsyncIterable<ChatChunk>> {
    const askedAt = performance.now();
    const settings = readRequest(request, this.info.modelName);
    if (this.#closed) throw this.#closed;
    // What the chat template refuses is refused at once, not in the middle of a stream.
    if (settings.tools) this.#text.render(settings.messages, settings.tools);
    const left = new AbortController();
    const channel = new Channel<ChatChunk>(() => left.abort());
    const signals = [left.signal, this.#shutdown.signal, ...(options.signal ? [options.signal] : [])];
    const signal = AbortSignal.any(signals);
    this.#enqueue(() => this.#complete(settings, { signal, askedAt, channel })).then(
      () => channel.close(),
      (cause) => channel.fail(cause),
    );
    return channel;
  }

  /** Answers one request into its channel. */
  async #complete(
    settings: ChatSettings,
    run: { readonly signal: AbortSignal; readonly askedAt: number; readonly channel: Channel<ChatChunk> },
  ): Promise<void> {
    const session = await this.#wholeSession();
    const { signal, askedAt, channel } = run;
    const includeUsage = settings.includeUsage || !settings.stream;
    const chunks = new ChunkBuilder(this.info.modelName, includeUsage);
    let shownAt = 0;
    const extra = (): LetheExtra => {
      const now = performance.now();
      if (now - shownAt < OCCUPANCY_EVERY_MS) return {};
      shownAt = now;
      return { occupancy: session.occupancy() };
    };
    const onText = (text: string): void => channel.push(chunks.text(text, extra()));
    const onThought = (thought: string): void => channel.push(chunks.thought(thought, extra()));
    const onPrefill = (done: number, total: number): void => {
      if (done < total) channel.push(chunks.prefill(done, total));
    };
    channel.push(chunks.first());
    const task = { session, conversation: this.#conversation, text: this.#text, settings, signal, askedAt };
    const made = await this.#guarded(() => answer({ ...task, listener: { onText, onThought, onPrefill } }));
    const occupancy = session.occupancy();
    const { reason, aborted, speed } = made;
    channel.push(chunks.last(reason, { occupancy, speed, ...(aborted ? { aborted } : {}) }));
    if (includeUsage) channel.push(chunks.usage(usageOf(made, occupancy)));
  }

  /** Runs work on the session; a failure that is not understood costs the session, not the engine. */
  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (!UNDERSTOOD.some((kind) => cause instanceof kind)) this.#sessionBroken = true;
      throw cause;
    }
  }

  #snapshotsIn(keeper: FileKeeper): Snapshots {
    return {
      save: async (name) => {
        const bytes = await this.snapshot();
        await keeper.write(name, bytes);
        return { bytes: bytes.length };
      },
      restore: async (name) => {
        const bytes = await keeper.read(name);
        if (bytes) await this.restore(bytes);
        return bytes !== null;
      },
      remove: (name) => keeper.remove(name),
      list: () => keeper.list(),
    };
  }

  /** The session; a new one where the contents of the old one cannot be trusted. */
  async #wholeSession(): Promise<Session> {
    if (this.#sessionBroken) await this.#renewSession(this.#cache);
    return this.#session;
  }

  async #renewSession(cache: CacheOptions): Promise<void> {
    const { signal } = this.#shutdown;
    const next = await this.#model
      .createSession({ ...measured(cache, this.info.quality), signal })
      .catch((cause: unknown) => {
        throw this.#closed ?? cause;
      });
    this.#session.destroy();
    this.#session = next;
    this.#cache = cache;
    this.#sessionBroken = false;
    this.#conversation.clear();
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      if (this.#closed) throw this.#closed;
      return Promise.race([work(), this.#lostFailure]);
    });
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

function usageOf(made: Answer, occupancy: Occupancy): Usage {
  const { promptTokens, completionTokens, cachedTokens } = made;
  const { allocatedBytes, denseBytes, ratio } = occupancy;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    kv: { bytes: allocatedBytes, dense_bytes: denseBytes, ratio },
  };
}
