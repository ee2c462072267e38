/**
 * The timeline: bytes over tokens, what is held as a solid line and what a memory that forgets nothing would take as a
 * dashed one, with a mark at the end of each answer. Drawn anew with each occupancy; pointer and arrow keys read single
 * moments; the answers' figures stand in a table. It writes what it is shown into a history that outlives it.
 */
import { css, html, LitElement, nothing, type PropertyValues, svg, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { Occupancy } from '../cache/occupancy.ts';
import type { MemorySample, Turn } from '../ui/chat_state.ts';
import { formatBytes, formatCount, formatTokens } from '../ui/format.ts';
import { sharedStyles } from '../ui/shared_styles.ts';
import { MemoryHistory, type TurnMark, turnMarks } from './memory_history.ts';
import { tableStyles } from './table_styles.ts';
import * as geometry from './timeline_geometry.ts';

export class Timeline extends LitElement {
  static override readonly styles = [
    sharedStyles,
    tableStyles,
    css`
      :host {
        display: grid;
        gap: 0.375rem;
      }
      svg {
        display: block;
        width: 100%;
        touch-action: pan-y;
      }
      text {
        font-size: 11px;
        fill: var(--quiet);
        font-variant-numeric: tabular-nums;
      }
      path {
        fill: none;
        stroke-width: 2;
        stroke-linejoin: round;
      }
      .live {
        stroke: var(--accent);
      }
      .dense {
        stroke: var(--quiet);
        stroke-dasharray: 5 4;
      }
      .rule {
        stroke: var(--line);
      }
      .mark {
        stroke: var(--edge);
      }
      .here {
        stroke: var(--text);
      }
      .dot {
        fill: var(--accent);
      }
      .key {
        display: flex;
        flex-wrap: wrap;
        gap: 0 1rem;
      }
      .key svg {
        display: inline-block;
        width: 1.75rem;
        height: 0.75rem;
        vertical-align: -0.0625rem;
      }
    `,
  ];

  @property({ attribute: false }) occupancy: Occupancy | null = null;
  @property({ attribute: false }) turns: readonly Turn[] = [];
  /** Changes with whatever makes measurements incomparable: another chat, another policy. */
  @property({ attribute: false }) scope = '';

  /** Outlives this element: on a narrow page the panel is another one. */
  @property({ attribute: false }) history = new MemoryHistory();

  @state() private lineWidth = 0;
  @state() private at: number | null = null;

  #marks: readonly TurnMark[] = [];
  readonly #resize = new ResizeObserver(([entry]) => {
    if (entry) this.lineWidth = entry.contentRect.width;
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resize.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize.disconnect();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('turns')) this.#marks = turnMarks(this.turns);
    if (changed.has('occupancy') && this.occupancy) this.history.record(this.occupancy, this.scope, this.#marks);
    if (this.at !== null && this.at >= this.history.samples.length) this.at = null;
  }

  protected override render(): TemplateResult {
    const { samples } = this.history;
    if (samples.length === 0) {
      const which = this.turns.length === 0 ? 'first' : 'next';
      return html`<p class="small quiet">The line begins with your ${which} message.</p>
        ${this.#table()}`;
    }
    const scale = geometry.timelineScale(samples, this.lineWidth);
    return html`${this.lineWidth > 0 ? this.#drawing(scale, samples) : nothing}
      <p class="key small quiet">
        <span><svg aria-hidden="true"><path class="live" d="M0 6H28" /></svg> held</span>
        <span><svg aria-hidden="true"><path class="dense" d="M0 6H28" /></svg> if nothing were forgotten</span>
      </p>
      <output class="small figures" aria-live="polite">${this.#readout(samples)}</output>
      ${this.#table()}`;
  }

  #drawing(scale: geometry.TimelineScale, samples: readonly MemorySample[]): TemplateResult {
    return html`<svg
      tabindex="0"
      role="img"
      aria-label=${this.#summary(samples)}
      viewBox="0 0 ${scale.width} ${scale.height}"
      style="height: ${scale.height}px"
      @pointermove=${this.#onPointer}
      @pointerdown=${this.#onPointer}
      @pointerleave=${this.#leave}
      @blur=${this.#leave}
      @keydown=${this.#onKey}
    >
      ${this.#rules(scale)} ${this.#turnMarks(scale)}
      <path class="dense" d=${geometry.linePath(scale, samples, 'dense')} />
      <path class="live" d=${geometry.linePath(scale, samples, 'live')} />
      ${this.#pointed(scale, samples)}
    </svg>`;
  }

  #summary(samples: readonly MemorySample[]): string {
    const last = samples.at(-1);
    if (!last) return '';
    return (
      `Memory over the conversation: ${formatBytes(last.live)} held after ${formatTokens(last.tokens)}, ` +
      `${formatBytes(last.dense)} if nothing were forgotten. Arrow keys read one moment; the table has each answer.`
    );
  }

  #rules(scale: geometry.TimelineScale): TemplateResult[] {
    const right = scale.width - geometry.MARGIN.right;
    return geometry.roundSteps(scale.bytes).map((bytes) => {
      const y = geometry.yOf(scale, bytes);
      return svg`<line class="rule" x1=${geometry.MARGIN.left} x2=${right} y1=${y} y2=${y} />
        <text x=${geometry.MARGIN.left - 6} y=${y + 4} text-anchor="end">${formatBytes(bytes)}</text>`;
    });
  }

  #turnMarks(scale: geometry.TimelineScale): TemplateResult[] {
    const bottom = scale.height - geometry.MARGIN.bottom;
    const xs = this.#marks.map(({ tokens }) => geometry.xOf(scale, tokens));
    const shown = geometry.labelled(xs);
    return this.#marks.flatMap(({ turn, tokens }, index) => {
      // An answer can lie beyond the line while the conversation is read again.
      if (tokens > scale.tokens) return [];
      const x = xs[index];
      const alone = index === 0 && x > geometry.MARGIN.left + 40;
      const atEdge = x > scale.width - geometry.MARGIN.right - 16;
      return [
        svg`<line class="mark" x1=${x} x2=${x} y1=${bottom - 4} y2=${bottom + 4} />
          ${
            shown[index]
              ? svg`<text x=${atEdge ? x + 4 : x} y=${bottom + 16} text-anchor=${atEdge ? 'end' : 'middle'}
                  >${alone ? `turn ${turn}` : turn}</text>`
              : nothing
          }`,
      ];
    });
  }

  #pointed(scale: geometry.TimelineScale, samples: readonly MemorySample[]): TemplateResult | typeof nothing {
    if (this.at === null) return nothing;
    const { tokens, live } = samples[this.at];
    const x = geometry.xOf(scale, tokens);
    const bottom = scale.height - geometry.MARGIN.bottom;
    return svg`<line class="here" x1=${x} x2=${x} y1=${geometry.MARGIN.top} y2=${bottom} />
      <circle class="dot" cx=${x} cy=${geometry.yOf(scale, live)} r="4" />`;
  }

  #readout(samples: readonly MemorySample[]): string {
    if (this.at === null) return 'Point at the line, or use the arrow keys.';
    const { tokens, live, dense } = samples[this.at];
    return `${formatTokens(tokens)}: ${formatBytes(live)} held, of ${formatBytes(dense)}`;
  }

  #table(): TemplateResult | typeof nothing {
    if (this.#marks.length === 0) return nothing;
    return html`<details class="small">
      <summary>As a table</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="Memory after each answer">
        <table class="figures">
          <caption class="quiet">Memory after each answer</caption>
          <thead>
            <tr>
              <th scope="col">turn</th>
              <th scope="col">tokens</th>
              <th scope="col">held</th>
              <th scope="col">dense</th>
            </tr>
          </thead>
          <tbody>
            ${this.#marks.map(
              ({ turn, tokens, live, dense }) => html`<tr>
                <th scope="row">${turn}</th>
                <td>${formatCount(tokens)}</td>
                <td>${formatBytes(live)}</td>
                <td>${formatBytes(dense)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>`;
  }

  readonly #onPointer = (event: PointerEvent): void => {
    const { samples } = this.history;
    this.at = geometry.sampleAt(geometry.timelineScale(samples, this.lineWidth), samples, event.offsetX);
  };

  readonly #leave = (): void => {
    if (!(this.shadowRoot?.activeElement instanceof SVGElement)) this.at = null;
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    const next = geometry.moveSample(this.history.samples.length, this.at, event.key);
    if (next === null) return;
    event.preventDefault();
    this.at = next;
  };
}
