/** The page's grid: conversation and panel side by side when wide, one column and a sheet when narrow. */
import { css } from 'lit';
import { cardStyles } from '../ui/cards.ts';
import { sharedStyles } from '../ui/shared_styles.ts';

export const pageStyles = [
  sharedStyles,
  cardStyles,
  css`
    :host {
      height: 100dvh;
      display: grid;
      grid-template: auto minmax(0, 1fr) / minmax(0, 1fr) 340px;
    }
    header {
      grid-column: 1 / -1;
      display: flex;
      align-items: center;
      gap: 0.5rem;
      padding: 0.375rem 0.75rem 0.375rem 1rem;
      border-bottom: 1px solid var(--line);
      min-width: 0;
    }
    h1 {
      font-size: 1.125rem;
      margin: 0;
      color: var(--accent);
    }
    .chip {
      display: flex;
      gap: 0.5rem;
      min-width: 0;
      padding: 0.125rem 0.625rem;
      margin-left: 0.5rem;
      border: 1px solid var(--line);
      border-radius: 99px;
      background: var(--surface);
      white-space: nowrap;
    }
    button.chip {
      align-items: center;
      min-height: 2.25rem;
    }
    .chip .name {
      overflow: hidden;
      text-overflow: ellipsis;
    }
    .status {
      display: flex;
      align-items: center;
      margin-right: auto;
      padding-left: 0.25rem;
      min-width: 0;
    }
    .state {
      overflow: hidden;
      text-overflow: ellipsis;
      white-space: nowrap;
    }
    header button {
      white-space: nowrap;
    }
    main {
      display: grid;
      grid-template-rows: minmax(0, 1fr) auto;
      min-width: 0;
    }
    .update {
      display: flex;
      align-items: center;
      justify-content: space-between;
      gap: 0.5rem;
      margin: 0;
      padding: 0.25rem 0.25rem 0.25rem 0.75rem;
      border-radius: var(--radius);
      background: var(--wash);
    }
    .dock {
      display: grid;
      gap: 0.625rem;
      width: 100%;
      max-width: calc(72ch + 2rem);
      margin: 0 auto;
      padding: 0.5rem 1rem 0.875rem;
    }
    .dock .card {
      max-height: 55dvh;
      overflow: auto;
    }
    aside {
      border-left: 1px solid var(--line);
      background: var(--surface);
      padding: 1.125rem;
      overflow-y: auto;
      min-height: 0;
    }
    .line {
      display: flex;
      justify-content: space-between;
      width: 100%;
      min-height: 2.5rem;
      align-items: center;
      border: 0;
      border-bottom: 1px solid var(--line);
      border-radius: 0;
      background: var(--surface);
      padding: 0.25rem 1rem;
    }
    .accent {
      color: var(--accent);
    }
    .sheet {
      color: inherit;
      background: var(--ground);
      border: 0;
      border-top: 1px solid var(--line);
      border-radius: var(--radius) var(--radius) 0 0;
      width: 100%;
      max-width: none;
      max-height: 88dvh;
      margin: auto 0 0;
      padding: 0 1rem 1.25rem;
      overflow-y: auto;
      overscroll-behavior: contain;
    }
    .sheet::backdrop {
      background: rgb(0 0 0 / 0.45);
    }
    .sheet-head {
      position: sticky;
      top: 0;
      z-index: 1;
      display: flex;
      justify-content: space-between;
      align-items: center;
      padding: 0.625rem 0;
      background: var(--ground);
    }
    @media (width < 900px) {
      :host {
        grid-template: auto auto minmax(0, 1fr) / minmax(0, 1fr);
      }
      header {
        gap: 0.125rem;
        padding: 0.25rem 0.25rem 0.25rem 1rem;
      }
      header button {
        padding: 0.4rem 0.6rem;
      }
    }
    @media (width < 560px) {
      /* The state in words has a line of its own, and so has what is seldom there. */
      header {
        display: grid;
        grid: auto auto / auto minmax(0, 1fr) repeat(3, auto);
        gap: 0;
        padding-block: 0.125rem;
      }
      button.chip {
        justify-self: start;
        max-width: 100%;
        min-height: 1.75rem;
      }
      .chip {
        margin-left: 0.25rem;
        padding: 0 0.5rem;
      }
      .status {
        grid-area: 2 / 1 / auto / span 3;
        padding-left: 0;
      }
      header > .install {
        grid-area: 2 / 4 / auto / span 2;
        justify-self: end;
        min-height: 1.5rem;
        padding-block: 0;
      }
      .chip .figures {
        display: none;
      }
    }
  `,
];
