/**
 * What the cache holds, as text and as tokens, so that a chat that grew by a turn is read from where it grew. It never
 * asks the model anything: it is told what was read and what was generated.
 */

import type { ChatMessage } from './api.ts';

/** What must be read before an answer to a rendered chat. */
export interface ReadPlan {
  /** The whole chat as text. */
  readonly rendered: string;
  /** True when the cache must be emptied first. */
  readonly reset: boolean;
  /** Tokens that the cache has already; 0 after a reset. */
  readonly cached: number;
  /** Tokens to read; none only when the very same chat was read and nothing was generated from it. */
  readonly rest: readonly number[];
}

/** A conversation between two requests, as a snapshot keeps it. */
export interface ConversationState {
  readonly ids: readonly number[];
  readonly text: string | null;
  readonly unanswered: boolean;
  readonly messages: readonly ChatMessage[];
}

/** Text that follows `after` to tokens; special tokens written out in the text become one token each. */
type Encode = (text: string, after: string) => number[];

export class Conversation {
  readonly #encode: Encode;
  /** Tokens of the cache, and maybe one more that was chosen and will be fed before anything else is read. */
  #ids: number[] = [];
  /** Exactly their text, special tokens included; null when the reading stopped where the text cannot tell. */
  #text: string | null = '';
  /** True from the end of a reading until generation begins: the session can generate without reading anything. */
  #unanswered = false;
  /** Messages of the last request that was read, wholly or in part. */
  #messages: readonly ChatMessage[] = [];

  constructor(encode: Encode) {
    this.#encode = encode;
  }

  /** Tokens in the cache, by this count. */
  get length(): number {
    return this.#ids.length;
  }

  /** Compares a rendered chat with the cache. Changes nothing. */
  plan(rendered: string): ReadPlan {
    const cached = this.#ids.length;
    const all = this.#text === null || cached === 0 ? this.#encode(rendered, '') : [];
    if (this.#text !== null && cached > 0 && rendered.startsWith(this.#text)) {
      const rest = this.#encode(rendered.slice(this.#text.length), this.#text);
      if (rest.length > 0 || this.#unanswered) return { rendered, reset: false, cached, rest };
    }
    if (this.#text === null && all.length > cached && this.#ids.every((id, i) => id === all[i])) {
      return { rendered, reset: false, cached, rest: all.slice(cached) };
    }
    return { rendered, reset: true, cached: 0, rest: all.length > 0 ? all : this.#encode(rendered, '') };
  }

  /** A request's messages are about to be read. */
  hear(messages: readonly ChatMessage[]): void {
    this.#messages = messages;
  }

  /** The plan's tokens are in the cache. */
  read(plan: ReadPlan): void {
    this.#ids.push(...plan.rest);
    this.#text = plan.rendered;
    this.#unanswered = true;
  }

  /** The plan was given up when the session held `position` tokens. */
  readPartly(plan: ReadPlan, position: number): void {
    const before = this.#ids.length;
    if (position <= before) return;
    this.#ids.push(...plan.rest.slice(0, position - before));
    this.#text = null;
    this.#unanswered = false;
  }

  /** Generation begins. */
  startAnswer(): void {
    this.#unanswered = false;
  }

  /** A generated token entered the conversation. */
  addToken(id: number): void {
    this.#ids.push(id);
  }

  /** The text of generated tokens, as it becomes known. */
  addText(raw: string): void {
    if (this.#text !== null) this.#text += raw;
  }

  /** The cache was emptied. */
  clear(): void {
    this.#ids = [];
    this.#text = '';
    this.#unanswered = false;
    this.#messages = [];
  }

  save(): ConversationState {
    return { ids: [...this.#ids], text: this.#text, unanswered: this.#unanswered, messages: this.#messages };
  }

  restore({ ids, text, unanswered, messages }: ConversationState): void {
    this.#ids = [...ids];
    this.#text = text;
    this.#unanswered = unanswered;
    this.#messages = messages;
  }
}
