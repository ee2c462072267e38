/**
 * One turn of the conversation: a question as it was written, folded when long; an answer as sanitised Markdown with
 * its
 * quiet line. A growing answer re-draws only the blocks that changed.
 */
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { unsafeHTML } from 'lit/directives/unsafe-html.js';
import type { AnswerTurn, Turn, UserTurn } from './chat_state.ts';
import { formatCount } from './format.ts';
import { type Block, markdownBlocks } from './markdown.ts';
import { sharedStyles } from './shared_styles.ts';

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
    `,
  ];

  @property({ attribute: false }) turn: Turn | null = null;

  @state() private open = false;
  @state() private copied: number | null = null;

  protected override render(): TemplateResult | typeof nothing {
    const { turn } = this;
    if (!turn) return nothing;
    return turn.role === 'user' ? this.#question(turn) : this.#answer(turn);
  }

  #question({ text }: UserTurn): TemplateResult {
    const long = text.length > FOLD_LENGTH;
    const words = formatCount(text.split(/\s+/u).length);
    return html`<div class="question">
      <span class="unseen">You:</span>
      <div class="words ${long && !this.open ? 'folded' : ''}">${text}</div>
      ${
        long
          ? html`<button class="plain small" aria-expanded=${this.open} @click=${this.#toggle}>
              ${this.open ? 'Show less' : `Show all ${words} words`}
            </button>`
          : nothing
      }
    </div>`;
  }

  #answer({ text, note, activity }: AnswerTurn): TemplateResult {
    return html`<div class="answer" aria-busy=${activity === 'idle' ? 'false' : 'true'}>
        <span class="unseen">Answer:</span>
        ${markdownBlocks(text).map((block, index) => this.#block(block, index))}
      </div>
      <p class="note small quiet figures" data-field="note">${note}</p>`;
  }

  #block(block: Block, index: number): TemplateResult {
    if (block.kind === 'html') return html`<div class="block">${unsafeHTML(block.html)}</div>`;
    return html`<figure>
      <figcaption class="small quiet">
        <span>${block.language || 'code'}</span>
        <button class="plain small" @click=${() => this.#copy(block.code, index)}>
          ${this.copied === index ? 'Copied' : 'Copy'}
        </button>
      </figcaption>
      <pre tabindex="0"><code>${block.code}</code></pre>
    </figure>`;
  }

  async #copy(code: string, index: number): Promise<void> {
    try {
      await navigator.clipboard.writeText(code);
    } catch {
      // Not allowed here: the button keeps its name, and the code can be selected.
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
