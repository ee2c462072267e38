/**
 * The conversation: a log that stays at its end unless the reader scrolled up, and a live region that speaks an answer
 * sentence by sentence. It never moves the focus.
 */
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { Turn } from './chat_state.ts';
import { SAMPLES } from './samples.ts';
import { lastSentenceEnd, speakable } from './sentences.ts';
import { columnStyles, sharedStyles } from './shared_styles.ts';
import type { TurnActions } from './turn_actions.ts';
import { WORDS, type Words } from './words.ts';

/** Pixels from the end that still count as the end. */
const END_SLACK = 24;

/** Sentences that stay in the live region; older ones have been spoken. */
const SPOKEN_LINES = 8;

export class ConversationView extends LitElement {
  static override readonly styles = [
    sharedStyles,
    columnStyles,
    css`
      :host {
        position: relative;
        min-height: 0;
        container-type: inline-size;
      }
      .scroll {
        height: 100%;
        overflow-y: auto;
        overflow-anchor: none;
      }
      @container (width >= 30rem) {
        .scroll {
          scrollbar-gutter: stable both-edges;
        }
      }
      .back {
        position: absolute;
        bottom: 0.75rem;
        left: 50%;
        translate: -50% 0;
        box-shadow: 0 1px 6px rgb(0 0 0 / 0.2);
      }
      .samples {
        display: grid;
        gap: 0.5rem;
        padding: 0;
        margin: 0;
        list-style: none;
      }
      .samples button {
        width: 100%;
        text-align: left;
        padding: 0.625rem 0.875rem;
        display: grid;
      }
      .welcome {
        display: grid;
        gap: 0.5rem;
      }
      .welcome h2 {
        font-size: 1.25rem;
      }
    `,
  ];

  @property({ attribute: false }) turns: readonly Turn[] = [];
  @property({ attribute: false }) pick: (text: string) => void = () => {};
  @property({ attribute: false }) words: Words = WORDS;
  /** Null where turns can only be read and copied. */
  @property({ attribute: false }) actions: TurnActions | null = null;

  @state() private atEnd = true;
  @state() private spoken: readonly string[] = [];

  #lastTop = 0;
  #speaking = { id: 0, to: 0 };
  readonly #resize = new ResizeObserver(() => this.#keepEnd());

  get #scroller(): HTMLElement | null {
    return this.renderRoot.querySelector('.scroll');
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
  }

  protected override firstUpdated(): void {
    for (const element of this.renderRoot.querySelectorAll('.scroll, .column')) this.#resize.observe(element);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('turns')) return;
    this.#speak();
    // What was just asked, and the end of a chat just opened, is what the reader wants to see.
    const before = changed.get('turns');
    const asked = this.turns.at(-1)?.id !== before?.at(-1)?.id && !isIdle(this.turns.at(-1));
    if (asked || before?.length === 0) this.atEnd = true;
  }

  protected override updated(): void {
    this.#keepEnd();
  }

  protected override render(): TemplateResult {
    return html`<div
        class="scroll"
        tabindex="0"
        role="log"
        aria-live="off"
        aria-label=${this.words.conversation}
        @scroll=${this.#onScroll}
      >
        <div class="column">
          ${this.turns.length === 0 ? this.#welcome() : this.turns.map((turn, index) => this.#turn(turn, index))}
        </div>
      </div>
      ${this.atEnd ? nothing : html`<button class="back" @click=${this.#toEnd}>↓ ${this.words.latest}</button>`}
      <div class="unseen" aria-live="polite" aria-atomic="false">
        ${repeat(
          this.spoken,
          (line) => line,
          (line) => html`<p>${line}</p>`,
        )}
      </div>`;
  }

  /** Elements go by their index, so that the focus stays when another version of a turn is shown. */
  #turn(turn: Turn, index: number): TemplateResult {
    const { actions } = this;
    const place = actions?.placeOf(turn.id);
    return html`<lethe-turn
      .turn=${turn}
      .actions=${actions}
      .words=${this.words}
      .ready=${actions?.ready() ?? false}
      .idle=${actions?.idle() ?? true}
      .at=${place?.at ?? 1}
      .of=${place?.of ?? 1}
      data-role=${turn.role}
      ?data-last=${index === this.turns.length - 1}
    ></lethe-turn>`;
  }

  #welcome(): TemplateResult {
    return html`<slot name="welcome"><div class="welcome">
      <h2>A conversation that forgets well</h2>
      <p>
        A language model runs here, on your own device. While it talks, it forgets what it no longer needs, so that its
        memory stays small. The memory panel shows what is kept.
      </p>
      <ul class="samples" role="list">
        ${SAMPLES.map(
          ({ title, hint, text }) => html`<li>
            <button data-sample @click=${() => this.pick(text)}>
              <strong>${title}</strong><span class="quiet small">${hint}</span>
            </button>
          </li>`,
        )}
      </ul>
    </div></slot>`;
  }

  /** Gives the live region the sentences that were finished since the last drawing. */
  #speak(): void {
    const turn = this.turns.at(-1);
    if (turn?.role !== 'assistant') return;
    if (turn.id !== this.#speaking.id) {
      // An answer that was there already is not news.
      this.#speaking = { id: turn.id, to: turn.activity === 'idle' ? turn.text.length : 0 };
      this.spoken = [];
    }
    const { to } = this.#speaking;
    const end = turn.activity === 'idle' ? turn.text.length : lastSentenceEnd(turn.text, to);
    const line = speakable(turn.text.slice(to, end));
    this.#speaking.to = end;
    if (line !== '') this.spoken = [...this.spoken, line].slice(-SPOKEN_LINES);
  }

  #keepEnd(): void {
    const scroller = this.#scroller;
    if (!scroller || !this.atEnd) return;
    // An empty chat is read from its top.
    if (this.turns.length > 0) scroller.scrollTop = scroller.scrollHeight;
    this.#lastTop = scroller.scrollTop;
  }

  /** Only the reader moves the page upwards: text that grows never does. */
  readonly #onScroll = (): void => {
    const scroller = this.#scroller;
    if (!scroller || this.turns.length === 0) return;
    const left = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    if (left <= END_SLACK) this.atEnd = true;
    else if (scroller.scrollTop < this.#lastTop) this.atEnd = false;
    this.#lastTop = scroller.scrollTop;
  };

  readonly #toEnd = (): void => {
    this.atEnd = true;
    this.#keepEnd();
    this.#scroller?.focus({ preventScroll: true });
  };
}

function isIdle(turn: Turn | undefined): boolean {
  return turn?.role !== 'assistant' || turn.activity === 'idle';
}
