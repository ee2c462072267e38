/**
 * The vocabulary in a GGUF file's metadata, in the form of `tokenizer.json` and `tokenizer_config.json`. Byte-level BPE
 * (`gpt2`) with a pre-tokenizer that is known here, since a guess at another one would give wrong ids without a word,
 * and SentencePiece's BPE (`llama`).
 */
import { TextError } from './errors.ts';
import { mergesByScore } from './sentencepiece_merges.ts';

export interface TokenizerFiles {
  readonly tokenizerJson: Readonly<Record<string, unknown>>;
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

/** ggml's token types (llama.h, `llama_token_attr`'s forerunner). */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;

const split = (regex: string) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false });
const byteLevel = (useRegex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: false,
  use_regex: useRegex,
});
const sequence = (...pretokenizers: readonly unknown[]) => ({ type: 'Sequence', pretokenizers });

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const REST = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

interface Rules {
  readonly preTokenizer: unknown;
  readonly normalizer: unknown;
  /** True where a word that is a token as a whole is taken so, even if no merges lead to it. */
  readonly ignoreMerges: boolean;
}

const LLAMA3: Rules = {
  preTokenizer: sequence(split(`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${REST}`), byteLevel(false)),
  normalizer: null,
  ignoreMerges: true,
};

/** The rules behind ggml's names, as in the `tokenizer.json` of the models that they are named after. */
const RULES: ReadonlyMap<string, Rules> = new Map<string, Rules>([
  ['gpt-2', { preTokenizer: byteLevel(true), normalizer: null, ignoreMerges: false }],
  [
    'smollm',
    {
      preTokenizer: sequence({ type: 'Digits', individual_digits: true }, byteLevel(true)),
      normalizer: null,
      ignoreMerges: false,
    },
  ],
  [
    'qwen2',
    {
      preTokenizer: sequence(split(`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${REST}`), byteLevel(false)),
      normalizer: { type: 'NFC' },
      ignoreMerges: false,
    },
  ],
  ['llama-bpe', LLAMA3],
  // The same rules: the name that llama.cpp's converter gives to SmolLM3's vocabulary.
  ['smaug-bpe', LLAMA3],
]);

type Metadata = Readonly<Record<string, unknown>>;

function list<T>(metadata: Metadata, key: string, is: (value: unknown) => value is T): readonly T[] {
  const value = metadata[`tokenizer.ggml.${key}`];
  if (!Array.isArray(value) || !value.every(is)) {
    throw new TextError(`The GGUF file has no usable tokenizer.ggml.${key}; it cannot be used for text.`);
  }
  return value;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';

/** Tokens and their types by id. */
interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
}

/** The parts of `tokenizer.json` in which the kinds differ. */
interface Parts {
  readonly normalizer: unknown;
  readonly preTokenizer: unknown;
  readonly decoder: unknown;
  /** Fields of the model that are not empty. */
  readonly model: Readonly<Record<string, unknown>>;
}

/** The merges as pairs; a space is never part of a half, since both kinds write it otherwise. @throws TextError */
function listedMerges(metadata: Metadata): (readonly [string, string])[] {
  return list(metadata, 'merges', isText).map((merge) => {
    const space = merge.indexOf(' ', 1);
    return [merge.slice(0, space), merge.slice(space + 1)] as const;
  });
}

/** @throws TextError that names the pre-tokenizer that is not supported */
function byteLevelParts(metadata: Metadata): Parts {
  const pre = metadata['tokenizer.ggml.pre'];
  const rules = RULES.get(String(pre));
  if (!rules) {
    throw new TextError(`The pre-tokenizer ${String(pre)} is not supported; ${[...RULES.keys()].join(', ')} are.`);
  }
  const model = { merges: listedMerges(metadata), ignore_merges: rules.ignoreMerges };
  return { normalizer: rules.normalizer, preTokenizer: rules.preTokenizer, decoder: byteLevel(true), model };
}

const replace = (text: string, content: string) => ({ type: 'Replace', pattern: { String: text }, content });

/** Merges, which some files have beside the scores that they follow from. @throws TextError */
function sentencePieceMerges(metadata: Metadata, tokens: readonly string[]): readonly (readonly [string, string])[] {
  if (metadata['tokenizer.ggml.merges'] !== undefined) return listedMerges(metadata);
  const scores = list(metadata, 'scores', isNumber);
  if (scores.length !== tokens.length) {
    throw new TextError(`The GGUF file has ${tokens.length} tokens and ${scores.length} scores; it is damaged.`);
  }
  return mergesByScore(tokens, scores);
}

/**
 * As llama.cpp reads it (llm_tokenizer_spm): the best score is joined first, and a space goes before each text between
 * special tokens, as the `Prepend` of Llama 2's tokenizer.json has it.
 */
function sentencePieceParts(metadata: Metadata, { tokens, types }: Vocabulary): Parts {
  const prefix = metadata['tokenizer.ggml.add_space_prefix'] !== false;
  const normalizers = [...(prefix ? [{ type: 'Prepend', prepend: '▁' }] : []), replace(' ', '▁')];
  const strip = prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : [];
  return {
    normalizer: { type: 'Sequence', normalizers },
    preTokenizer: null,
    decoder: { type: 'Sequence', decoders: [replace('▁', ' '), { type: 'ByteFallback' }, { type: 'Fuse' }, ...strip] },
    model: {
      merges: sentencePieceMerges(metadata, tokens),
      unk_token: tokens[types.indexOf(UNKNOWN)] ?? null,
      fuse_unk: true,
      byte_fallback: true,
    },
  };
}

const KINDS: ReadonlyMap<unknown, (metadata: Metadata, vocabulary: Vocabulary) => Parts> = new Map([
  ['gpt2', byteLevelParts],
  ['llama', sentencePieceParts],
]);

/** Tokens that are searched for in a text before all else. */
function addedTokens({ tokens, types }: Vocabulary, kind: unknown) {
  const added = kind === 'llama' ? [UNKNOWN, CONTROL, USER_DEFINED] : [CONTROL, USER_DEFINED];
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return tokens.flatMap((content, id) =>
    added.includes(types[id]) ? [{ id, content, ...plain, special: types[id] !== USER_DEFINED }] : [],
  );
}

/**
 * Reads the vocabulary, merges, special tokens and chat template.
 * @param metadata of `openGguf`
 * @throws TextError that names the kind of vocabulary or the pre-tokenizer that is not supported
 */
export function tokenizerFromGguf(metadata: Metadata): TokenizerFiles {
  const kind = metadata['tokenizer.ggml.model'];
  const partsOf = KINDS.get(kind);
  if (!partsOf) {
    const known = 'gpt2 (byte-level BPE) and llama (SentencePiece BPE) are';
    throw new TextError(`The tokenizer of kind ${String(kind)} is not supported; ${known}.`);
  }
  const vocabulary = { tokens: list(metadata, 'tokens', isText), types: list(metadata, 'token_type', isNumber) };
  const { normalizer, preTokenizer, decoder, model } = partsOf(metadata, vocabulary);
  const named = (key: string): string | null => {
    const id = metadata[`tokenizer.ggml.${key}_token_id`];
    return typeof id === 'number' ? (vocabulary.tokens[id] ?? null) : null;
  };
  return {
    tokenizerJson: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(vocabulary, kind),
      normalizer,
      pre_tokenizer: preTokenizer,
      post_processor: null,
      decoder,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(vocabulary.tokens.map((token, id) => [token, id])),
        ...model,
      },
    },
    tokenizerConfig: {
      bos_token: named('bos'),
      eos_token: named('eos'),
      chat_template: metadata['tokenizer.chat_template'] ?? null,
      clean_up_tokenization_spaces: false,
    },
  };
}
