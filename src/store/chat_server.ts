/**
 * Requests to a server that speaks OpenAI's protocol, such as vLLM, llama.cpp or Ollama: JSON, and streams of events.
 * It knows addresses, headers and failures, and nothing of what is asked; it never retries on its own.
 */
import { EventSourceParserStream } from 'eventsource-parser/stream';

/** A server refused or broke off; `status` is null when it was not reached or the connection broke. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  constructor(
    readonly url: string,
    readonly status: number | null,
    fact: string,
    options?: ErrorOptions,
  ) {
    super(`${url}: ${fact}`, options);
  }
}

export interface ChatServer {
  /** Absolute address that `chat/completions` stands below; it usually ends in `/v1`. */
  readonly baseURL: string;
  /** Sent as a bearer token. */
  readonly apiKey?: string;
  /** Sent with every request besides. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Reads JSON at a path below the server's address. @throws ServerError; the signal's reason when it fires */
export async function readJson(server: ChatServer, path: string, signal?: AbortSignal): Promise<unknown> {
  const url = addressOf(server, path);
  const response = await send(url, { headers: headersOf(server), ...(signal ? { signal } : {}) });
  return readAnswer(url, response, signal);
}

/**
 * Posts JSON and yields the events of the answer, parsed, until `[DONE]` or the end of the stream.
 * @throws ServerError, also for an event that is no JSON or carries an `error`; the signal's reason when it fires
 */
export async function* postForEvents(
  server: ChatServer,
  path: string,
  body: unknown,
  signal?: AbortSignal,
): AsyncGenerator<unknown, void> {
  const url = addressOf(server, path);
  const headers = { ...headersOf(server), 'content-type': 'application/json', accept: 'text/event-stream' };
  const init = { method: 'POST', headers, body: JSON.stringify(body), ...(signal ? { signal } : {}) };
  const response = await send(url, init);
  const kind = response.headers.get('content-type') ?? '';
  if (!response.body || !kind.includes('text/event-stream')) {
    await response.body?.cancel();
    const fact = `the server did not answer with a stream of events but with ${kind || 'nothing'}.`;
    throw new ServerError(url, response.status, `${fact} Check that the address is that of an OpenAI-compatible API.`);
  }
  const text = response.body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>);
  const events = text.pipeThrough(new EventSourceParserStream({ onError: 'terminate' })).getReader();
  let whole = false;
  try {
    for (;;) {
      const { done, value } = await events.read();
      if (done) return;
      if (value.data === '[DONE]') {
        whole = true;
        return;
      }
      yield parseEvent(url, value.data);
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof ServerError) throw cause;
    throw new ServerError(url, null, `the connection broke (${String(cause)}). Send the message again.`, { cause });
  } finally {
    if (!whole) await events.cancel().catch(() => undefined);
  }
}

function addressOf({ baseURL }: ChatServer, path: string): string {
  return new URL(path, baseURL.endsWith('/') ? baseURL : `${baseURL}/`).href;
}

function headersOf({ apiKey, headers }: ChatServer): Record<string, string> {
  return { ...headers, ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}) };
}

async function send(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    const remedy = 'Check the address, that the server runs, and that it allows requests from this page (CORS).';
    throw new ServerError(url, null, `the server could not be reached. ${remedy}`, { cause });
  }
  if (response.ok) return response;
  throw await refusal(url, response);
}

async function readAnswer(url: string, response: Response, signal?: AbortSignal): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    signal?.throwIfAborted();
    throw new ServerError(url, response.status, 'the answer is no JSON. Check the address; it usually ends in /v1.', {
      cause,
    });
  }
}

/** Most characters of a server's own words that an error repeats. */
const LONGEST_WORDS = 300;

async function refusal(url: string, response: Response): Promise<ServerError> {
  const { status } = response;
  const text = await response.text().catch(() => '');
  const words = wordsOf(text).slice(0, LONGEST_WORDS);
  const said = words ? `: ${words.replace(/[.\s]*$/, '.')}` : '.';
  return new ServerError(url, status, `the server answered ${status}${said} ${remedyOf(status, response.headers)}`);
}

/** The message of an OpenAI-like error, or the text when it is short and no page. */
function wordsOf(text: string): string {
  try {
    return messageOf(JSON.parse(text)) ?? '';
  } catch {
    return text.trimStart().startsWith('<') ? '' : text.trim();
  }
}

/** `{ error: { message } }`, `{ error: text }`, `{ message }` or `{ detail }`; null for anything else. */
function messageOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const fields = value as Readonly<Record<string, unknown>>;
  for (const found of [fields.error, fields.message, fields.detail]) {
    if (typeof found === 'string') return found;
    const inner = messageOf(found);
    if (inner !== null) return inner;
  }
  return null;
}

function remedyOf(status: number, headers: Headers): string {
  if (status === 401 || status === 403) return 'Check the API key.';
  if (status === 404) return 'Check the address, which usually ends in /v1, and the name of the model.';
  if (status === 429) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN);
    return Number.isFinite(seconds) ? `Try again in ${seconds} s.` : 'Try again in a while.';
  }
  return status >= 500 ? 'Try again later.' : 'Change the request as the server says.';
}

function parseEvent(url: string, data: string): unknown {
  let event: unknown;
  try {
    event = JSON.parse(data);
  } catch (cause) {
    throw new ServerError(url, null, `an event of the stream is no JSON: ${data.slice(0, 80)}`, { cause });
  }
  const failed = typeof event === 'object' && event !== null && 'error' in event && event.error;
  if (failed) throw new ServerError(url, null, `the server broke off: ${messageOf(event) ?? 'without saying why.'}`);
  return event;
}
