/** What every dialog in the middle of the page looks like; its width and its padding are its own. */
import { css } from 'lit';

export const dialogStyles = css`
  dialog {
    color: inherit;
    background: var(--ground);
    border: 1px solid var(--line);
    border-radius: var(--radius);
    max-height: calc(100dvh - 1.5rem);
    overflow: auto;
  }
  dialog::backdrop {
    background: rgb(0 0 0 / 0.45);
  }
  h2 {
    font-size: 1.125rem;
  }
`;
