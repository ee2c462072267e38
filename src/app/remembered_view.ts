/**
 * The conversation as the model reads it, each token shaded by the share of heads that still remember it. Pointer and
 * arrow keys read single tokens, in words. Plain text, since Markdown would hide the tokens that it is made of.
 */
import { css, html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { guard } from 'lit/directives/guard.js';
import type { Retention } from '../engine/api.ts';
import { columnStyles, sharedStyles } from '../ui/shared_styles.ts';
import { cssColour, rampGradient, shadeColour } from './colour_ramp.ts';
import { retentionWords, shareOf, type TokenGroup, tokenGroups, tokenWords } from './token_groups.ts';

/** Tokens that a key moves by. */
const STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  ArrowUp: -10,
  ArrowDown: 10,
  PageUp: -100,
  PageDown: 100,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

export class RememberedView extends LitElement {
  static override readonly styles = [
    sharedStyles,
    columnStyles,
    css`
      :host {
        display: grid;
        grid-template-rows: minmax(0, 1fr) auto;
        min-height: 0;
      }
      .scroll {
        overflow-y: auto;
        outline-offset: -2px;
      }
      h3 {
        margin-top: 0.75rem;
      }
      .tokens {
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        line-height: 1.6;
      }
      .between {
        font: 0.75rem / 1.6 var(--mono);
      }
      .none {
        color: var(--quiet);
        text-decoration: underline dotted;
        text-underline-offset: 0.2em;
      }
      .here {
        outline: 2px solid var(--text);
      }
      footer {
        border-top: 1px solid var(--line);
        background: var(--surface);
      }
      .foot {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: 0.25rem 1rem;
        align-items: center;
        max-width: calc(72ch + 2rem);
        margin: 0 auto;
        padding: 0.5rem 1rem;
      }
      .foot > * {
        font-size: 0.875rem;
      }
      output,
      p {
        grid-column: 1 / -1;
      }
      output {
        min-height: 2.6rem;
        line-height: 1.3rem;
        overflow-wrap: anywhere;
      }
      .legend {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.125rem 0.5rem;
      }
      .bar {
        width: 5rem;
        height: 0.75rem;
        border-radius: 2px;
      }
    `,
  ];

  @property({ attribute: false }) retention: Retention | null = null;
  /** Roles of the messages that the conversation consists of. */
  @property({ attribute: false }) roles: readonly string[] = [];
  @property({ attribute: false }) leave: () => void = () => {};

  @state() private at: number | null = null;
  @state() private dark = false;

  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');

  override connectedCallback(): void {
    super.connectedCallback();
    this.dark = this.#scheme.matches;
    this.#scheme.addEventListener('change', this.#onScheme);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#scheme.removeEventListener('change', this.#onScheme);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('retention')) this.at = null;
  }

  protected override updated(changed: PropertyValues<this>): void {
    this.renderRoot.querySelector('.here')?.classList.remove('here');
    if (this.at !== null) this.#token(this.at)?.classList.add('here');
    // Newest first in sight, as in the conversation that it stands for.
    const scroller = this.renderRoot.querySelector('.scroll');
    if (changed.has('retention') && scroller) scroller.scrollTop = scroller.scrollHeight;
  }

  protected override render(): TemplateResult {
    const { retention } = this;
    if (!retention) return html``;
    return html`<div
        class="scroll"
        tabindex="0"
        role="region"
        aria-label="The conversation, shaded by what is remembered. Arrow keys read one token."
        @pointerover=${this.#onPointer}
        @pointerleave=${this.#onLeave}
        @keydown=${this.#onKey}
      >
        <div class="column">
          ${guard([retention, this.roles, this.dark], () =>
            tokenGroups(retention, this.roles).map((group) => this.#group(retention, group)),
          )}
        </div>
      </div>
      <footer>
        <div class="foot">
          <output class="figures" aria-live="polite" data-field="token">
            ${this.at === null ? 'Point at a word, or use the arrow keys.' : tokenWords(retention, this.at)}
          </output>
          <p class="quiet figures" data-field="remembered">${retentionWords(retention)}</p>
          <div class="legend quiet">
            <span>forgotten</span>
            <span
              class="bar"
              style="background: ${rampGradient(this.dark ? 'dark' : 'light', shadeColour)}"
              role="presentation"
            ></span>
            <span>remembered by every head</span>
          </div>
          <button class="plain" @click=${() => this.leave()}>Back to the chat</button>
        </div>
      </footer>`;
  }

  #group(retention: Retention, { speaker, start, end }: TokenGroup): TemplateResult {
    const tokens = Array.from({ length: end - start }, (_, index) => this.#piece(retention, start + index));
    if (speaker === null) return html`<div class="tokens between">${tokens}</div>`;
    return html`<h3 class="small quiet">${speaker}</h3>
      <div class="tokens">${tokens}</div>`;
  }

  #piece(retention: Retention, token: number): TemplateResult {
    const held = retention.holders[token];
    const shade = cssColour(shadeColour(shareOf(retention, token), this.dark ? 'dark' : 'light'));
    const text = retention.text[token];
    if (held === 0) return html`<span class="none" data-token=${token} data-held="0">${text}</span>`;
    return html`<span data-token=${token} data-held=${held} style="background: ${shade}">${text}</span>`;
  }

  #token(token: number): HTMLElement | null {
    return this.renderRoot.querySelector(`[data-token="${token}"]`);
  }

  readonly #onScheme = (): void => {
    this.dark = this.#scheme.matches;
  };

  readonly #onPointer = (event: PointerEvent): void => {
    const token = event.target instanceof HTMLElement ? event.target.dataset.token : undefined;
    if (token !== undefined) this.at = Number(token);
  };

  readonly #onLeave = (): void => {
    if (this.shadowRoot?.activeElement?.classList.contains('scroll') !== true) this.at = null;
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    const { retention } = this;
    const step = Object.hasOwn(STEPS, event.key) ? STEPS[event.key] : undefined;
    if (!retention || step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const last = retention.tokensSeen - 1;
    // From nowhere, a key leads to the newest token; Home to the first.
    const next = this.at === null ? (event.key === 'Home' ? 0 : last) : this.at + step;
    this.at = Math.min(last, Math.max(0, next));
    this.#token(this.at)?.scrollIntoView({ block: 'nearest' });
  };
}
