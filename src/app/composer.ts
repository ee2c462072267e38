/**
 * The field to write in. Enter sends, Shift+Enter breaks the line, Up in an empty field edits the last message, Esc
 * stops
 * an answer or leaves the editing. It never takes the focus by itself.
 */
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { defined } from '../util/assert.ts';
import { formatCount } from './format.ts';
import { sharedStyles } from './shared_styles.ts';

/** Characters to a token, at the least, in ordinary text: what is longer than this surely does not fit. */
const CHARACTERS_PER_TOKEN = 5;

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
  @property({ attribute: false }) lastMessage: string | null = null;
  /** Tokens that still fit; null when unknown. */
  @property({ attribute: false }) room: number | null = null;
  @property({ attribute: false }) send: (text: string, replaceLast: boolean) => void = () => {};
  @property({ attribute: false }) stop: () => void = () => {};

  @state() private text = '';
  @state() private editing = false;

  get #field(): HTMLTextAreaElement {
    return defined(this.renderRoot.querySelector('textarea'), 'the field');
  }

  /** Puts text in the field and the cursor behind it. */
  fill(text: string, editing = false): void {
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

  protected override updated(): void {
    // The field is as high as its text; a browser with field-sizing would do this alone.
    const field = this.#field;
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + 2}px`;
  }

  protected override render(): TemplateResult {
    const blank = this.text.trim() === '';
    const button = this.busy
      ? html`<button type="button" @click=${() => this.stop()}>Stop</button>`
      : html`<button class="primary" ?disabled=${!this.ready || blank}>Send</button>`;
    return html`${this.#strip()}
      <form @submit=${this.#onSubmit}>
        <textarea
          rows="1"
          aria-label="Message"
          aria-describedby="keys"
          placeholder="Write a message"
          enterkeyhint="send"
          .value=${this.text}
          @input=${this.#onInput}
          @keydown=${this.#onKey}
        ></textarea>
        ${button}
      </form>
      <p id="keys" class="unseen">
        Enter sends, Shift and Enter break the line, Up edits your last message, Escape stops the answer.
      </p>`;
  }

  #strip(): TemplateResult | typeof nothing {
    if (this.editing) {
      return html`<div class="strip small" data-field="editing">
        <span>Editing your last message. The answer after it gives way.</span>
        <button class="plain" @click=${this.#leaveEditing}>Cancel (Esc)</button>
      </div>`;
    }
    const least = Math.floor(this.text.length / CHARACTERS_PER_TOKEN);
    if (this.room === null || least <= this.room) return nothing;
    return html`<p class="strip small" role="status" data-field="too-long">
      This is too long: about ${formatCount(least)} tokens, and the conversation has room for
      ${formatCount(this.room)}. Shorten it or start a new chat.
    </p>`;
  }

  #submit(): void {
    if (!this.ready || this.busy || this.text.trim() === '') return;
    const { text, editing } = this;
    this.text = '';
    this.editing = false;
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
      this.fill(this.lastMessage, true);
    } else if (event.key === 'Escape' && !this.busy && this.editing) {
      event.preventDefault();
      this.#leaveEditing();
    }
  };

  readonly #leaveEditing = (): void => {
    this.text = '';
    this.editing = false;
    this.#field.focus({ preventScroll: true });
  };
}
