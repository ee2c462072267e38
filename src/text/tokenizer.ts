/**
 * Text to token ids and back, for BPE vocabularies: byte-level ones (byte_level.ts) and SentencePiece's
 * (sentencepiece.ts). Encoding is `@huggingface/tokenizers`; decoding is ours, by bytes, since streamed text must never
 * split a character. It refuses vocabularies with another decoder (Unigram, WordPiece).
 */
import { Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import { byteLevelForm, isByteLevel } from './byte_level.ts';
import { TextError } from './errors.ts';
import { isSentencePiece, sentencePieceForm } from './sentencepiece.ts';
import { addedTokens, type Fields, fields, type TextForm } from './text_form.ts';

export interface Tokenizer {
  /**
   * Token ids of a text. Special tokens written in the text are recognised, none is added.
   * @param after the text that it follows: SentencePiece vocabularies mark the start of a text. None by default.
   */
  encode(text: string, after?: string): number[];
  /** The text of tokens; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /**
   * True where a text that follows `after` is encoded with a space before it that is not in the text; the bytes of its
   * first token begin with it.
   */
  addsSpaceAfter(after: string): boolean;
  /** True where `decode` drops one space at the start, as the first word of a SentencePiece vocabulary has it. */
  readonly stripsSpace: boolean;
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

/** A special token in tokenizer_config.json is a text, or an object around one. */
function tokenText(value: unknown): string | null {
  const text = typeof value === 'object' ? fields(value).content : value;
  return typeof text === 'string' && text !== '' ? text : null;
}

/** @throws TextError in the library's words when it cannot make a tokenizer of it */
function openEncoder(json: Fields, config: Fields): BpeTokenizer {
  try {
    return new BpeTokenizer({ added_tokens: [], normalizer: null, post_processor: null, ...json }, config);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new TextError(`The tokenizer cannot be used: ${words}`, { cause });
  }
}

/** @throws TextError when the vocabulary is neither byte-level BPE nor SentencePiece's */
function formOf(json: Fields, config: Fields): TextForm {
  const { type } = fields(json.model);
  const open = (changed: Fields) => openEncoder(changed, config);
  if (type === 'BPE' && isByteLevel(json.decoder)) return byteLevelForm(json, open);
  if (type === 'BPE' && isSentencePiece(json.decoder)) return sentencePieceForm(json, open);
  const found = `${String(type)} with decoder ${String(fields(json.decoder).type)}`;
  throw new TextError(`The tokenizer is ${found}; only BPE of the ByteLevel or the SentencePiece kind is supported.`);
}

/**
 * A tokenizer from the contents of `tokenizer.json` and `tokenizer_config.json`, parsed.
 * @throws TextError when the vocabulary is of another kind, or is damaged
 */
export function createTokenizer(tokenizerJson: unknown, tokenizerConfig?: unknown): Tokenizer {
  const json = fields(tokenizerJson);
  const config = fields(tokenizerConfig);
  const form = formOf(json, config);
  const vocab = fields(fields(json.model).vocab);
  const added = addedTokens(json);
  const texts: string[] = [];
  for (const [text, id] of Object.entries(vocab)) texts[Number(id)] = text;
  const literal = new Map(added.map((token) => [token.id, token]));
  const ids = new Map(added.map(({ id, content }) => [content, id]));
  const special = new Set(added.filter((token) => token.special).map(({ id }) => id));

  function tokenBytes(id: number): Uint8Array {
    const token = literal.get(id);
    return token ? form.addedBytes(token) : form.bytes(texts[id] ?? '');
  }

  return {
    encode: (text, after = '') => form.encode(text, after),
    decode(tokens, { skipSpecialTokens = false } = {}) {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      const kept = skipSpecialTokens ? tokens.filter((id) => !special.has(id)) : tokens;
      const text = kept.map((id) => decoder.decode(tokenBytes(id), { stream: true })).join('') + decoder.decode();
      return form.stripsSpace && text.startsWith(' ') ? text.slice(1) : text;
    },
    addsSpaceAfter: form.addsSpaceAfter,
    stripsSpace: form.stripsSpace,
    tokenBytes,
    isSpecial: (id) => special.has(id),
    tokenId: (text) => ids.get(text) ?? (Object.hasOwn(vocab, text) ? Number(vocab[text]) : undefined),
    vocabSize: Math.max(texts.length, ...added.map(({ id }) => id + 1)),
    bosToken: tokenText(config.bos_token),
    eosToken: tokenText(config.eos_token),
  };
}
