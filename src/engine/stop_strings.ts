/**
 * Finds stop strings in streamed text and holds back what could still become one. The result does not depend on how
 * the text is cut into pieces: the string whose last character comes first ends the answer.
 */

/** The text before a stop string, and whether one was met. */
export interface Released {
  readonly text: string;
  readonly stopped: boolean;
}

export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** Takes the next piece in; gives out what can no longer belong to a stop string. */
  push(piece: string): Released {
    const text = this.#held + piece;
    const end = this.#firstEnd(text);
    if (end) {
      this.#held = '';
      return { text: text.slice(0, end.from), stopped: true };
    }
    const keep = this.#longestStart(text);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep), stopped: false };
  }

  /** What was held back: no more text comes. */
  flush(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /** The match that ends first; of those that end together the longest. */
  #firstEnd(text: string): { readonly from: number; readonly to: number } | null {
    let best: { readonly from: number; readonly to: number } | null = null;
    for (const stop of this.#stops) {
      const from = text.indexOf(stop);
      if (from < 0) continue;
      const to = from + stop.length;
      if (!best || to < best.to || (to === best.to && from < best.from)) best = { from, to };
    }
    return best;
  }

  /** Characters at the end of `text` that begin a stop string. */
  #longestStart(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
