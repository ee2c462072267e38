/**
 * The field to write in. Enter sends, Shift+Enter breaks the line, Up in an empty field edits the last message, Esc
 * stops an answer or leaves the editing. A message for which there is no room is told of while it is written. It never
 * takes the focus by itself.
 */
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { defined } from '../util/assert.ts';
import type { Measure } from './chat.ts';
import type { UserTurn } from './chat_state.ts';
import { formatCount } from './format.ts';
import { sharedStyles } from './shared_styles.ts';
import { fillIn, WORDS, type Words } from './words.ts';

/** Milliseconds without a key before the text is measured. */
const MEASURE_AFTER_MS = 300;

/** A conversation that leaves fewer tokens than this for the answer is told of before it is sent. */
const ANSWER_ROOM = 64;

export class Composer extends LitElement {
  static override readonly styles = [
    sharedStyles,
    css`
      form {
        display: grid;
        grid-template-columns: 1fr auto;
        gap: 0.5rem;
        align-items: end;
      }
      textarea {
        padding: 0.5rem 0.75rem;
        min-height: 2.5rem;
        max-height: 35dvh;
        width: 100%;
        resize: none;
      }
      textarea:focus-visible {
        outline-offset: -1px;
      }
      button {
        width: 5rem;
        height: 2.625rem;
      }
      .strip {
        display: flex;
        justify-content: space-between;
        align-items: center;
        gap: 1rem;
        padding-bottom: 0.375rem;
      }
      .strip button {
        width: auto;
        height: auto;
        min-height: 2rem;
        padding: 0 0.5rem;
      }
    `,
  ];

  /** An answer is under way: the button stops it. */
  @property({ attribute: false }) busy = false;
  /** Messages can be sent. */
  @property({ attribute: false }) ready = false;
  /** The message that Up edits. */
  @property({ attribute: false }) lastMessage: UserTurn | null = null;
  @property({ attribute: false }) words: Words = WORDS;
  /** What stands in the empty field. */
  @property({ attribute: false }) placeholder = 'Write a message';
  /** What the conversation would come to with a text, sent in the place of a message or at the end. */
  @property({ attribute: false }) measure: (text: string, edited: number | null) => Promise<Measure | null> =
    async () => null;
  @property({ attribute: false }) send: (text: string, edited: number | null) => void = () => {};
  @property({ attribute: false }) stop: () => void = () => {};

  @state() private text = '';
  /** Id of the message that is edited. */
  @state() private editing: number | null = null;
  @state() private measured: Measure | null = null;
  #measuring: ReturnType<typeof setTimeout> | null = null;

  get #field(): HTMLTextAreaElement {
    return defined(this.renderRoot.querySelector('textarea'), 'the field');
  }

  /** Puts the cursor in the field. */
  override focus(options?: FocusOptions): void {
    this.#field.focus(options);
  }

  /** Puts text in the field and the cursor behind it; `editing` is the message that it shall stand in for. */
  fill(text: string, editing: number | null = null): void {
    this.text = text;
    this.editing = editing;
    void this.updateComplete.then(() => {
      this.#field.focus({ preventScroll: true });
      this.#field.setSelectionRange(text.length, text.length);
    });
  }

  /** Puts text in the field without touching the focus. */
  restore(text: string): void {
    if (this.text === '') this.text = text;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('text' as keyof Composer) || changed.has('ready')) this.#measureSoon();
  }

  /** What was measured holds for the text that it was measured of. */
  #measureSoon(): void {
    if (this.#measuring !== null) clearTimeout(this.#measuring);
    this.#measuring = null;
    const { text, editing } = this;
    if (!this.ready || text.trim() === '') {
      this.measured = null;
      return;
    }
    this.#measuring = setTimeout(async () => {
      const measured = await this.measure(text.trim(), editing);
      if (this.text === text && this.editing === editing) this.measured = measured;
    }, MEASURE_AFTER_MS);
  }

  protected override updated(): void {
    // The field is as high as its text; a browser with field-sizing would do this alone.
    const field = this.#field;
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + 2}px`;
  }

  protected override render(): TemplateResult {
    const blank = this.text.trim() === '';
    const button = this.busy
      ? html`<button type="button" @click=${() => this.stop()}>${this.words.stop}</button>`
      : html`<button class="primary" ?disabled=${!this.ready || blank}>${this.words.send}</button>`;
    return html`${this.#strip()}
      <form @submit=${this.#onSubmit}>
        <textarea
          rows="1"
          aria-label=${this.words.message}
          aria-describedby="keys"
          placeholder=${this.placeholder}
          enterkeyhint="send"
          .value=${this.text}
          @input=${this.#onInput}
          @keydown=${this.#onKey}
        ></textarea>
        ${button}
      </form>
      <p id="keys" class="unseen">${this.words.keys}</p>`;
  }

  #strip(): TemplateResult {
    const editing = html`<div class="strip small" data-field="editing">
      <span>${this.words.editing}</span>
      <button class="plain" @click=${this.#leaveEditing}>${this.words.leaveEditing}</button>
    </div>`;
    return html`${this.editing === null ? nothing : editing}${this.#fullness()}`;
  }

  /** Says what will happen to a message for which the conversation has no room, before it is sent. */
  #fullness(): TemplateResult | typeof nothing {
    if (this.measured === null) return nothing;
    const { tokens, context } = this.measured;
    const left = context - tokens;
    if (left >= ANSWER_ROOM) return nothing;
    const figures = { tokens: formatCount(tokens), context: formatCount(context), left: formatCount(left) };
    const words = fillIn(left < 1 ? this.words.tooLong : this.words.nearlyFull, figures);
    return html`<p class="strip small" role="status" data-field="too-long">${words}</p>`;
  }

  #submit(): void {
    if (!this.ready || this.busy || this.text.trim() === '') return;
    const { text, editing } = this;
    this.text = '';
    this.editing = null;
    this.send(text.trim(), editing);
  }

  readonly #onSubmit = (event: Event): void => {
    event.preventDefault();
    this.#submit();
  };

  readonly #onInput = (): void => {
    this.text = this.#field.value;
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    // Enter may only confirm a word of an input method.
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'ArrowUp' && this.text === '' && !this.busy && this.lastMessage !== null) {
      event.preventDefault();
      this.fill(this.lastMessage.text, this.lastMessage.id);
    } else if (event.key === 'Escape' && !this.busy && this.editing !== null) {
      event.preventDefault();
      this.#leaveEditing();
    }
  };

  readonly #leaveEditing = (): void => {
    this.text = '';
    this.editing = null;
    this.#field.focus({ preventScroll: true });
  };
}
