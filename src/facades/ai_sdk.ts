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
    return {
      content: message.content === '' ? [] : [{ type: 'text', text: message.content }],
      finishReason: reasonOf(finish_reason),
      usage: usageOf(usage),
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

function usageOf({ prompt_tokens, completion_tokens, prompt_tokens_details }: Usage): LanguageModelV3Usage {
  const cacheRead = prompt_tokens_details.cached_tokens;
  return {
    inputTokens: { total: prompt_tokens, noCache: prompt_tokens - cacheRead, cacheRead, cacheWrite: undefined },
    outputTokens: { total: completion_tokens, text: completion_tokens, reasoning: undefined },
  };
}

async function* partsOf(
  chunks: AsyncIterable<ChatChunk>,
  options: LanguageModelV3CallOptions,
  warnings: SharedV3Warning[],
): AsyncGenerator<LanguageModelV3StreamPart, void> {
  const id = '0';
  let opened = false;
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
    if (choice?.delta.content) {
      if (!opened) yield { type: 'text-start', id };
      opened = true;
      yield { type: 'text-delta', id, delta: choice.delta.content };
    }
    if (choice?.finish_reason) reason = choice.finish_reason;
    if (!chunk.usage) continue;
    if (opened) yield { type: 'text-end', id };
    yield { type: 'finish', finishReason: reasonOf(reason), usage: usageOf(chunk.usage) };
  }
}
