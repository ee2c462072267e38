/**
 * The engine's interface over a server that speaks OpenAI's protocol, for models that this device cannot hold. Chats go
 * as they would here; the server's memory stays its own, so that what asks about it is refused by name.
 */
import { type ChatServer, postForEvents, readJson, ServerError } from '../store/chat_server.ts';
import type {
  ChatChunk,
  ChatRequest,
  Engine,
  EngineInfo,
  FinishReason,
  RequestOptions,
  ServerOptions,
  Snapshots,
  Speed,
  Usage,
} from './api.ts';
import { ChatCompletions, ChunkBuilder } from './completions.ts';
import { NotOnServerError, RequestError } from './errors.ts';
import { readRequest } from './request.ts';
import type { Parted } from './thinking.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Asks the server what it has; nothing is downloaded.
 * @throws ServerError when it is not reached, refuses, or has not the model; the signal's reason when it fires
 */
export async function createServerEngine(options: ServerOptions): Promise<Engine> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  const { href } = new URL(options.baseURL, globalThis.location?.href);
  const server: ChatServer = { ...options, baseURL: href };
  const model = await chooseModel(server, options.model, signal);
  onProgress?.({ stage: 'ready', done: 1, total: 1 });
  return new ServerEngine(server, model);
}

interface ServerModel {
  readonly id: string;
  /** Most tokens of a chat; null where the server does not say. */
  readonly contextLength: number | null;
}

async function chooseModel(server: ChatServer, wanted: string | undefined, signal?: AbortSignal): Promise<ServerModel> {
  const models = readModels(await readJson(server, 'models', signal));
  const names = models.map(({ id }) => id).join(', ') || 'none';
  const found = wanted === undefined && models.length === 1 ? models[0] : models.find(({ id }) => id === wanted);
  if (found) return found;
  const fact = wanted === undefined ? 'has several models; name one by model' : `has no model ${wanted}; name another`;
  throw new ServerError(server.baseURL, null, `the server ${fact}. Models: ${names}.`);
}

function readModels(answer: unknown): ServerModel[] {
  const list = isFields(answer) && Array.isArray(answer.data) ? answer.data : [];
  return list.filter(isFields).flatMap(({ id, max_model_len: length }) => {
    if (typeof id !== 'string') return [];
    return [{ id, contextLength: typeof length === 'number' && length > 0 ? length : null }];
  });
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function infoOf({ baseURL }: ChatServer, { id, contextLength }: ServerModel): EngineInfo {
  return {
    modelName: id,
    license: null,
    modelBytes: 0,
    facts: {
      ...{ architecture: 'unknown', layers: 0, kvHeads: 0, headDim: 0, hiddenSize: 0, vocabSize: 0, weightBytes: 0 },
      contextLength: contextLength ?? Number.POSITIVE_INFINITY,
      dms: null,
    },
    quality: null,
    context: contextLength ?? Number.POSITIVE_INFINITY,
    adapter: { vendor: '', architecture: '', description: new URL(baseURL).host },
    f16: false,
    subgroups: false,
    server: baseURL,
  };
}

class ServerEngine implements Engine {
  readonly info: EngineInfo;
  readonly chat = { completions: new ChatCompletions((request, options) => this.#start(request, options)) };
  /** A server has no device here to lose: each request tells of its own failure. */
  readonly lost = new Promise<string>(() => undefined);
  readonly snapshots: Snapshots = {
    save: () => this.#refuse('snapshots'),
    restore: () => this.#refuse('snapshots'),
    remove: () => this.#refuse('snapshots'),
    list: () => this.#refuse('snapshots'),
  };
  readonly #server: ChatServer;
  readonly #shutdown = new AbortController();

  constructor(server: ChatServer, model: ServerModel) {
    this.#server = server;
    this.info = infoOf(server, model);
  }

  occupancy = () => this.#refuse('occupancy');
  setPolicy = () => this.#refuse('setPolicy');
  countTokens = () => this.#refuse('countTokens');
  retention = () => this.#refuse('retention');
  snapshot = () => this.#refuse('snapshot');
  restore = () => this.#refuse('restore');

  /** The server is sent the whole conversation each time: there is nothing to forget. */
  async reset(): Promise<void> {}

  async destroy(): Promise<void> {
    this.#shutdown.abort(new Error('The engine was destroyed; create another.'));
  }

  #refuse(what: string): Promise<never> {
    const place = new URL(this.#server.baseURL).host;
    const fact = `${what} is known only of a model that runs here, and this one runs at ${place}.`;
    return Promise.reject(new NotOnServerError(fact));
  }

  async #start(request: ChatRequest, { signal }: RequestOptions): Promise<AsyncIterable<ChatChunk>> {
    this.#shutdown.signal.throwIfAborted();
    const { tools } = readRequest(request, this.info.modelName);
    if (tools) throw new RequestError('tools', 'Calls of a model at a server cannot be read here; leave tools out.');
    const signals = [this.#shutdown.signal, ...(signal ? [signal] : [])];
    return this.#answer(request, AbortSignal.any(signals));
  }

  /** The server's chunks in our form. One that the signal ends says so, as an answer made here does. */
  async *#answer(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk, void> {
    const includeUsage = request.stream !== true || request.stream_options?.include_usage === true;
    const chunks = new ChunkBuilder(this.info.modelName, includeUsage);
    const heard = new Heard();
    yield chunks.first();
    let aborted = false;
    try {
      const body = { ...request, model: this.info.modelName, stream: true, stream_options: { include_usage: true } };
      for await (const event of postForEvents(this.#server, 'chat/completions', body, signal)) {
        const { thought, text } = heard.take(event);
        if (thought !== '') yield chunks.thought(thought);
        if (text !== '') yield chunks.text(text);
      }
      if (heard.reason === null) {
        const fact = 'the stream ended before the answer did. Send the message again.';
        throw new ServerError(this.#server.baseURL, null, fact);
      }
    } catch (cause) {
      this.#shutdown.signal.throwIfAborted();
      if (!signal.aborted) throw cause;
      aborted = true;
    }
    yield chunks.last(heard.reason ?? 'stop', { speed: heard.speed(), ...(aborted ? { aborted } : {}) });
    if (includeUsage) yield chunks.usage(heard.usage());
  }
}

const NOTHING: Parted = { thought: '', text: '' };

/** What a server's events said so far. They are data from outside: whatever is not understood is passed over. */
class Heard {
  reason: FinishReason | null = null;
  #pieces = 0;
  #usage: Fields = {};
  readonly #askedAt = performance.now();
  #firstAt = 0;
  #lastAt = 0;

  /** The words of one event. */
  take(event: unknown): Parted {
    if (!isFields(event)) return NOTHING;
    if (isFields(event.usage)) this.#usage = event.usage;
    const choice: unknown = Array.isArray(event.choices) ? event.choices[0] : null;
    if (!isFields(choice)) return NOTHING;
    if (typeof choice.finish_reason === 'string') this.reason = choice.finish_reason === 'length' ? 'length' : 'stop';
    const delta = isFields(choice.delta) ? choice.delta : {};
    // vLLM and DeepSeek say `reasoning_content`, others `reasoning`.
    const [text, thought] = [delta.content, delta.reasoning_content ?? delta.reasoning].map((words) =>
      typeof words === 'string' ? words : '',
    );
    if (text === '' && thought === '') return NOTHING;
    this.#pieces++;
    this.#lastAt = performance.now();
    this.#firstAt ||= this.#lastAt;
    return { thought, text };
  }

  /** As the server counts; where it does not, a piece of the stream counts as a token of the answer. */
  usage(): Usage {
    const number = (value: unknown, other: number): number => (typeof value === 'number' ? value : other);
    const prompt = number(this.#usage.prompt_tokens, 0);
    const completion = number(this.#usage.completion_tokens, this.#pieces);
    const details = isFields(this.#usage.prompt_tokens_details) ? this.#usage.prompt_tokens_details : {};
    const parts = isFields(this.#usage.completion_tokens_details) ? this.#usage.completion_tokens_details : {};
    const { reasoning_tokens } = parts;
    return {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
      prompt_tokens_details: { cached_tokens: number(details.cached_tokens, 0) },
      ...(typeof reasoning_tokens === 'number' ? { completion_tokens_details: { reasoning_tokens } } : {}),
      kv: null,
    };
  }

  /** By this side's clock: the way to the server is part of it. */
  speed(): Speed {
    const { prompt_tokens, prompt_tokens_details, completion_tokens } = this.usage();
    const read = prompt_tokens - prompt_tokens_details.cached_tokens;
    const waited = (this.#firstAt || performance.now()) - this.#askedAt;
    const wrote = this.#lastAt - this.#firstAt;
    return {
      ttft_ms: waited,
      prefillTokens: read,
      prefillTokensPerSecond: waited > 0 ? (1000 * read) / waited : 0,
      decodeTokensPerSecond: wrote > 0 ? (1000 * (completion_tokens - 1)) / wrote : 0,
    };
  }
}
