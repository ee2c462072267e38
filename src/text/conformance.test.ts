/**
 * The real tokenizers and templates against the Python packages `tokenizers` and `transformers`, on 2,000 strings each
 * (testdata/make_conformance.py): identical ids, text again from ids, identical prompts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openModel } from '../formats/model_folder.ts';
import { nodeFileSet } from '../store/node_files.ts';
import { createRng } from '../util/rng.ts';
import { chatTemplateOf, renderChat, type TemplateMessage } from './chat_template.ts';
import { Detokenizer } from './detokenizer.ts';
import { tokenizerFromGguf } from './gguf_tokenizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

type Name = 'smollm2' | 'qwen3';
interface Vectors {
  readonly strings: readonly string[];
  readonly ids: Readonly<Record<Name, readonly (readonly number[])[]>>;
  readonly chats: readonly {
    readonly name: string;
    readonly messages: readonly TemplateMessage[];
    readonly options: {
      readonly add_generation_prompt: boolean;
      readonly enable_thinking?: boolean;
      readonly tools?: readonly unknown[];
    };
    readonly texts: Readonly<Record<Name, string>>;
  }[];
}

const root = new URL('../../', import.meta.url);
const shared = new URL(`${process.env.LETHE_SHARED ?? '../shared'}/tokenizers/`, root);
const packed = readFileSync(new URL('testdata/conformance.json.gz', import.meta.url));
const vectors = JSON.parse(gunzipSync(packed).toString()) as Vectors;
const model = await openModel(nodeFileSet(new URL('public/models/smollm2-135m-instruct', root).pathname));
const ggufFiles = tokenizerFromGguf(model.checkpoint.metadata);

const fromGguf = ({ tokenizerJson, tokenizerConfig }: ReturnType<typeof tokenizerFromGguf>): Tokenizer =>
  createTokenizer(tokenizerJson, tokenizerConfig);

interface TokenizerJson {
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly (string | string[])[] };
  readonly added_tokens: readonly { readonly id: number; readonly content: string; readonly special: boolean }[];
}

const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, shared), 'utf8'));

/** The metadata that llama.cpp's converter writes for a `tokenizer.json`: types 1 normal, 3 control, 4 user-defined. */
function metadataOf(json: TokenizerJson, pre: string): Readonly<Record<string, unknown>> {
  const tokens: string[] = [];
  const types: number[] = [];
  const add = (id: number, text: string, type: number): void => {
    [tokens[id], types[id]] = [text, type];
  };
  for (const [text, id] of Object.entries(json.model.vocab)) add(id, text, 1);
  for (const { id, content, special } of json.added_tokens) add(id, content, special ? 3 : 4);
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': pre,
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': types,
    'tokenizer.ggml.merges': json.model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))),
  };
}

/** Every string whose ids differ or whose text does not come back, so that a failure shows all of them. */
function wrong(tokenizer: Tokenizer, name: Name) {
  return vectors.strings.flatMap((text, i) => {
    const expected = vectors.ids[name][i];
    const ids = tokenizer.encode(text);
    const back = tokenizer.decode(expected);
    const whole = name === 'qwen3' ? text.normalize('NFC') : text;
    return ids.join() === expected.join() && back === whole ? [] : [{ text, ids, expected, back }];
  });
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** The pieces of a streamed text. */
function stream(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const detokenizer = new Detokenizer(tokenizer);
  return [...ids.map((id) => detokenizer.push(id).raw), detokenizer.flush().raw];
}

/** Strings whose pieces split a character or do not add up. */
const split = (tokenizer: Tokenizer, name: Name) =>
  vectors.ids[name].filter((ids) => {
    const pieces = stream(tokenizer, ids);
    return (
      pieces.join('') !== tokenizer.decode(ids) ||
      pieces.some((piece) => piece.includes('\ufffd') || LONE_SURROGATE.test(piece))
    );
  });

/**
 * Any ids at all, mostly no UTF-8: pieces hold no half of a pair and add up to the text of all bytes at once, in which
 * a broken sequence is one U+FFFD wherever the tokens are cut.
 */
function addsUpOnAnyIds(tokenizer: Tokenizer): void {
  const rng = createRng(11);
  for (let i = 0; i < 2000; i++) {
    const ids = Array.from({ length: 1 + Math.floor(rng() * 12) }, () => Math.floor(rng() * tokenizer.vocabSize));
    const bytes = ids.flatMap((id) => [...tokenizer.tokenBytes(id)]);
    const pieces = stream(tokenizer, ids);
    expect(pieces.join('')).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes)));
    for (const piece of pieces) expect(piece).not.toMatch(LONE_SURROGATE);
  }
}

/** Chats whose prompt is another than that of `apply_chat_template`. */
const misread = (template: string | null, name: Name) =>
  vectors.chats.flatMap(({ name: chat, messages, options, texts }) => {
    const { add_generation_prompt: addGenerationPrompt, enable_thinking: thinking, tools } = options;
    const given = {
      ...{ addGenerationPrompt, bosToken: null, eosToken: null },
      ...(tools ? { tools } : {}),
      ...(thinking === undefined ? {} : { thinking }),
    };
    const text = renderChat(template ?? '', messages, given);
    return text === texts[name] ? [] : [{ chat, text, expected: texts[name] }];
  });

it('has 2,000 strings and the chats', () => {
  expect(new Set(vectors.strings).size).toBe(2000);
  expect(vectors.chats.length).toBeGreaterThan(12);
});

describe('the default model, from its GGUF metadata', () => {
  const tokenizer = fromGguf(ggufFiles);
  it('gives identical ids and round trips', () => expect(wrong(tokenizer, 'smollm2')).toEqual([]));
  it('never splits a character', () => expect(split(tokenizer, 'smollm2')).toEqual([]));
  it('adds up on any ids', () => addsUpOnAnyIds(tokenizer));
  it('renders every chat as Python does', () => {
    expect(misread(chatTemplateOf(ggufFiles.tokenizerConfig), 'smollm2')).toEqual([]);
  });
});

describe.runIf(existsSync(shared))('the real tokenizers', () => {
  it('smollm2: tokenizer.json', () => {
    expect(wrong(createTokenizer(read('smollm2/tokenizer.json')), 'smollm2')).toEqual([]);
  });
  it('qwen3: tokenizer.json, and what its GGUF would hold', { timeout: 60_000 }, () => {
    const json = read('qwen3/tokenizer.json') as TokenizerJson;
    const tokenizer = createTokenizer(json);
    expect(wrong(tokenizer, 'qwen3')).toEqual([]);
    expect(split(tokenizer, 'qwen3')).toEqual([]);
    addsUpOnAnyIds(tokenizer);
    expect(wrong(fromGguf(tokenizerFromGguf(metadataOf(json, 'qwen2'))), 'qwen3')).toEqual([]);
  });
  it('qwen3: the template renders every chat as Python does', () => {
    expect(misread(chatTemplateOf(read('qwen3/tokenizer_config.json')), 'qwen3')).toEqual([]);
  });
});
