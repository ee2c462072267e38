/** Styles that several elements share: buttons, cards, fields, what only a screen reader is told, and the column. */
import { css } from 'lit';

export const sharedStyles = css`
  :host {
    display: block;
    box-sizing: border-box;
  }
  *,
  *::before,
  *::after {
    box-sizing: inherit;
  }
  [hidden] {
    display: none;
  }
  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }
  button,
  textarea,
  input:not([type='radio']) {
    font: inherit;
    color: var(--text);
    background: var(--raised);
    border: 1px solid var(--edge);
    border-radius: var(--radius);
  }
  ::placeholder {
    color: var(--quiet);
    opacity: 1;
  }
  button {
    padding: 0.4rem 0.9rem;
    min-height: 2.5rem;
    cursor: pointer;
  }
  button:hover:not(:disabled) {
    border-color: var(--accent);
  }
  button:disabled {
    color: var(--quiet);
    border-color: var(--line);
    cursor: default;
  }
  button.primary {
    color: var(--on-accent);
    background: var(--accent);
    border-color: var(--accent);
    font-weight: 600;
  }
  button.primary:disabled {
    color: var(--quiet);
    background: var(--surface);
    border-color: var(--line);
  }
  button.plain {
    background: none;
    border-color: transparent;
  }
  button.plain:hover:not(:disabled) {
    background: var(--surface);
    border-color: transparent;
  }
  h2,
  h3 {
    font-size: 1rem;
    line-height: 1.3;
    margin: 0;
  }
  p {
    margin: 0;
  }
  .quiet {
    color: var(--quiet);
  }
  .small {
    font-size: 0.875rem;
  }
  .figures {
    font-variant-numeric: tabular-nums;
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @media (prefers-reduced-motion: reduce) {
    * {
      animation: none !important;
      transition: none !important;
      scroll-behavior: auto !important;
    }
  }
`;

/** The measure in which a conversation is set. */
export const columnStyles = css`
  .column {
    max-width: calc(72ch + 2rem);
    margin: 0 auto;
    padding: 1.25rem 1rem;
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 0.5rem;
  }
`;
