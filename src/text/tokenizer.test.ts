import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openModel } from '../formats/model_folder.ts';
import { nodeFileSet } from '../store/node_files.ts';
import { Detokenizer } from './detokenizer.ts';
import { tokenizerFromGguf } from './gguf_tokenizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

type Ids = readonly (readonly number[])[];
interface Vectors {
  readonly strings: readonly string[];
  readonly smollm: Ids;
  readonly qwen3: Ids;
  readonly 'gpt-2': Ids;
  readonly qwen2: Ids;
  readonly 'llama-bpe': Ids;
  /** Text without special tokens, where it differs, by the string's index. */
  readonly visible: Readonly<Record<string, string>>;
  /** Random ids, whose bytes are mostly no UTF-8, and their text. */
  readonly broken: readonly (readonly [readonly number[], string])[];
}
const root = new URL('../../', import.meta.url);
const shared = new URL(`${process.env.LETHE_SHARED ?? '../shared'}/`, root);
const json = (url: URL): unknown => JSON.parse(readFileSync(url, 'utf8'));
const vectors = json(new URL('testdata/tokens.json', import.meta.url)) as Vectors;
const model = await openModel(nodeFileSet(new URL('public/models/smollm2-135m-instruct', root).pathname));
const { metadata } = model.checkpoint;

function fromGguf(pre: string): Tokenizer {
  const { tokenizerJson, tokenizerConfig } = tokenizerFromGguf({ ...metadata, 'tokenizer.ggml.pre': pre });
  return createTokenizer(tokenizerJson, tokenizerConfig);
}
const smollm = fromGguf('smollm');

/** All strings whose ids differ, so that a failure shows every one at once. */
const wrong = (tokenizer: Tokenizer, expected: Ids) =>
  vectors.strings.flatMap((text, i) => {
    const ids = tokenizer.encode(text);
    return ids.join() === expected[i].join() ? [] : [{ text, ids, expected: expected[i] }];
  });

describe('ids of the tokenizers package', () => {
  it('has enough strings', () => expect(vectors.strings.length).toBeGreaterThan(250));
  it.each(['smollm', 'gpt-2', 'qwen2', 'llama-bpe'] as const)('from GGUF metadata with pre-tokenizer %s', (pre) => {
    expect(wrong(fromGguf(pre), vectors[pre])).toEqual([]);
  });
  it('from GGUF metadata with smaug-bpe, which is llama-bpe by another name', () => {
    expect(wrong(fromGguf('smaug-bpe'), vectors['llama-bpe'])).toEqual([]);
  });
  it.each([
    ['smollm2', 'smollm'],
    ['qwen3', 'qwen3'],
  ] as const)('from the tokenizer.json of %s', (folder, kind) => {
    const tokenizer = createTokenizer(json(new URL(`tokenizers/${folder}/tokenizer.json`, shared)));
    expect(wrong(tokenizer, vectors[kind])).toEqual([]);
    for (const [i, ids] of vectors[kind].entries()) {
      const text = kind === 'qwen3' ? vectors.strings[i].normalize('NFC') : vectors.strings[i];
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });
  it('of all golden prompts', () => {
    const { prompts } = json(new URL('golden/golden.json', shared)) as {
      readonly prompts: readonly { text: string; ids: number[]; greedy: number[]; greedy_text: string }[];
    };
    expect(prompts.length).toBe(10);
    for (const { text, ids, greedy, greedy_text: greedyText } of prompts) {
      expect(smollm.encode(text)).toEqual(ids);
      expect(smollm.decode(greedy)).toBe(greedyText);
    }
  });
});

describe('decoding', () => {
  it('leaves special tokens out where asked', () => {
    for (const [i, ids] of vectors.smollm.entries()) {
      const visible = vectors.visible[i] ?? vectors.strings[i];
      expect(smollm.decode(ids, { skipSpecialTokens: true })).toBe(visible);
    }
  });
  it('writes broken UTF-8 as the tokenizers package does', () => {
    for (const [ids, text] of vectors.broken) expect(smollm.decode(ids)).toBe(text);
  });
  it('takes an empty text and an unknown id', () => {
    expect(smollm.encode('')).toEqual([]);
    expect(smollm.decode([49152, 1e9])).toBe('');
  });
});

describe('streaming', () => {
  const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
  const stream = (ids: readonly number[]) => {
    const detokenizer = new Detokenizer(smollm);
    const pieces = [...ids.map((id) => detokenizer.push(id)), detokenizer.flush()];
    return { pieces, text: pieces.map(({ text }) => text).join(''), raw: pieces.map(({ raw }) => raw).join('') };
  };
  it('adds up to the decoded text and never splits a character', () => {
    for (const [i, ids] of vectors.smollm.entries()) {
      const { pieces, text, raw } = stream(ids);
      expect(raw).toBe(vectors.strings[i]);
      expect(text).toBe(vectors.visible[i] ?? vectors.strings[i]);
      for (const piece of pieces) {
        expect(piece.raw).not.toMatch(/\ufffd/);
        expect(piece.raw).not.toMatch(loneSurrogate);
      }
    }
  });
  it('adds up on broken UTF-8 too', () => {
    for (const [ids, text] of vectors.broken) expect(stream(ids).raw).toBe(text);
  });
  it('holds the bytes of an emoji until they are whole', () => {
    const ids = smollm.encode('🫠');
    expect(ids.length).toBeGreaterThan(1);
    expect(stream(ids).pieces.map(({ text }) => text)).toEqual([...Array(ids.length - 1).fill(''), '🫠', '']);
  });
  it('shows a cut character at the end', () => {
    expect(stream(smollm.encode('🫠').slice(0, 1)).text).toBe('\ufffd');
  });
});

describe('facts', () => {
  it('of the default model', () => {
    expect(smollm.vocabSize).toBe(49152);
    expect([smollm.bosToken, smollm.eosToken]).toEqual(['<|im_start|>', '<|im_end|>']);
    expect(smollm.tokenId('<|im_end|>')).toBe(2);
    expect(smollm.tokenId('no such token')).toBeUndefined();
    expect(smollm.isSpecial(2)).toBe(true);
    expect(smollm.isSpecial(500)).toBe(false);
  });
});

describe('refusals', () => {
  it('names the pre-tokenizer, the kind and what is missing', () => {
    const gguf = (changes: object) => () => tokenizerFromGguf({ ...metadata, ...changes });
    expect(gguf({ 'tokenizer.ggml.pre': 'tekken' })).toThrow(/pre-tokenizer tekken is not supported; gpt-2, smollm/);
    expect(gguf({ 'tokenizer.ggml.model': 't5' })).toThrow(/kind t5 is not supported; gpt2 .* and llama/);
    expect(gguf({ 'tokenizer.ggml.merges': undefined })).toThrow(/no usable tokenizer\.ggml\.merges/);
    expect(gguf({ 'tokenizer.ggml.tokens': [1] })).toThrow(/no usable tokenizer\.ggml\.tokens/);
  });
  it('other decoders', () => {
    const model = { type: 'BPE', vocab: {}, merges: [] };
    const other = { model, decoder: { type: 'WordPiece' } };
    expect(() => createTokenizer(other)).toThrow(/BPE with decoder WordPiece; only BPE of the ByteLevel or/);
    expect(() => createTokenizer({ model: { type: 'Unigram' } })).toThrow(/Unigram with decoder undefined/);
  });
});
