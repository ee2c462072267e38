/**
 * The heat map: a row per layer, a cell per KV head, coloured by the share of the conversation that the head still
 * holds.
 * Drawn on a canvas once per new occupancy; pointer and arrow keys read single cells; the same numbers stand in a
 * table.
 */
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { Occupancy } from '../cache/occupancy.ts';
import { formatCount, formatTokens } from '../ui/format.ts';
import { sharedStyles } from '../ui/shared_styles.ts';
import { cssColour, rampColour, rampGradient } from './colour_ramp.ts';
import * as geometry from './heat_geometry.ts';
import { tableStyles } from './table_styles.ts';

/** Milliseconds between two drawings of the table: it is for reading, and large. */
const TABLE_INTERVAL_MS = 1000;

export class HeatMap extends LitElement {
  static override readonly styles = [
    sharedStyles,
    tableStyles,
    css`
      :host {
        display: grid;
        gap: 0.375rem;
      }
      canvas {
        display: block;
        width: 100%;
        touch-action: pan-y;
      }
      .legend {
        display: grid;
        gap: 0.125rem;
      }
      .bar {
        position: relative;
        height: 0.625rem;
        border-radius: 2px;
      }
      .floor {
        position: absolute;
        top: -0.25rem;
        bottom: -0.25rem;
        width: 0;
        border-left: 2px solid var(--text);
        outline: 1px solid var(--ground);
      }
      .ends {
        display: flex;
        justify-content: space-between;
      }
    `,
  ];

  @property({ attribute: false }) occupancy: Occupancy | null = null;

  @state() private cell: geometry.Cell | null = null;
  @state() private tableOpen = false;
  @state() private dark = false;
  @state() private mapWidth = 0;

  /** What the table shows: the occupancy, at most once a second. */
  #tableOccupancy: Occupancy | null = null;
  #tableTimer: ReturnType<typeof setTimeout> | null = null;
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  readonly #resize = new ResizeObserver(([entry]) => {
    if (entry) this.mapWidth = entry.contentRect.width;
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.dark = this.#scheme.matches;
    this.#scheme.addEventListener('change', this.#onScheme);
    this.#resize.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#scheme.removeEventListener('change', this.#onScheme);
    this.#resize.disconnect();
    if (this.#tableTimer !== null) clearTimeout(this.#tableTimer);
    this.#tableTimer = null;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('occupancy') && this.tableOpen && this.#tableTimer === null) {
      this.#tableOccupancy ??= this.occupancy;
      this.#tableTimer = setTimeout(this.#refreshTable, TABLE_INTERVAL_MS);
    }
  }

  protected override updated(): void {
    const grid = this.#grid();
    if (grid && this.occupancy) this.#paint(grid, this.occupancy);
  }

  protected override render(): TemplateResult {
    const { occupancy } = this;
    if (!occupancy) return html`<p class="small quiet">The map appears when the model is loaded.</p>`;
    const height = this.#grid()?.height ?? 0;
    return html`<canvas
        tabindex="0"
        role="img"
        aria-label="Share of the conversation that each head still holds, ${occupancy.layers} layers by
          ${occupancy.kvHeads} heads. Arrow keys read one cell; the table below has all numbers."
        style="height: ${height}px"
        @pointermove=${this.#onPointer}
        @pointerdown=${this.#onPointer}
        @pointerleave=${this.#leave}
        @blur=${this.#leave}
        @keydown=${this.#onKey}
      ></canvas>
      <output class="small figures" aria-live="polite">${this.#readout(occupancy)}</output>
      ${this.#legend(occupancy)}
      <details class="small" @toggle=${this.#onToggle}>
        <summary>As a table</summary>
        ${this.tableOpen ? this.#table(this.#tableOccupancy ?? occupancy) : nothing}
      </details>`;
  }

  #readout(occupancy: Occupancy): string {
    const cell = this.cell;
    if (!cell) return 'Point at a cell, or use the arrow keys.';
    const held = formatCount(geometry.heldTokens(occupancy, cell));
    return `layer ${cell.layer + 1}, head ${cell.head + 1}: ${held} of ${formatTokens(occupancy.tokensSeen)}`;
  }

  #legend(occupancy: Occupancy): TemplateResult {
    const floor = geometry.floorShare(occupancy);
    const window = occupancy.window + 1;
    return html`<div class="legend small">
      <div class="bar" style="background: ${rampGradient(this.dark ? 'dark' : 'light')}" role="presentation">
        ${floor === null ? nothing : html`<span class="floor" style="left: calc(${100 * floor}% - 1px)"></span>`}
      </div>
      <div class="ends quiet"><span>holds nothing</span><span>holds everything</span></div>
      ${
        occupancy.window === 0
          ? nothing
          : html`<p class="quiet" title="The window of recent tokens that no head may forget">
              Mark: the latest ${formatTokens(window)}, which every head keeps
            </p>`
      }
    </div>`;
  }

  #table(occupancy: Occupancy): TemplateResult {
    const heads = Array.from({ length: occupancy.kvHeads }, (_, head) => head);
    const layers = Array.from({ length: occupancy.layers }, (_, layer) => layer);
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Tokens held by each head">
      <table class="figures">
        <caption class="quiet">
          Tokens held, of ${formatTokens(occupancy.tokensSeen)}
        </caption>
        <thead>
          <tr>
            <th scope="col">layer</th>
            ${heads.map((head) => html`<th scope="col">head ${head + 1}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${layers.map(
            (layer) => html`<tr>
              <th scope="row">${layer + 1}</th>
              ${heads.map((head) => html`<td>${formatCount(geometry.heldTokens(occupancy, { layer, head }))}</td>`)}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }

  get #canvas(): HTMLCanvasElement | null {
    return this.renderRoot.querySelector('canvas');
  }

  #grid(): geometry.HeatGrid | null {
    const { occupancy, mapWidth } = this;
    return occupancy && mapWidth > 0 ? geometry.heatGrid(occupancy.layers, occupancy.kvHeads, mapWidth) : null;
  }

  /** Draws the whole map: about a hundred rectangles, a few times a second. */
  #paint(grid: geometry.HeatGrid, occupancy: Occupancy): void {
    const canvas = this.#canvas;
    if (!canvas) return;
    const scale = devicePixelRatio;
    canvas.width = Math.round(grid.width * scale);
    canvas.height = Math.round(grid.height * scale);
    const context = canvas.getContext('2d');
    if (!context) return;
    context.scale(scale, scale);
    const scheme = this.dark ? 'dark' : 'light';
    for (let layer = 0; layer < grid.layers; layer++) {
      for (let head = 0; head < grid.kvHeads; head++) {
        const { x, y, width, height } = geometry.cellRect(grid, { layer, head });
        context.fillStyle = cssColour(rampColour(geometry.heldShare(occupancy, { layer, head }), scheme));
        context.fillRect(x, y, width, height);
      }
    }
    const style = getComputedStyle(this);
    this.#paintLabels(context, grid, style);
    if (!this.cell) return;
    const { x, y, width, height } = geometry.cellRect(grid, this.cell);
    context.strokeStyle = style.getPropertyValue('color');
    context.lineWidth = 2;
    context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  }

  #paintLabels(context: CanvasRenderingContext2D, grid: geometry.HeatGrid, style: CSSStyleDeclaration): void {
    context.fillStyle = style.getPropertyValue('color');
    context.globalAlpha = 0.75;
    context.font = `11px ${style.fontFamily}`;
    context.textBaseline = 'middle';
    context.textAlign = 'center';
    for (let head = 0; head < grid.kvHeads; head++) {
      const { x, width } = geometry.cellRect(grid, { layer: 0, head });
      const label = grid.kvHeads <= 4 ? `head ${head + 1}` : `${head + 1}`;
      context.fillText(label, x + width / 2, geometry.LABEL_HEIGHT / 2);
    }
    context.textAlign = 'right';
    const every = grid.cellHeight >= 14 ? 1 : 5;
    for (let layer = 0; layer < grid.layers; layer++) {
      if (layer > 0 && (layer + 1) % every !== 0) continue;
      const { y, height } = geometry.cellRect(grid, { layer, head: 0 });
      context.fillText(`${layer + 1}`, geometry.LABEL_WIDTH - 6, y + height / 2 + 0.5);
    }
    context.globalAlpha = 1;
  }

  readonly #onScheme = (): void => {
    this.dark = this.#scheme.matches;
  };

  readonly #onPointer = (event: PointerEvent): void => {
    const grid = this.#grid();
    if (grid) this.cell = geometry.cellAt(grid, event.offsetX, event.offsetY);
  };

  readonly #leave = (): void => {
    if (this.shadowRoot?.activeElement !== this.#canvas) this.cell = null;
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    const grid = this.#grid();
    const next = grid && geometry.moveCell(grid, this.cell, event.key);
    if (!next) return;
    event.preventDefault();
    this.cell = next;
  };

  readonly #onToggle = (event: Event): void => {
    this.tableOpen = (event.target as HTMLDetailsElement).open;
    this.#tableOccupancy = this.occupancy;
  };

  readonly #refreshTable = (): void => {
    this.#tableTimer = null;
    this.#tableOccupancy = this.occupancy;
    this.requestUpdate();
  };
}
