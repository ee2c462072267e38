/** The AI SDK's own functions on a model that thinks, at a server of this machine. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateText, type ModelMessage, streamText } from 'ai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLethe } from './ai_sdk.ts';

const ANSWER = [
  { reasoning_content: 'Water ' },
  { reasoning_content: 'digs.' },
  { content: 'They ' },
  { content: 'do.' },
];

let address: string;
/** Sent with the counts of the answer. */
let counts: object;
/** Messages of the last request. */
let asked: unknown;

const server = createServer(async (request, response) => {
  if (request.url === '/v1/models') return response.end('{"data":[{"id":"river-8b"}]}');
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  asked = JSON.parse(Buffer.concat(parts).toString()).messages;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const event = (fields: object): boolean => response.write(`data: ${JSON.stringify(fields)}\n\n`);
  for (const delta of ANSWER) event({ choices: [{ index: 0, delta, finish_reason: null }] });
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  event({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 7, ...counts } });
  response.end('data: [DONE]\n\n');
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test('a thought is streamed as a part of its own, before the answer', async () => {
  counts = {};
  const result = streamText({ model: createLethe({ baseURL: address })(), prompt: 'Why do rivers meander?' });
  const told: string[] = [];
  for await (const part of result.fullStream) {
    if (/^(reasoning|text)-/.test(part.type)) told.push('text' in part ? `${part.type} ${part.text}` : part.type);
  }
  expect(told).toEqual([
    ...['reasoning-start', 'reasoning-delta Water ', 'reasoning-delta digs.', 'reasoning-end'],
    ...['text-start', 'text-delta They ', 'text-delta do.', 'text-end'],
  ]);
  expect(await result.reasoningText).toBe('Water digs.');
  expect(await result.text).toBe('They do.');
  // How the tokens divide is not known, and nothing is made up.
  expect((await result.usage).outputTokens).toBe(7);
  expect((await result.usage).outputTokenDetails).toEqual({ textTokens: undefined, reasoningTokens: undefined });
});

test('a thought that goes back with the conversation is not told to the model again', async () => {
  counts = { completion_tokens_details: { reasoning_tokens: 3 } };
  const model = createLethe({ baseURL: address })();
  const messages: ModelMessage[] = [{ role: 'user', content: 'Why do rivers meander?' }];
  const first = await generateText({ model, messages });
  expect(first.content).toEqual([
    { type: 'reasoning', text: 'Water digs.' },
    { type: 'text', text: 'They do.' },
  ]);
  expect(first.usage.outputTokenDetails).toEqual({ textTokens: 4, reasoningTokens: 3 });
  messages.push(...first.response.messages, { role: 'user', content: 'Always?' });
  expect((await generateText({ model, messages })).text).toBe('They do.');
  expect(asked).toEqual([
    { role: 'user', content: 'Why do rivers meander?' },
    { role: 'assistant', content: 'They do.' },
    { role: 'user', content: 'Always?' },
  ]);
});
