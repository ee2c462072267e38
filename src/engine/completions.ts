/**
 * Chunks and completions in OpenAI's form. A whole completion is nothing but its chunks put together, so that the two
 * ways to ask cannot differ; this file holds both, for the engine and for its client across the worker.
 */
import { assert } from '../util/assert.ts';
import type {
  ChatChunk,
  ChatCompletion,
  ChatRequest,
  Completions,
  FinishReason,
  LetheExtra,
  RequestOptions,
  Usage,
} from './api.ts';

/** Makes the chunks of one completion. */
export class ChunkBuilder {
  readonly #id = `chatcmpl-${Array.from(crypto.getRandomValues(new Uint8Array(12)), hex).join('')}`;
  readonly #created = Math.floor(Date.now() / 1000);
  readonly #model: string;
  readonly #includeUsage: boolean;

  /** @param includeUsage every chunk has a `usage`, null but in the last */
  constructor(model: string, includeUsage: boolean) {
    this.#model = model;
    this.#includeUsage = includeUsage;
  }

  first(): ChatChunk {
    return this.#chunk({ role: 'assistant', content: '' }, null, {});
  }

  text(content: string, lethe: LetheExtra = {}): ChatChunk {
    return this.#chunk({ content }, null, lethe);
  }

  thought(reasoning_content: string, lethe: LetheExtra = {}): ChatChunk {
    return this.#chunk({ reasoning_content }, null, lethe);
  }

  prefill(done: number, total: number): ChatChunk {
    return this.#chunk({}, null, { prefill: { done, total } });
  }

  last(reason: FinishReason, lethe: LetheExtra): ChatChunk {
    return this.#chunk({}, reason, lethe);
  }

  usage(usage: Usage): ChatChunk {
    return { ...this.#head(), choices: [], usage };
  }

  #head() {
    return { id: this.#id, object: 'chat.completion.chunk', created: this.#created, model: this.#model } as const;
  }

  #chunk(delta: ChatChunk['choices'][0]['delta'], reason: FinishReason | null, lethe: LetheExtra): ChatChunk {
    return {
      ...this.#head(),
      choices: [{ index: 0, delta, finish_reason: reason, logprobs: null }],
      ...(this.#includeUsage ? { usage: null } : {}),
      ...(Object.keys(lethe).length > 0 ? { lethe } : {}),
    };
  }
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** Puts the chunks of one completion together; they must end with the usage chunk. */
export async function collectChunks(chunks: AsyncIterable<ChatChunk>): Promise<ChatCompletion> {
  let head: ChatChunk | null = null;
  let content = '';
  let thought = '';
  let reason: FinishReason | null = null;
  let lethe: LetheExtra = {};
  let usage: Usage | null = null;
  for await (const chunk of chunks) {
    head ??= chunk;
    usage = chunk.usage ?? usage;
    const [choice] = chunk.choices;
    if (!choice) continue;
    content += choice.delta.content ?? '';
    thought += choice.delta.reasoning_content ?? '';
    if (choice.finish_reason === null) continue;
    reason = choice.finish_reason;
    lethe = chunk.lethe ?? {};
  }
  assert(head && reason && usage, 'a completion ended without a finish reason or usage');
  const { id, created, model } = head;
  const reasoning = thought === '' ? {} : { reasoning_content: thought };
  const message = { role: 'assistant', content, ...reasoning, refusal: null } as const;
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [{ index: 0, message, finish_reason: reason, logprobs: null }],
    usage,
    lethe,
  };
}

/** Starts a request. The chunks of one that does not stream end with the usage chunk. */
export type StartChat = (request: ChatRequest, options: RequestOptions) => Promise<AsyncIterable<ChatChunk>>;

/** `chat.completions` over one way to start a request. */
export class ChatCompletions implements Completions {
  readonly #start: StartChat;

  constructor(start: StartChat) {
    this.#start = start;
  }

  create(request: ChatRequest & { readonly stream: true }, options?: RequestOptions): Promise<AsyncIterable<ChatChunk>>;
  create(request: ChatRequest & { readonly stream?: false }, options?: RequestOptions): Promise<ChatCompletion>;
  create(request: ChatRequest, options?: RequestOptions): Promise<ChatCompletion | AsyncIterable<ChatChunk>>;
  async create(request: ChatRequest, options: RequestOptions = {}): Promise<ChatCompletion | AsyncIterable<ChatChunk>> {
    const chunks = await this.#start(request, options);
    return request.stream === true ? chunks : collectChunks(chunks);
  }
}
