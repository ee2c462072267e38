/**
 * Text to token ids and back, for byte-level BPE vocabularies (GPT-2's kind: Llama 3, SmolLM2, Qwen). Encoding is
 * `@huggingface/tokenizers`; decoding is ours, by bytes, since streamed text must never split a character. It refuses
 * vocabularies with another decoder (SentencePiece, WordPiece).
 */
import { Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import { TextError } from './errors.ts';

export interface Tokenizer {
  /** Token ids of a text. Special tokens written in the text are recognised, none is added. */
  encode(text: string): number[];
  /** The text of tokens; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** UTF-8 bytes of one token, which may begin or end inside a character; none for an id without a token. */
  tokenBytes(id: number): Uint8Array;
  /** True for control tokens, such as the end of a turn, that are not part of an answer's text. */
  isSpecial(id: number): boolean;
  /** The id of the token that is written exactly so. */
  tokenId(text: string): number | undefined;
  /** One more than the highest id. */
  readonly vocabSize: number;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** A special token in tokenizer_config.json is a text, or an object around one. */
function tokenText(value: unknown): string | null {
  const text = typeof value === 'object' ? fields(value).content : value;
  return typeof text === 'string' && text !== '' ? text : null;
}

/** GPT-2's alphabet: each byte as one printable character (bytes_to_unicode in openai/gpt-2 encoder.py). */
function byteOfCharacter(): ReadonlyMap<string, number> {
  const printable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  const map = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) map.set(String.fromCharCode(printable(byte) ? byte : next++), byte);
  return map;
}

/** A component of `tokenizer.json` and those inside it, by type. */
function hasType(component: unknown, type: string): boolean {
  const { type: own, decoders, pretokenizers } = fields(component);
  const inner = [decoders, pretokenizers].flatMap((list) => (Array.isArray(list) ? list : []));
  return own === type || inner.some((part) => hasType(part, type));
}

const splitAt = (regex: string) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false });

/** GPT-2's words, which `ByteLevel` splits at unless told not to (ByteLevel in Hugging Face's tokenizers). */
const GPT2_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * Symptom: @huggingface/tokenizers 0.2.0 gives other ids than the original for "½" beside other numbers, since its
 * `Digits` knows ASCII's only (the original: all of Unicode's), and for text with U+0085 or U+FEFF, since its
 * `ByteLevel` takes JavaScript's idea of white space. Its `Split` has neither fault, so both are said as a `Split`.
 * Delete this when the vectors in tokenizer.test.ts pass without it.
 */
function asSplits(component: unknown): unknown {
  const own = fields(component);
  if (own.type === 'Digits') return splitAt(own.individual_digits === true ? '\\p{N}' : '\\p{N}+');
  if (own.type === 'ByteLevel' && own.use_regex !== false && own.add_prefix_space === false) {
    return { type: 'Sequence', pretokenizers: [splitAt(GPT2_WORDS), { ...own, use_regex: false }] };
  }
  if (!Array.isArray(own.pretokenizers)) return component;
  return { ...own, pretokenizers: own.pretokenizers.map(asSplits) };
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

function addedTokens(json: Fields): AddedToken[] {
  const list = Array.isArray(json.added_tokens) ? json.added_tokens.map(fields) : [];
  return list.flatMap(({ id, content, special }) =>
    typeof id === 'number' && typeof content === 'string' ? [{ id, content, special: special === true }] : [],
  );
}

/** @throws TextError in the library's words when it cannot make a tokenizer of it */
function openEncoder(json: Fields, config: Fields): BpeTokenizer {
  const optional = { added_tokens: [], normalizer: null, post_processor: null };
  try {
    return new BpeTokenizer({ ...optional, ...json, pre_tokenizer: asSplits(json.pre_tokenizer) ?? null }, config);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new TextError(`The tokenizer cannot be used: ${words}`, { cause });
  }
}

/**
 * A tokenizer from the contents of `tokenizer.json` and `tokenizer_config.json`, parsed.
 * @throws TextError when the vocabulary is not byte-level BPE, or is damaged
 */
export function createTokenizer(tokenizerJson: unknown, tokenizerConfig?: unknown): Tokenizer {
  const json = fields(tokenizerJson);
  const model = fields(json.model);
  if (model.type !== 'BPE' || !hasType(json.decoder, 'ByteLevel')) {
    const found = `${String(model.type)} with decoder ${String(fields(json.decoder).type)}`;
    throw new TextError(`The tokenizer is ${found}; only BPE with a ByteLevel decoder is supported.`);
  }
  const config = fields(tokenizerConfig);
  const added = addedTokens(json);
  const encoder = openEncoder(json, config);
  const texts: string[] = [];
  for (const [text, id] of Object.entries(fields(model.vocab))) texts[Number(id)] = text;
  const literal = new Map(added.map(({ id, content }) => [id, content]));
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id));
  const byteOf = byteOfCharacter();
  const utf8 = new TextEncoder();

  function tokenBytes(id: number): Uint8Array {
    const content = literal.get(id);
    if (content !== undefined) return utf8.encode(content);
    const characters = Array.from(texts[id] ?? '');
    const bytes = characters.map((character) => byteOf.get(character) ?? -1);
    return bytes.includes(-1) ? utf8.encode(texts[id]) : Uint8Array.from(bytes);
  }

  return {
    encode: (text) => (text === '' ? [] : encoder.encode(text, { add_special_tokens: false }).ids),
    decode(ids, { skipSpecialTokens = false } = {}) {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      const kept = skipSpecialTokens ? ids.filter((id) => !special.has(id)) : ids;
      return kept.map((id) => decoder.decode(tokenBytes(id), { stream: true })).join('') + decoder.decode();
    },
    tokenBytes,
    isSpecial: (id) => special.has(id),
    tokenId: (text) => encoder.token_to_id(text),
    vocabSize: Math.max(texts.length, ...added.map(({ id }) => id + 1)),
    bosToken: tokenText(config.bos_token),
    eosToken: tokenText(config.eos_token),
  };
}
