/** Tokens to text one at a time, for streaming. It holds back bytes until they are whole characters. */
import type { Tokenizer } from './tokenizer.ts';

/** What a token added: `text` for the reader, without special tokens, and `raw` with them. */
export interface TextPiece {
  readonly text: string;
  readonly raw: string;
}

/**
 * Joined over all tokens, `text` is `decode(ids, { skipSpecialTokens: true })` and `raw` is `decode(ids)`; no piece
 * ends inside a character. `raw` is what a later turn's prompt repeats.
 */
export class Detokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #visible = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #raw = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  push(id: number): TextPiece {
    const bytes = this.#tokenizer.tokenBytes(id);
    const raw = this.#raw.decode(bytes, { stream: true });
    return { text: this.#tokenizer.isSpecial(id) ? '' : this.#visible.decode(bytes, { stream: true }), raw };
  }

  /** What was held back, as U+FFFD where it is no whole character. Call it once, at the end; then start anew. */
  flush(): TextPiece {
    return { text: this.#visible.decode(), raw: this.#raw.decode() };
  }
}
