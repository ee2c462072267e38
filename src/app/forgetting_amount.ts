/**
 * How much to forget: a slider over the model's eviction offsets, each labelled by what it was measured to give. It
 * says a choice when the slider is let go, and knows nothing of when the choice comes to apply.
 */
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { EngineInfo } from '../engine/api.ts';
import { forgettingStops } from '../ui/forgetting_stops.ts';
import { sharedStyles } from '../ui/shared_styles.ts';

export class ForgettingAmount extends LitElement {
  static override readonly styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        gap: 0.25rem;
      }
      input[type='range'] {
        accent-color: var(--accent);
        width: 100%;
        margin: 0;
        border: 0;
        background: none;
        min-height: 1.75rem;
      }
      .ends {
        display: flex;
        justify-content: space-between;
      }
      output {
        min-height: 2.6rem;
        line-height: 1.3;
      }
    `,
  ];

  @property({ attribute: false }) info: EngineInfo | null = null;
  /** The offset that is or will be in force. */
  @property({ attribute: false }) offset: number | null = null;
  /** Under another policy there is no offset. */
  @property({ attribute: false }) disabled = false;
  @property({ attribute: false }) choose: (offset: number) => void = () => {};

  /** Where the slider stands while it is held. */
  @state() private held: number | null = null;

  protected override render(): TemplateResult | typeof nothing {
    const stops = this.info ? forgettingStops(this.info, this.offset) : [];
    if (!this.info || stops.length === 0) return nothing;
    const offset = this.offset ?? this.info.facts.dms?.offset;
    const at = this.held ?? stops.findIndex((stop) => stop.offset === offset);
    const words = stops[at]?.words ?? '';
    return html`<label for="amount"><strong>How much to forget</strong></label>
      <input
        id="amount"
        type="range"
        min="0"
        max=${stops.length - 1}
        step="1"
        .value=${String(at)}
        ?disabled=${this.disabled}
        aria-valuetext=${words}
        aria-describedby="meaning"
        @input=${this.#onInput}
        @change=${(event: Event) => {
          this.held = null;
          this.choose(stops[Number((event.target as HTMLInputElement).value)].offset);
        }}
      />
      <div class="ends small quiet"><span>keeps more</span><span>forgets more</span></div>
      <output class="small figures" for="amount" data-field="amount">${words}</output>
      <p class="small quiet" id="meaning">
        ${
          this.info.quality === null
            ? 'What it costs was not measured for this model.'
            : html`Measured on long texts, against forgetting nothing.
                <span title="The exponential of the mean loss on the next token">Perplexity</span>: how much the text
                surprises the model; less is better.`
        }
        ${this.disabled ? 'It applies to DMS.' : nothing}
      </p>`;
  }

  readonly #onInput = (event: Event): void => {
    this.held = Number((event.target as HTMLInputElement).value);
  };
}
