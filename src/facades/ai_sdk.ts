/**
 * A provider for Vercel's AI SDK (`LanguageModelV3`), so that `streamText` and `generateText` run on an engine. What
 * the engine cannot honour is a warning; what it cannot understand, such as an image, is an error.
 */
import {
  type LanguageModelV3,
  type LanguageModelV3CallOptions,
  type LanguageModelV3FinishReason,
  type LanguageModelV3GenerateResult,
  type LanguageModelV3Message,
  type LanguageModelV3StreamPart,
  type LanguageModelV3StreamResult,
  type LanguageModelV3Usage,
  NoSuchModelError,
  type ProviderV3,
  type SharedV3Warning,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider';
import type { ChatChunk, ChatMessage, ChatRequest, Engine, FinishReason, Usage } from '../engine/api.ts';
import { collectChunks } from '../engine/completions.ts';
import { type EngineSource, engineMaker } from './engine_source.ts';
import { pulledStream } from './pulled_stream.ts';

/** Called with the name of a model, or without for whichever the engine has. */
export interface LetheProvider extends ProviderV3 {
  (modelId?: string): LanguageModelV3;
}

const PROVIDER = 'lethe';

/**
 * @param source the engine, or how to make it; it is made at the first call and serves all models of the provider.
 *   `providerOptions: { lethe: { min_p, repetition_penalty } }` passes what the AI SDK has no name for
 */
export function createLethe(source: EngineSource): LetheProvider {
  const make = engineMaker(source);
  let engine: Promise<Engine> | null = null;
  const open = (): Promise<Engine> => {
    // A load that failed may succeed the next time.
    engine ??= make().catch((cause: unknown) => {
      engine = null;
      throw cause;
    });
    return engine;
  };
  const languageModel = (modelId?: string): LanguageModelV3 => new LetheModel(open, modelId);
  const none = (modelType: 'embeddingModel' | 'imageModel') => (modelId: string) => {
    throw new NoSuchModelError({ modelId, modelType });
  };
  return Object.assign(languageModel, {
    specificationVersion: 'v3',
    languageModel,
    embeddingModel: none('embeddingModel'),
    imageModel: none('imageModel'),
  } as const);
}

class LetheModel implements LanguageModelV3 {
  readonly specificationVersion = 'v3';
  readonly provider = PROVIDER;
  readonly modelId: string;
  /** Files are not read, from wherever. */
  readonly supportedUrls = {};
  readonly #open: () => Promise<Engine>;
  readonly #named: string | undefined;

  constructor(open: () => Promise<Engine>, named: string | undefined) {
    this.#open = open;
    this.#named = named;
    this.modelId = named ?? 'default';
  }

  async doGenerate(options: LanguageModelV3CallOptions): Promise<LanguageModelV3GenerateResult> {
    const { chunks, warnings } = await this.#start(options);
    const { id, created, model, choices, usage, lethe } = await collectChunks(chunks);
    if (lethe.aborted) options.abortSignal?.throwIfAborted();
    const [{ message, finish_reason }] = choices;
    const { content: text, reasoning_content: thought = '' } = message;
    return {
      content: [
        ...(thought === '' ? [] : [{ type: 'reasoning', text: thought } as const]),
        ...(text === '' ? [] : [{ type: 'text', text } as const]),
      ],
      finishReason: reasonOf(finish_reason),
      usage: usageOf(usage, thought !== ''),
      response: { id, modelId: model, timestamp: new Date(created * 1000) },
      warnings,
    };
  }

  async doStream(options: LanguageModelV3CallOptions): Promise<LanguageModelV3StreamResult> {
    const { chunks, warnings } = await this.#start(options);
    const stream = pulledStream(partsOf(chunks, options, warnings));
    return { stream };
  }

  async #start(options: LanguageModelV3CallOptions) {
    const { abortSignal } = options;
    abortSignal?.throwIfAborted();
    const messages = options.prompt.map(messageOf);
    const warnings = warningsOf(options);
    const engine = await this.#open();
    const model = this.#named === undefined ? {} : { model: this.#named };
    const request = { ...settingsOf(options), ...model, messages, stream: true } as const;
    const withUsage = { ...request, stream_options: { include_usage: true } };
    const chunks = await engine.chat.completions.create(withUsage, abortSignal ? { signal: abortSignal } : {});
    return { chunks, warnings };
  }
}

type Settings = Omit<ChatRequest, 'messages' | 'stream'>;

function settingsOf(options: LanguageModelV3CallOptions): Settings {
  const { maxOutputTokens, temperature, topP, topK, seed, stopSequences, providerOptions } = options;
  const given: Readonly<Record<string, unknown>> = {
    max_tokens: maxOutputTokens,
    temperature,
    top_p: topP,
    top_k: topK,
    seed,
    stop: stopSequences,
    // The engine refuses what it does not know, by name.
    ...providerOptions?.[PROVIDER],
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function warningsOf(options: LanguageModelV3CallOptions): SharedV3Warning[] {
  const ignored = {
    presencePenalty: options.presencePenalty !== undefined,
    frequencyPenalty: options.frequencyPenalty !== undefined,
    responseFormat: options.responseFormat?.type === 'json',
    tools: (options.tools?.length ?? 0) > 0,
  };
  return Object.entries(ignored).flatMap(([feature, given]) => (given ? [{ type: 'unsupported', feature }] : []));
}

function messageOf(message: LanguageModelV3Message): ChatMessage {
  const { role, content } = message;
  if (role === 'system') return { role, content };
  if (role === 'tool') throw new UnsupportedFunctionalityError({ functionality: 'tool messages' });
  const texts = content.map((part) => {
    // What a model thought is not told to it again.
    if (part.type === 'reasoning') return '';
    if (part.type !== 'text') throw new UnsupportedFunctionalityError({ functionality: `${part.type} in a message` });
    return part.text;
  });
  return { role, content: texts.join('') };
}

function reasonOf(raw: FinishReason): LanguageModelV3FinishReason {
  return { unified: raw, raw };
}

/** @param thought true where the answer has one: how its tokens divide is then known only if the server says so */
function usageOf(usage: Usage, thought: boolean): LanguageModelV3Usage {
  const { prompt_tokens, completion_tokens: total, prompt_tokens_details, completion_tokens_details } = usage;
  const cacheRead = prompt_tokens_details.cached_tokens;
  const reasoning = completion_tokens_details?.reasoning_tokens;
  const text = reasoning === undefined && thought ? undefined : total - (reasoning ?? 0);
  return {
    inputTokens: { total: prompt_tokens, noCache: prompt_tokens - cacheRead, cacheRead, cacheWrite: undefined },
    outputTokens: { total, text, reasoning },
  };
}

type WordKind = 'reasoning' | 'text';

/** The words of an answer as parts of a stream: those of one kind that follow one another are a block. */
class WordBlocks {
  /** There was a thought among them. */
  thought = false;
  #open: { readonly kind: WordKind; readonly id: string } | null = null;
  #count = 0;

  *push(kind: WordKind, delta: string): Generator<LanguageModelV3StreamPart, void> {
    if (delta === '') return;
    this.thought ||= kind === 'reasoning';
    if (this.#open?.kind !== kind) {
      yield* this.end();
      this.#open = { kind, id: String(this.#count++) };
      yield { type: `${kind}-start`, id: this.#open.id };
    }
    yield { type: `${kind}-delta`, id: this.#open.id, delta };
  }

  *end(): Generator<LanguageModelV3StreamPart, void> {
    if (this.#open) yield { type: `${this.#open.kind}-end`, id: this.#open.id };
    this.#open = null;
  }
}

async function* partsOf(
  chunks: AsyncIterable<ChatChunk>,
  options: LanguageModelV3CallOptions,
  warnings: SharedV3Warning[],
): AsyncGenerator<LanguageModelV3StreamPart, void> {
  const words = new WordBlocks();
  let reason: FinishReason = 'stop';
  yield { type: 'stream-start', warnings };
  for await (const chunk of chunks) {
    if (options.includeRawChunks) yield { type: 'raw', rawValue: chunk };
    const [choice] = chunk.choices;
    if (choice?.delta.role) {
      yield {
        type: 'response-metadata',
        id: chunk.id,
        modelId: chunk.model,
        timestamp: new Date(chunk.created * 1000),
      };
    }
    if (chunk.lethe?.aborted) options.abortSignal?.throwIfAborted();
    const { reasoning_content: thought = '', content = '' } = choice?.delta ?? {};
    yield* words.push('reasoning', thought);
    yield* words.push('text', content);
    if (choice?.finish_reason) reason = choice.finish_reason;
    if (!chunk.usage) continue;
    yield* words.end();
    yield { type: 'finish', finishReason: reasonOf(reason), usage: usageOf(chunk.usage, words.thought) };
  }
}
