/** Tokens to text one at a time, for streaming. It holds back bytes until they are whole characters. */
import type { Tokenizer } from './tokenizer.ts';

/** What a token added: `text` for the reader, without special tokens, and `raw` with them. */
export interface TextPiece {
  readonly text: string;
  readonly raw: string;
}

/**
 * Joined over all tokens, `text` is `decode(ids, { skipSpecialTokens: true })`; no piece ends inside a character. `raw`
 * is what a later turn's prompt repeats: the text that `encode` turns into these tokens, where it follows `after`.
 */
export class Detokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #visible = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #raw = new TextDecoder('utf-8', { ignoreBOM: true });
  /** True while a space at the start is not for the reader. */
  #strips: boolean;
  /** True where a space is none of the text, but put there by the encoding. */
  #addedSpace: boolean;

  /** @param after the text before the first token; none by default */
  constructor(tokenizer: Tokenizer, after = '') {
    this.#tokenizer = tokenizer;
    this.#strips = tokenizer.stripsSpace;
    this.#addedSpace = tokenizer.addsSpaceAfter(after);
  }

  push(id: number): TextPiece {
    const bytes = this.#tokenizer.tokenBytes(id);
    const raw = this.#raw.decode(this.#addedSpace ? withoutSpace(bytes) : bytes, { stream: true });
    if (bytes.length > 0) this.#addedSpace = raw !== '' && this.#tokenizer.addsSpaceAfter(raw);
    return { text: this.#tokenizer.isSpecial(id) ? '' : this.#show(bytes), raw };
  }

  #show(bytes: Uint8Array): string {
    const shown = this.#strips ? withoutSpace(bytes) : bytes;
    if (bytes.length > 0) this.#strips = false;
    return this.#visible.decode(shown, { stream: true });
  }

  /** What was held back, as U+FFFD where it is no whole character. Call it once, at the end; then start anew. */
  flush(): TextPiece {
    return { text: this.#visible.decode(), raw: this.#raw.decode() };
  }
}

/** Bytes of a text without one space at its start. */
const withoutSpace = (bytes: Uint8Array): Uint8Array => (bytes[0] === 0x20 ? bytes.subarray(1) : bytes);
