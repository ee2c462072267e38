/** The engine over a server of this machine that answers in OpenAI's form, well and badly. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ChatChunk, Engine } from './api.ts';
import { createServerEngine } from './server_engine.ts';

const QUESTION = [{ role: 'user', content: 'Why do rivers meander?' }] as const;

let server: Server;
let address: string;
let asked: { path: string; key: string | undefined; body: Record<string, unknown> }[];
let models: object[];
/** Answers a chat. */
let answer: (response: ServerResponse) => void;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function open(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
}

function event(response: ServerResponse, fields: object): void {
  response.write(`data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', ...fields })}\n\n`);
}

function piece(response: ServerResponse, content: string, finish_reason: string | null = null): void {
  event(response, { choices: [{ index: 0, delta: { content }, finish_reason }] });
}

function refuse(status: number, body: object, headers: Record<string, string> = {}) {
  return (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
}

function answerWell(response: ServerResponse): void {
  open(response);
  response.write(': a comment that keeps the connection open\n\n');
  event(response, { choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] });
  for (const word of ['Because ', 'they ', 'do — ü']) piece(response, word);
  piece(response, '', 'length');
  const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };
  event(response, { choices: [], usage: { ...usage, prompt_tokens_details: { cached_tokens: 4 } } });
  response.end('data: [DONE]\n\n');
}

beforeEach(async () => {
  asked = [];
  models = [{ id: 'river-8b', object: 'model', max_model_len: 32768 }];
  answer = answerWell;
  server = createServer(async (request, response) => {
    const text = await bodyOf(request);
    const key = request.headers.authorization;
    asked.push({ path: request.url ?? '', key, body: text === '' ? {} : JSON.parse(text) });
    if (request.url === '/v1/models') refuse(200, { object: 'list', data: models })(response);
    else if (request.url === '/v1/chat/completions') answer(response);
    else refuse(404, { detail: 'Not Found' })(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function hear(engine: Engine, signal?: AbortSignal): Promise<ChatChunk[]> {
  const request = { messages: QUESTION, stream: true, stream_options: { include_usage: true } } as const;
  const chunks: ChatChunk[] = [];
  for await (const chunk of await engine.chat.completions.create(request, signal ? { signal } : {})) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks: readonly ChatChunk[]): string =>
  chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');

test('streams, with the key, the only model and usage asked for', async () => {
  const engine = await createServerEngine({ baseURL: address, apiKey: 'sesame' });
  expect(engine.info).toMatchObject({ modelName: 'river-8b', server: `${address}`, facts: { contextLength: 32768 } });
  const chunks = await hear(engine);
  expect(textOf(chunks)).toBe('Because they do — ü');
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('length');
  expect(chunks.at(-2)?.lethe?.speed?.prefillTokens).toBe(8);
  expect(chunks.at(-1)?.usage).toEqual({
    ...{ prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 },
    prompt_tokens_details: { cached_tokens: 4 },
    kv: null,
  });
  expect(asked.map(({ path, key }) => `${path} ${key}`)).toEqual([
    '/v1/models Bearer sesame',
    '/v1/chat/completions Bearer sesame',
  ]);
  expect(asked[1].body).toEqual({
    ...{ messages: QUESTION, model: 'river-8b', stream: true },
    stream_options: { include_usage: true },
  });
});

test('a whole completion is the stream put together, and carries the settings', async () => {
  const engine = await createServerEngine({ baseURL: `${address}/`, model: 'river-8b' });
  const made = await engine.chat.completions.create({ messages: QUESTION, temperature: 0.5, stop: 'x', max_tokens: 9 });
  expect(made.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'Because they do — ü' } });
  expect(made.usage.completion_tokens).toBe(5);
  expect(asked[1].body).toMatchObject({ temperature: 0.5, stop: 'x', max_tokens: 9 });
  expect(asked[1].key).toBeUndefined();
});

test('a request is checked before it is sent', async () => {
  const engine = await createServerEngine({ baseURL: address });
  const wrong = engine.chat.completions.create({ messages: QUESTION, temperature: 7 });
  await expect(wrong).rejects.toMatchObject({ name: 'RequestError', param: 'temperature' });
  expect(asked).toHaveLength(1);
});

test('one of several models must be named, and one that is not there is refused', async () => {
  models = [{ id: 'a' }, { id: 'b' }];
  await expect(createServerEngine({ baseURL: address })).rejects.toThrow(
    'several models; name one by model. Models: a',
  );
  await expect(createServerEngine({ baseURL: address, model: 'c' })).rejects.toThrow('no model c; name another');
  expect((await createServerEngine({ baseURL: address, model: 'b' })).info.facts.contextLength).toBe(Infinity);
});

test('a thought comes apart from the answer, by either name', async () => {
  answer = (response) => {
    open(response);
    for (const delta of [{ reasoning_content: 'Hm' }, { reasoning: '.' }, { content: 'Yes.' }]) {
      event(response, { choices: [{ index: 0, delta, finish_reason: null }] });
    }
    piece(response, '', 'stop');
    response.end('data: [DONE]\n\n');
  };
  const engine = await createServerEngine({ baseURL: address });
  const { choices } = await engine.chat.completions.create({ messages: QUESTION });
  expect(choices[0].message).toEqual({ role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.', refusal: null });
  // It may be sent back as it came.
  await engine.chat.completions.create({ messages: [...QUESTION, choices[0].message, ...QUESTION] });
  expect(asked.at(-1)?.body.messages).toContainEqual(choices[0].message);
});

test.each([
  [401, { error: { message: 'bad key' } }, {}, 'answered 401: bad key. Check the API key.'],
  [429, { error: 'slow down' }, { 'retry-after': '7' }, 'answered 429: slow down. Try again in 7 s.'],
  [503, { message: 'warming up' }, {}, 'answered 503: warming up. Try again later.'],
  [400, { detail: 'too many tokens' }, {}, 'too many tokens. Change the request as the server says.'],
])('a refusal with %i says why and what to do', async (status, body, headers, words) => {
  const engine = await createServerEngine({ baseURL: address });
  answer = refuse(status, body, headers);
  const failed = hear(engine);
  await expect(failed).rejects.toMatchObject({ name: 'ServerError', status });
  await expect(failed).rejects.toThrow(words);
});

test('what is no API is told apart', async () => {
  await expect(createServerEngine({ baseURL: `${address}/elsewhere` })).rejects.toThrow('usually ends in /v1');
  const engine = await createServerEngine({ baseURL: address });
  answer = refuse(200, { choices: [] });
  await expect(hear(engine)).rejects.toThrow('not answer with a stream of events but with application/json');
  server.closeAllConnections();
  server.close();
  await expect(createServerEngine({ baseURL: address })).rejects.toThrow('could not be reached');
});

test('a cut in the middle, an error in the stream and an event that is no JSON are failures', async () => {
  const engine = await createServerEngine({ baseURL: address });
  answer = (response) => {
    open(response);
    response.write('data: {"choices": [{"index": 0, "delta": {"content": "Be"}}]}\n\n', () => response.destroy());
  };
  await expect(hear(engine)).rejects.toThrow('the connection broke');
  answer = (response) => {
    open(response);
    piece(response, 'Be');
    response.end('data: [DONE]\n\n');
  };
  await expect(hear(engine)).rejects.toThrow('the stream ended before the answer did');
  answer = (response) => {
    open(response);
    event(response, { error: { message: 'out of memory' } });
    response.end();
  };
  await expect(hear(engine)).rejects.toThrow('the server broke off: out of memory');
  answer = (response) => {
    open(response);
    response.end('data: {"choices\n\n');
  };
  await expect(hear(engine)).rejects.toThrow('is no JSON');
});

test('the signal ends an answer and keeps its words; so does leaving the loop', async () => {
  const engine = await createServerEngine({ baseURL: address });
  const closed: Promise<void>[] = [];
  answer = (response) => {
    open(response);
    piece(response, 'Bec');
    closed.push(new Promise((resolve) => response.on('close', resolve)));
  };
  const stop = new AbortController();
  const chunks: ChatChunk[] = [];
  const stream = await engine.chat.completions.create({ messages: QUESTION, stream: true }, { signal: stop.signal });
  for await (const chunk of stream) {
    chunks.push(chunk);
    if (textOf(chunks) !== '') stop.abort();
  }
  expect(textOf(chunks)).toBe('Bec');
  expect(chunks.at(-1)).toMatchObject({ choices: [{ finish_reason: 'stop' }], lethe: { aborted: true } });
  for await (const chunk of await engine.chat.completions.create({ messages: QUESTION, stream: true })) {
    if (chunk.choices[0]?.delta.content) break;
  }
  expect(closed).toHaveLength(2);
  await Promise.all(closed);
});

test('what only a model here can tell is refused by name', async () => {
  const engine = await createServerEngine({ baseURL: address });
  for (const ask of [engine.occupancy, engine.retention, engine.snapshot, engine.snapshots.list]) {
    await expect(ask()).rejects.toMatchObject({ name: 'NotOnServerError' });
  }
  await expect(engine.setPolicy({ kind: 'dense' })).rejects.toThrow(
    'setPolicy is known only of a model that runs here',
  );
  await engine.reset();
  await engine.destroy();
  await expect(hear(engine)).rejects.toThrow('was destroyed');
});
