/** The types of OpenAI's own client accept what an engine gives: the compiler judges, and real objects go through. */
import type OpenAI from 'openai';
import { expect, test } from 'vitest';
import type { ChatChunk, ChatCompletion, FinishReason } from './api.ts';
import { ChunkBuilder, collectChunks } from './completions.ts';

/** Code as people write it for OpenAI's client. */
function textOf({ choices }: OpenAI.ChatCompletion): string {
  return choices.map(({ message }) => message.content ?? '').join('');
}

function deltaOf({ choices }: OpenAI.ChatCompletionChunk): string {
  return choices[0]?.delta.content ?? '';
}

const USAGE = {
  ...{ prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  prompt_tokens_details: { cached_tokens: 1 },
  kv: { bytes: 1, dense_bytes: 2, ratio: 2 },
};

async function* chunks(reason: FinishReason): AsyncGenerator<ChatChunk> {
  const builder = new ChunkBuilder('river', true);
  yield builder.first();
  yield builder.text('for');
  yield builder.prefill(1, 2);
  yield builder.text('got');
  yield builder.last(reason, {});
  yield builder.usage(USAGE);
}

test('chunks and completions are of the types of the client', async () => {
  let streamed = '';
  for await (const chunk of chunks('length')) {
    const theirs: OpenAI.ChatCompletionChunk = chunk;
    streamed += deltaOf(theirs);
  }
  const ours: ChatCompletion = await collectChunks(chunks('stop'));
  const theirs: OpenAI.ChatCompletion = ours;
  expect(streamed).toBe('forgot');
  expect(textOf(theirs)).toBe('forgot');
  expect(theirs.usage?.prompt_tokens_details?.cached_tokens).toBe(1);
});
