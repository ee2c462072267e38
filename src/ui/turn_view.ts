/**
 * One turn of the conversation: a question as it was written, folded when long; an answer as sanitised Markdown with
 * its
 * quiet line. A growing answer re-draws only the blocks that changed.
 */
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { unsafeHTML } from 'lit/directives/unsafe-html.js';
import type { AnswerTurn, Thought, Turn, UserTurn } from './chat_state.ts';
import { formatCount } from './format.ts';
import { type Block, markdownBlocks } from './markdown.ts';
import { sharedStyles } from './shared_styles.ts';
import type { TurnActions } from './turn_actions.ts';
import { fillIn, WORDS, type Words } from './words.ts';

/** A question with more characters is folded. */
const FOLD_LENGTH = 700;

/** Milliseconds that `Copied` stands. */
const COPIED_MS = 1500;

export class TurnView extends LitElement {
  static override readonly styles = [
    sharedStyles,
    css`
      .question {
        background: var(--wash);
        border-radius: var(--radius);
        padding: 0.625rem 0.875rem;
        width: fit-content;
        max-width: 92%;
        margin-left: auto;
      }
      .words {
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      .folded {
        max-height: 7.5em;
        overflow: hidden;
        mask-image: linear-gradient(to bottom, #000 60%, transparent);
      }
      .question button {
        min-height: 2rem;
        padding: 0;
        color: var(--accent);
      }
      .answer {
        overflow-wrap: anywhere;
      }
      .thought {
        margin-bottom: 0.75rem;
      }
      .thought summary {
        width: fit-content;
        min-height: 2rem;
        line-height: 2rem;
        cursor: pointer;
        border-radius: var(--radius);
      }
      .thought .words {
        margin-top: 0.25rem;
        border-left: 3px solid var(--line);
        padding-left: 0.875rem;
      }
      .answer > *,
      .answer .block > * {
        margin: 0 0 0.75rem;
      }
      .answer h1,
      .answer h2,
      .answer h3,
      .answer h4,
      .answer h5,
      .answer h6 {
        font-size: 1.0625rem;
        line-height: 1.3;
        margin-top: 1.25rem;
      }
      .answer .block:first-child > :first-child {
        margin-top: 0;
      }
      .answer a {
        color: var(--accent);
      }
      .answer ul,
      .answer ol {
        padding-left: 1.5rem;
      }
      .answer blockquote {
        border-left: 3px solid var(--line);
        padding-left: 0.875rem;
        margin-left: 0;
        color: var(--quiet);
      }
      .answer table {
        border-collapse: collapse;
        display: block;
        overflow-x: auto;
      }
      .answer th,
      .answer td {
        border: 1px solid var(--line);
        padding: 0.25rem 0.625rem;
        text-align: left;
      }
      .answer hr {
        border: 0;
        border-top: 1px solid var(--line);
      }
      code {
        font: 0.875em / 1.5 var(--mono);
        background: var(--surface);
        border-radius: 4px;
        padding: 0.1em 0.3em;
      }
      pre {
        margin: 0;
        padding: 0.75rem 0.875rem;
        overflow-x: auto;
      }
      pre code {
        background: none;
        padding: 0;
      }
      figure {
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        overflow: hidden;
      }
      figcaption {
        display: flex;
        justify-content: space-between;
        align-items: center;
        padding: 0 0.25rem 0 0.875rem;
        border-bottom: 1px solid var(--line);
      }
      figcaption button {
        min-height: 2.25rem;
      }
      .note {
        min-height: 1.3rem;
      }
      .tools {
        display: flex;
        align-items: center;
        min-height: 2rem;
      }
      .tools button {
        min-height: 2rem;
        min-width: 2rem;
        padding: 0 0.5rem;
        color: var(--quiet);
      }
      .tools button[aria-disabled='true'] {
        opacity: 0.45;
        cursor: default;
      }
      :host([data-role='user']) .tools {
        justify-content: flex-end;
      }
      :host([data-role='assistant']) .tools {
        margin-left: -0.5rem;
      }
      /* With a pointer that can hover, only the turn under it and the last one offer their tools. */
      @media (hover: hover) {
        :host(:not([data-last], :hover, :focus-within)) .tools button:not(.version) {
          opacity: 0;
        }
      }
    `,
  ];

  @property({ attribute: false }) turn: Turn | null = null;
  @property({ attribute: false }) words: Words = WORDS;
  /** Null where the turn can only be read and copied. */
  @property({ attribute: false }) actions: TurnActions | null = null;
  /** An answer can be asked for now. */
  @property({ attribute: false }) ready = false;
  /** No answer is under way. */
  @property({ attribute: false }) idle = true;
  /** Which of its versions this is, from 1, and how many there are. */
  @property({ attribute: false }) at = 1;
  @property({ attribute: false }) of = 1;

  @state() private open = false;
  /** The code block that was just copied by its index, -1 for the whole turn. */
  @state() private copied: number | null = null;

  protected override willUpdate(changed: PropertyValues<this>): void {
    // Another version of the turn came into this element.
    if (!changed.has('turn') || changed.get('turn')?.id === this.turn?.id) return;
    this.open = false;
    this.copied = null;
  }

  protected override render(): TemplateResult | typeof nothing {
    const { turn } = this;
    if (!turn) return nothing;
    return turn.role === 'user' ? this.#question(turn) : this.#answer(turn);
  }

  #question(turn: UserTurn): TemplateResult {
    const { text } = turn;
    const long = text.length > FOLD_LENGTH;
    const words = formatCount(text.split(/\s+/u).length);
    return html`<div class="question">
      <span class="unseen">${this.words.you}</span>
      <div class="words ${long && !this.open ? 'folded' : ''}">${text}</div>
      ${
        long
          ? html`<button class="plain small" aria-expanded=${this.open} @click=${this.#toggle}>
              ${this.open ? this.words.showLess : fillIn(this.words.showAll, { words })}
            </button>`
          : nothing
      }
    </div>
    <div class="tools small" role="group" aria-label=${this.words.thisMessage}>
      ${this.#versions(turn)} ${this.#copyButton(text, this.words.copyMessage)}
      ${this.actions ? this.#action(this.words.edit, () => this.actions?.edit(turn)) : nothing}
    </div>`;
  }

  #answer(turn: AnswerTurn): TemplateResult {
    const { id, text, thought, note, activity, detail } = turn;
    return html`${thought ? this.#thought(thought) : nothing}
      <div class="answer" aria-busy=${activity === 'idle' ? 'false' : 'true'}>
        <span class="unseen">${this.words.answer}</span>
        ${markdownBlocks(text).map((block, index) => this.#block(block, index))}
      </div>
      <p class="note small quiet figures" data-field="note" title=${detail ?? nothing}>${note}</p>
      <div class="tools small" role="group" aria-label=${this.words.thisAnswer}>
        ${this.#versions(turn)} ${this.#copyButton(text, this.words.copyAnswer)}
        ${this.actions ? this.#action(this.words.regenerate, () => this.actions?.regenerate(id)) : nothing}
      </div>`;
  }

  /** Folded, for it is not the answer. */
  #thought({ text, seconds }: Thought): TemplateResult {
    const { thinking, thought } = this.words;
    return html`<details class="thought small quiet">
      <summary>${seconds === null ? thinking : fillIn(thought, { seconds: String(seconds) })}</summary>
      <div class="words">${text}</div>
    </details>`;
  }

  /** A tool that asks for an answer. It keeps the focus while it cannot be used. */
  #action(name: string, act: () => void): TemplateResult {
    const run = (): void => {
      if (this.ready) act();
    };
    return html`<button class="plain" aria-disabled=${this.ready ? 'false' : 'true'} @click=${run}>${name}</button>`;
  }

  #copyButton(text: string, name: string): TemplateResult {
    const copied = this.copied === -1;
    const { words } = this;
    return html`<button class="plain" aria-label=${copied ? words.copied : name} @click=${() => this.#copy(text, -1)}>
      ${copied ? words.copied : words.copy}
    </button>`;
  }

  /** `‹ 2 of 3 ›` where a turn has siblings. */
  #versions({ id }: Turn): TemplateResult | typeof nothing {
    if (this.of < 2) return nothing;
    const button = (step: 1 | -1, name: string, sign: string): TemplateResult => {
      const none = this.at + step < 1 || this.at + step > this.of || !this.idle;
      return html`<button
        class="plain version"
        aria-label=${name}
        aria-disabled=${none ? 'true' : 'false'}
        @click=${() => this.actions?.choose(id, step)}
      >
        ${sign}
      </button>`;
    };
    const place = fillIn(this.words.version, { at: String(this.at), of: String(this.of) });
    return html`${button(-1, this.words.previousVersion, '‹')}
      <span class="quiet figures" role="status" data-field="version">${place}</span>
      ${button(1, this.words.nextVersion, '›')}`;
  }

  #block(block: Block, index: number): TemplateResult {
    if (block.kind === 'html') return html`<div class="block">${unsafeHTML(block.html)}</div>`;
    return html`<figure>
      <figcaption class="small quiet">
        <span>${block.language || this.words.code}</span>
        <button class="plain small" @click=${() => this.#copy(block.code, index)}>
          ${this.copied === index ? this.words.copied : this.words.copy}
        </button>
      </figcaption>
      <pre tabindex="0"><code>${block.code}</code></pre>
    </figure>`;
  }

  async #copy(text: string, index: number): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Not allowed here: the button keeps its name, and the text can be selected.
      return;
    }
    this.copied = index;
    setTimeout(() => {
      this.copied = null;
    }, COPIED_MS);
  }

  readonly #toggle = (): void => {
    this.open = !this.open;
  };
}
