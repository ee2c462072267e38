/**
 * The memory panel: the figure, the heat map, the timeline, the switch that shades the
 * conversation, the choice of what to keep, and the speeds. It shows what it is given and says what was chosen; it asks
 * the engine nothing.
 */
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { Occupancy, PolicyKind } from '../cache/occupancy.ts';
import type { CachePolicy } from '../cache/policy.ts';
import type { EngineInfo, Speed } from '../engine/api.ts';
import type { Turn } from '../ui/chat_state.ts';
import { formatCount, formatRate, formatTime } from '../ui/format.ts';
import { memoryFigure } from '../ui/memory_figure.ts';
import { adapterLine } from '../ui/preflight.ts';
import { WINDOW_SINKS, WINDOW_TOKENS } from '../ui/settings.ts';
import { sharedStyles } from '../ui/shared_styles.ts';
import { WORDS } from '../ui/words.ts';
import { MemoryHistory } from './memory_history.ts';

interface PolicyChoice {
  readonly kind: PolicyKind;
  readonly label: string;
  readonly hint: string;
}

const POLICIES: readonly PolicyChoice[] = [
  { kind: 'dms', label: 'DMS', hint: 'each head forgets what it learned to do without' },
  { kind: 'dense', label: 'Dense', hint: 'keeps every token' },
  {
    kind: 'window',
    label: 'Window',
    hint: `keeps the first ${WINDOW_SINKS} and the latest ${WINDOW_TOKENS + 1} tokens`,
  },
];

export class MemoryPanel extends LitElement {
  static override readonly styles = [
    sharedStyles,
    css`
      :host {
        display: grid;
        gap: 1.25rem;
        align-content: start;
      }
      .headline {
        font-size: 2rem;
        line-height: 1.15;
        font-weight: 650;
        letter-spacing: -0.01em;
      }
      section {
        display: grid;
        gap: 0.375rem;
      }
      fieldset {
        border: 0;
        margin: 0;
        padding: 0;
        display: grid;
        gap: 0.25rem;
      }
      legend {
        font-weight: 600;
        padding: 0;
        margin-bottom: 0.375rem;
      }
      label {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0 0.5rem;
        align-items: baseline;
        padding: 0.25rem 0;
        cursor: pointer;
      }
      label .small {
        grid-column: 2;
      }
      input[type='radio'],
      label input[type='checkbox'] {
        accent-color: var(--accent);
        margin: 0;
        width: 1rem;
        height: 1rem;
        position: relative;
        top: 0.125rem;
      }
      .notice {
        min-height: 3.5rem;
        line-height: 1.3;
      }
      dl {
        display: grid;
        grid-template-columns: auto 1fr;
        gap: 0.125rem 1rem;
        margin: 0;
      }
      dt {
        color: var(--quiet);
      }
      dd {
        margin: 0;
        text-align: right;
        overflow-wrap: anywhere;
      }
    `,
  ];

  @property({ attribute: false }) occupancy: Occupancy | null = null;
  @property({ attribute: false }) turns: readonly Turn[] = [];
  @property({ attribute: false }) history = new MemoryHistory();
  @property({ attribute: false }) speed: Speed | null = null;
  @property({ attribute: false }) info: EngineInfo | null = null;
  /** The policy that the next message brings, or null. */
  @property({ attribute: false }) pendingPolicy: CachePolicy | null = null;
  /** The policy in force. */
  @property({ attribute: false }) policy: CachePolicy | null = null;
  /** Whether the conversation is shown shaded by what is remembered. */
  @property({ attribute: false }) shading = false;
  @property({ attribute: false }) turnShading: (on: boolean) => void = () => {};
  /** Opens the same prompt side by side; null while it cannot be. */
  @property({ attribute: false }) compare: (() => void) | null = null;
  @property({ attribute: false }) chooseOffset: (offset: number) => void = () => {};
  @property({ attribute: false }) choosePolicy: (kind: PolicyKind) => void = () => {};

  protected override render(): TemplateResult {
    const server = this.info?.server ?? null;
    if (server !== null) return html`${this.#elsewhere(server)} ${this.#speeds()}`;
    return html`${this.#figure()}
      <section aria-labelledby="map">
        <h3 id="map" title="Live slots of the KV cache, by layer and KV head">What each head still holds</h3>
        <lethe-heat-map .occupancy=${this.occupancy}></lethe-heat-map>
      </section>
      <section aria-labelledby="line">
        <h3 id="line" title="Bytes of the KV cache over tokens">Memory over the conversation</h3>
        <lethe-timeline
          .history=${this.history}
          .occupancy=${this.occupancy}
          .turns=${this.turns}
          .scope=${this.#scope}
        ></lethe-timeline>
      </section>
      ${this.#remembering()} ${this.#policies()} ${this.#speeds()}`;
  }

  /** In the place of what only a model on this device can show. */
  #elsewhere(server: string): TemplateResult {
    return html`<section aria-label="Memory of this conversation">
      <p class="headline"><span class="quiet">Memory</span></p>
      <p class="small" data-field="elsewhere">
        This model runs at ${new URL(server).host}. Its memory is there too, and the server does not show it.
      </p>
    </section>`;
  }

  #remembering(): TemplateResult {
    return html`<section>
      <h3>What is remembered</h3>
      <label>
        <input
          type="checkbox"
          role="switch"
          .checked=${this.shading}
          ?disabled=${this.info === null}
          @change=${(event: Event) => this.turnShading((event.target as HTMLInputElement).checked)}
        />
        <span>Shade the conversation</span>
        <span class="small quiet">each token by how many heads still hold it, once the answer is whole</span>
      </label>
    </section>`;
  }

  /** Measurements of another conversation, or under another policy, are no part of the same line. */
  get #scope(): string {
    return `${this.turns[0]?.id ?? 0} ${JSON.stringify(this.policy)}`;
  }

  #figure(): TemplateResult {
    const figure = memoryFigure(this.occupancy);
    const tokens = this.occupancy?.tokensSeen ?? 0;
    return html`<section aria-label="Memory of this conversation">
      <p class="headline figures" data-field="headline" title="KV cache: dense f16 bytes over live bytes">
        ${figure.factor === null ? html`<span class="quiet">Memory</span>` : figure.headline}
      </p>
      ${
        figure.factor === null
          ? html`<p class="small quiet">Nothing to remember yet. It fills as you chat.</p>`
          : html`<p class="figures">
              <strong data-field="held">${figure.held}</strong> held, instead of
              <span data-field="dense">${figure.dense}</span>
            </p>`
      }
      <dl class="small figures">
        <dt>Tokens seen</dt>
        <dd data-field="tokens">${formatCount(tokens)}</dd>
        <dt title="How many times fewer tokens are held, on average over the heads">Fewer tokens held</dt>
        <dd data-field="ratio">${tokens === 0 ? '–' : `${(this.occupancy?.ratio ?? 1).toFixed(1)}×`}</dd>
        <dt title="All the cache’s buffers on the GPU, with the room that is not filled yet">Buffers on the GPU</dt>
        <dd data-field="buffers">${figure.buffers}</dd>
      </dl>
    </section>`;
  }

  #policies(): TemplateResult {
    const policy = this.pendingPolicy ?? this.policy;
    const chosen = policy?.kind ?? null;
    const untaught = this.info !== null && this.info.facts.dms === null;
    return html`<section>
      <fieldset ?disabled=${this.info === null}>
        <legend title="Cache policy">What to keep</legend>
        ${POLICIES.map(
          ({ kind, label, hint }) => html`<label>
            <input
              type="radio"
              name="policy"
              value=${kind}
              .checked=${chosen === kind}
              ?disabled=${kind === 'dms' && untaught}
              @change=${() => this.choosePolicy(kind)}
            />
            <span>${label}</span>
            <span class="small quiet"
              >${kind === 'dms' && untaught ? 'this model was not taught to forget' : hint}</span
            >
          </label>`,
        )}
      </fieldset>
      <lethe-amount
        .info=${this.info}
        .offset=${policy?.kind === 'dms' ? (policy.offset ?? null) : null}
        .disabled=${chosen !== 'dms'}
        .choose=${this.chooseOffset}
      ></lethe-amount>
      <p class="small notice" role="status" data-field="notice">${this.#notice()}</p>
      <button aria-haspopup="dialog" ?disabled=${this.compare === null} @click=${() => this.compare?.()}>
        Compare side by side
      </button>
    </section>`;
  }

  #notice(): string {
    const { pendingPolicy, policy } = this;
    const choice = POLICIES.find(({ kind }) => kind === pendingPolicy?.kind);
    if (!choice) return '';
    const subject = pendingPolicy?.kind === policy?.kind ? 'The new amount' : choice.label;
    return `${subject} applies from your next message; the conversation is then read again.`;
  }

  #speeds(): TemplateResult {
    const { speed, info } = this;
    const yesNo = (value: boolean): string => (value ? 'yes' : 'no');
    return html`<section>
      <h3>Speed</h3>
      <dl class="small figures">
        <dt title="Prefill">Reading</dt>
        <dd data-field="prefill-speed">${formatRate(speed?.prefillTokensPerSecond ?? null)} tokens/s</dd>
        <dt title="Decode">Writing</dt>
        <dd data-field="decode-speed">${formatRate(speed?.decodeTokensPerSecond ?? null)} tokens/s</dd>
        <dt>Time to first token</dt>
        <dd data-field="ttft">${speed ? formatTime(speed.ttft_ms) : '–'}</dd>
        ${
          info === null || info.server !== null
            ? nothing
            : html`<dt>Adapter</dt>
                <dd data-field="adapter">${adapterLine(info.adapter) ?? WORDS.adapterUnnamed}</dd>
                <dt title="WebGPU features of the adapter">16-bit floats, subgroups</dt>
                <dd>${yesNo(info.f16)}, ${yesNo(info.subgroups)}</dd>`
        }
      </dl>
    </section>`;
  }
}
