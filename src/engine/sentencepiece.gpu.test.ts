/**
 * A chat of two turns with a SentencePiece vocabulary against `transformers`, from safetensors with tokenizer.json and
 * from GGUF (e2e/fixtures/families/make_families.py): what is read, what is written, and that the second turn goes on.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type ModelFiles, openGgufModel, openModel } from '../formats/model_folder.ts';
import { fileSource } from '../model/golden.ts';
import { nodeFileSet } from '../store/node_files.ts';
import type { ChatMessage } from './api.ts';
import { createLocalEngine } from './engine.ts';
import { dawn, EXACT, hear } from './test_engine.ts';

interface Turn {
  readonly messages: readonly ChatMessage[];
  /** Of the prompt: the earlier answer as it was generated, the rest as `transformers` encodes it in the whole. */
  readonly ids: readonly number[];
  readonly greedy: readonly number[];
  readonly answer: string;
}

const FOLDER = fileURLToPath(new URL('../../e2e/fixtures/families/llama/', import.meta.url));

const open: Readonly<Record<string, () => Promise<ModelFiles>>> = {
  safetensors: async () => {
    const files = nodeFileSet(FOLDER);
    // Without the GGUF file beside it.
    return openModel({ ...files, open: async (name) => (name.endsWith('.gguf') ? null : files.open(name)) });
  },
  gguf: async () => openGgufModel(await fileSource(`${FOLDER}model.gguf`)),
};

test.each(['safetensors', 'gguf'])('two turns from %s', async (format) => {
  const turns = JSON.parse(await readFile(`${FOLDER}chat.json`, 'utf8')) as readonly Turn[];
  const engine = await createLocalEngine({ gpu: dawn, files: await open[format](), weights: 'f32', ...EXACT });
  let held = 0;
  for (const { messages, ids, greedy, answer } of turns) {
    expect(await engine.countTokens(messages)).toBe(ids.length);
    const { chunks, text } = await hear(
      await engine.chat.completions.create({
        ...{ messages, temperature: 0, repetition_penalty: 1, max_tokens: greedy.length },
        ...{ stream: true, stream_options: { include_usage: true } },
      }),
    );
    expect(text).toBe(answer);
    expect(chunks.at(-1)?.usage).toMatchObject({
      prompt_tokens: ids.length,
      prompt_tokens_details: { cached_tokens: held },
    });
    held = ids.length + greedy.length;
  }
  await engine.destroy();
});
