/**
 * How the widget looks. A page changes it by custom properties (`--lethe-…`), by `::part()`, and by placing the element
 * itself. Light and dark follow `color-scheme`, which is the system's unless the page says otherwise.
 */
import { css } from 'lit';
import { sharedStyles } from '../ui/shared_styles.ts';

/** The page's own colours go in by names that no other library uses; the parts inside take them by short ones. */
const tokens = css`
  :host {
    color-scheme: light dark;
    --ground: var(--lethe-background, light-dark(#fbfcfc, #0e1516));
    --surface: var(--lethe-surface, light-dark(#f0f5f5, #172224));
    --raised: var(--lethe-raised, light-dark(#ffffff, #1d2b2d));
    --line: var(--lethe-line, light-dark(#d3dede, #2d3e40));
    --edge: var(--lethe-edge, light-dark(#768a8a, #6b8486));
    --text: var(--lethe-text, light-dark(#132121, #e3eded));
    --quiet: var(--lethe-quiet, light-dark(#4a5d5d, #9fb4b4));
    --accent: var(--lethe-accent, light-dark(#0a6a70, #55c8c6));
    --on-accent: var(--lethe-on-accent, light-dark(#ffffff, #04201f));
    --wash: var(--lethe-wash, light-dark(#e0f0ef, #143335));
    --alarm: var(--lethe-alarm, light-dark(#a3341c, #ff9b82));
    --alarm-wash: var(--lethe-alarm-wash, light-dark(#fdf0ec, #321c16));
    --font: var(
      --lethe-font,
      system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif
    );
    --mono: var(--lethe-mono, ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', monospace);
    --radius: var(--lethe-radius, 8px);
  }
`;

export const widgetStyles = [
  sharedStyles,
  tokens,
  css`
    :host {
      position: fixed;
      right: 1rem;
      bottom: 1rem;
      z-index: var(--lethe-z-index, 1000);
      color: var(--text);
      font: 1rem / 1.5 var(--font);
      letter-spacing: normal;
      text-align: start;
      text-transform: none;
      white-space: normal;
    }
    :host([hidden]) {
      display: none;
    }
    .launcher {
      display: flex;
      align-items: center;
      gap: 0.5rem;
      min-height: 3rem;
      padding: 0 1.125rem;
      border-radius: 1.5rem;
      box-shadow: 0 2px 10px rgb(0 0 0 / 0.25);
    }
    .launcher svg {
      width: 1.375rem;
      height: 1.375rem;
      fill: none;
      stroke: currentColor;
      stroke-width: 1.75;
      stroke-linejoin: round;
    }
    dialog {
      position: static;
      width: var(--lethe-width, 25rem);
      max-width: calc(100vw - 2rem);
      height: var(--lethe-height, min(40rem, calc(100dvh - 2rem)));
      margin: 0;
      padding: 0;
      color: inherit;
      background: var(--ground);
      border: 1px solid var(--line);
      border-radius: calc(var(--radius) * 1.5);
      box-shadow: 0 8px 30px rgb(0 0 0 / 0.25);
      overflow: hidden;
    }
    dialog[open] {
      display: grid;
      grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr);
    }
    header {
      display: flex;
      align-items: center;
      gap: 0.25rem;
      padding: 0.375rem 0.375rem 0.375rem 1rem;
      border-bottom: 1px solid var(--line);
    }
    header h2 {
      overflow: hidden;
      text-overflow: ellipsis;
      white-space: nowrap;
    }
    .state {
      margin-right: auto;
      padding-left: 0.5rem;
      white-space: nowrap;
    }
    header button {
      padding: 0.4rem 0.6rem;
      white-space: nowrap;
    }
    .close {
      display: grid;
      place-items: center;
      width: 2.5rem;
      padding: 0;
    }
    .close svg {
      width: 1.125rem;
      height: 1.125rem;
      stroke: currentColor;
      stroke-width: 2;
      stroke-linecap: round;
    }
    .welcome {
      display: grid;
      gap: 0.25rem;
    }
    .dock {
      display: grid;
      gap: 0.625rem;
      padding: 0.5rem 0.75rem 0.75rem;
    }
    .dock .card {
      max-height: 24rem;
      overflow: auto;
    }
    @media (width < 480px) {
      dialog {
        position: fixed;
        inset: 0;
        width: 100%;
        max-width: none;
        height: 100dvh;
        max-height: none;
        border: 0;
        border-radius: 0;
      }
    }
  `,
];
