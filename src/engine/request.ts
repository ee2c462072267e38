/**
 * Reads a chat request in OpenAI's form into settings without holes. Every field is honoured or refused by name; a
 * request is data from outside, so nothing about it is taken for granted.
 */
import type { Sampling } from '../model/session_types.ts';
import type { ChatMessage, ChatRequest, ToolCall, ToolDescription } from './api.ts';
import { RequestError } from './errors.ts';

/** What is asked for, with defaults filled in. */
export interface ChatSettings {
  readonly messages: readonly ChatMessage[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Null: as many as the context has room for. */
  readonly maxTokens: number | null;
  readonly sampling: Sampling;
  readonly stops: readonly string[];
  /** Null: none. */
  readonly tools: readonly ToolDescription[] | null;
}

/**
 * Sampling unless the request says otherwise: the `generation_config.json` of SmolLM2-135M-Instruct, the default model.
 * The filters that it does not name are off.
 */
export const DEFAULT_SAMPLING = { temperature: 0.2, topP: 0.9, topK: 0, minP: 0, repetitionPenalty: 1 } as const;

const ACCEPTED: Readonly<Record<keyof ChatRequest, true>> = {
  messages: true,
  stream: true,
  stream_options: true,
  model: true,
  max_tokens: true,
  max_completion_tokens: true,
  temperature: true,
  top_p: true,
  top_k: true,
  min_p: true,
  repetition_penalty: true,
  seed: true,
  stop: true,
  tools: true,
};

const ROLES = ['system', 'user', 'assistant', 'tool'] as const;
/** Fields that only messages of one role have. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  assistant: ['reasoning_content', 'tool_calls'],
  tool: ['tool_call_id'],
};
const MAX_STOPS = 16;
const MAX_U32 = 0xffff_ffff;

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuseOthers(value: Fields, accepted: readonly string[], where: string): void {
  for (const [key, given] of Object.entries(value)) {
    if (given === undefined || accepted.includes(key)) continue;
    throw new RequestError(key, `${where} has no option ${key}. Options: ${accepted.join(', ')}.`);
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
  /** True when `from` itself is not allowed. */
  readonly open?: boolean;
  readonly whole?: boolean;
}

function numberIn<T>(request: Fields, key: string, range: Range, fallback: T): number | T {
  const value = request[key];
  if (value === undefined) return fallback;
  const { from, to, open = false, whole = false } = range;
  const fits = typeof value === 'number' && value <= to && (open ? value > from : value >= from);
  if (fits && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? 'a whole number' : 'a number';
  const bounds = to === Number.MAX_SAFE_INTEGER ? `from ${from}` : `${open ? 'above' : 'from'} ${from} to ${to}`;
  throw new RequestError(key, `${key} must be ${kind} ${bounds}, not ${JSON.stringify(value)}.`);
}

function flag(fields: Fields, key: string): boolean {
  const value = fields[key];
  if (value === undefined || typeof value === 'boolean') return value === true;
  throw new RequestError(key, `${key} must be true or false, not ${JSON.stringify(value)}.`);
}

/** Checks the messages of a request. @throws RequestError */
export function readMessages(value: unknown): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new RequestError('messages', 'messages must be a list of at least one message.');
  }
  return value.map((message: unknown, index) => {
    const where = `messages[${index}]`;
    if (!isFields(message)) throw new RequestError('messages', `${where} must be an object with role and content.`);
    // A completion's own message has `refusal: null`, and is meant to be sent back.
    const { refusal, ...asked } = message;
    refuseOthers(refusal === null ? asked : message, ['role', 'content', ...(OWN[String(message.role)] ?? [])], where);
    const role = ROLES.find((one) => one === message.role);
    if (!role) {
      throw new RequestError('messages', `${where}.role must be ${ROLES.join(', ')}, not ${String(message.role)}.`);
    }
    const calls = readCalls(message.tool_calls, `${where}.tool_calls`);
    // OpenAI's answers that are nothing but calls have no content.
    const content = message.content === null && calls ? '' : message.content;
    if (typeof content !== 'string') {
      throw new RequestError('messages', `${where}.content must be a text; parts and images are not supported.`);
    }
    const thought = optionalText(message, 'reasoning_content', where);
    const call = optionalText(message, 'tool_call_id', where);
    return {
      ...{ role, content },
      ...(thought === null ? {} : { reasoning_content: thought }),
      ...(calls ? { tool_calls: calls } : {}),
      ...(call === null ? {} : { tool_call_id: call }),
    };
  });
}

function optionalText(message: Fields, key: string, where: string): string | null {
  const value = message[key] ?? null;
  if (value === null || typeof value === 'string') return value;
  throw new RequestError('messages', `${where}.${key} must be a text.`);
}

function readCalls(value: unknown, where: string): ToolCall[] | null {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value)) throw new RequestError('messages', `${where} must be a list.`);
  return value.map((call: unknown, i) => {
    const made = isFields(call) && isFields(call.function) ? call.function : null;
    if (!isFields(call) || typeof call.id !== 'string' || typeof made?.name !== 'string') {
      throw new RequestError('messages', `${where}[${i}] must have an id and a function with a name.`);
    }
    if (typeof made.arguments !== 'string') {
      throw new RequestError('messages', `${where}[${i}].function.arguments must be a text of JSON.`);
    }
    return { id: call.id, type: 'function', function: { name: made.name, arguments: made.arguments } };
  });
}

function readTools(value: unknown): ToolDescription[] | null {
  if (value === undefined) return null;
  const described = (tool: unknown): tool is ToolDescription =>
    isFields(tool) && tool.type === 'function' && isFields(tool.function) && typeof tool.function.name === 'string';
  if (!Array.isArray(value) || !value.every(described)) {
    throw new RequestError('tools', 'tools must be a list of { type: "function", function: { name, ... } }.');
  }
  return value.length > 0 ? value : null;
}

function readStops(value: unknown): string[] {
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const stops = list.filter((stop): stop is string => typeof stop === 'string' && stop !== '');
  if (stops.length === list.length && stops.length <= MAX_STOPS) return stops;
  throw new RequestError('stop', `stop must be a text, or a list of at most ${MAX_STOPS} texts, none of them empty.`);
}

function readMaxTokens(request: Fields): number | null {
  const range = { from: 1, to: Number.MAX_SAFE_INTEGER, whole: true };
  const older = numberIn(request, 'max_tokens', range, null);
  const newer = numberIn(request, 'max_completion_tokens', range, null);
  if (older !== null && newer !== null && older !== newer) {
    throw new RequestError('max_tokens', 'max_tokens and max_completion_tokens differ; give one of them.');
  }
  return newer ?? older;
}

function readSampling(request: Fields): Sampling {
  const unit = { from: 0, to: 1 };
  return {
    temperature: numberIn(request, 'temperature', { from: 0, to: 2 }, DEFAULT_SAMPLING.temperature),
    topP: numberIn(request, 'top_p', { ...unit, open: true }, DEFAULT_SAMPLING.topP),
    topK: numberIn(request, 'top_k', { from: 0, to: MAX_U32, whole: true }, DEFAULT_SAMPLING.topK),
    minP: numberIn(request, 'min_p', unit, DEFAULT_SAMPLING.minP),
    repetitionPenalty: numberIn(
      request,
      'repetition_penalty',
      { from: 0, to: 10, open: true },
      DEFAULT_SAMPLING.repetitionPenalty,
    ),
    seed:
      numberIn(request, 'seed', { from: 0, to: MAX_U32, whole: true }, null) ??
      crypto.getRandomValues(new Uint32Array(1))[0],
  };
}

/**
 * Checks a request and fills in the defaults. A field that is `undefined` counts as absent.
 * @param modelName name of the loaded model, the only one that `model` may ask for
 * @throws RequestError that names the field
 */
export function readRequest(request: unknown, modelName: string): ChatSettings {
  if (!isFields(request)) throw new RequestError('messages', 'The request must be an object with messages.');
  refuseOthers(request, Object.keys(ACCEPTED), 'A chat request');
  if (request.model !== undefined && request.model !== modelName) {
    const remedy = 'Leave model out, or load the other.';
    const message = `The model ${String(request.model)} is not loaded; ${modelName} is. ${remedy}`;
    throw new RequestError('model', message);
  }
  const stream = flag(request, 'stream');
  const options = request.stream_options;
  if (options !== undefined) {
    if (!stream) throw new RequestError('stream_options', 'stream_options needs stream: true.');
    if (!isFields(options)) throw new RequestError('stream_options', 'stream_options must be an object.');
    refuseOthers(options, ['include_usage'], 'stream_options');
  }
  return {
    messages: readMessages(request.messages),
    stream,
    includeUsage: isFields(options) && flag(options, 'include_usage'),
    maxTokens: readMaxTokens(request),
    sampling: readSampling(request),
    stops: readStops(request.stop),
    tools: readTools(request.tools),
  };
}
