/**
 * Tells a model's thought from its answer in streamed text: what stands between `<think>` and `</think>` at the very
 * beginning. The result does not depend on how the text is cut into pieces. A tag later in the answer is plain text.
 */

/** Text that was told apart. Either may be empty. */
export interface Parted {
  readonly thought: string;
  readonly text: string;
}

export const OPENING = '<think>';
export const CLOSING = '</think>';

/** `before`: nothing but white space came. `seam`: the thought ended, and no word of the answer came yet. */
type Place = 'before' | 'thought' | 'seam' | 'answer';

export class ThoughtSplitter {
  #place: Place;
  /** What may still become a tag, or white space at the edge of a thought. */
  #held = '';
  /** Words of the thought came: white space in front of them is no part of it. */
  #begun = false;

  /** @param open true where the prompt itself ends with the opening tag, as some templates make it */
  constructor(open: boolean) {
    this.#place = open ? 'thought' : 'before';
  }

  push(piece: string): Parted {
    this.#held += piece;
    const thought = this.#beforeThought() ? this.#takeThought() : '';
    return { thought, text: this.#takeText() };
  }

  /** What was held back: no more text comes. */
  flush(): Parted {
    const held = this.#held;
    this.#held = '';
    if (this.#place === 'thought') return { thought: this.#begun ? held.trimEnd() : held.trim(), text: '' };
    return { thought: '', text: this.#place === 'seam' ? '' : held };
  }

  /** True once it is known that the text is inside the thought. */
  #beforeThought(): boolean {
    if (this.#place !== 'before') return this.#place === 'thought';
    const words = this.#held.trimStart();
    if (words.startsWith(OPENING)) {
      this.#held = words.slice(OPENING.length);
      this.#place = 'thought';
      return true;
    }
    if (!OPENING.startsWith(words)) this.#place = 'answer';
    return false;
  }

  #takeThought(): string {
    const end = this.#held.indexOf(CLOSING);
    const safe = end < 0 ? this.#held.length - tagStart(this.#held) : end;
    // White space before the closing tag is no part of the thought, so it waits for the words behind it.
    let thought = this.#held.slice(0, safe).trimEnd();
    const rest = this.#held.slice(end < 0 ? thought.length : end + CLOSING.length);
    if (!this.#begun) thought = thought.trimStart();
    this.#begun ||= thought !== '';
    this.#held = rest;
    if (end >= 0) this.#place = 'seam';
    return thought;
  }

  #takeText(): string {
    if (this.#place === 'seam') {
      this.#held = this.#held.trimStart();
      if (this.#held !== '') this.#place = 'answer';
    }
    if (this.#place !== 'answer') return '';
    const text = this.#held;
    this.#held = '';
    return text;
  }
}

/** Characters at the end of `text` that begin a closing tag. */
function tagStart(text: string): number {
  for (let length = Math.min(CLOSING.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(CLOSING.slice(0, length))) return length;
  }
  return 0;
}
