/** The model picker: a dialog in the middle when wide, the whole screen on a phone. */
import { css } from 'lit';
import { sharedStyles } from '../ui/shared_styles.ts';
import { dialogStyles } from './dialog_styles.ts';

export const modelPickerStyles = [
  sharedStyles,
  dialogStyles,
  css`
    dialog {
      padding: 0;
      width: min(44rem, calc(100vw - 1.5rem));
      overscroll-behavior: contain;
    }
    .head {
      position: sticky;
      top: 0;
      z-index: 1;
      display: flex;
      align-items: center;
      justify-content: space-between;
      gap: 0.5rem;
      padding: 0.75rem 1.25rem;
      background: var(--ground);
      border-bottom: 1px solid var(--line);
    }
    .body {
      display: grid;
      gap: 1.25rem;
      padding: 1rem 1.25rem 1.25rem;
    }
    section {
      display: grid;
      gap: 0.5rem;
      min-width: 0;
    }
    form,
    .row {
      display: flex;
      flex-wrap: wrap;
      gap: 0.5rem;
      align-items: center;
    }
    form input {
      flex: 1 1 14rem;
      min-width: 0;
      min-height: 2.5rem;
      padding: 0.375rem 0.625rem;
    }
    ul {
      list-style: none;
      margin: 0;
      padding: 0;
      display: grid;
    }
    li {
      display: grid;
      grid-template-columns: minmax(0, 1fr) auto;
      gap: 0.25rem 0.75rem;
      align-items: center;
      padding: 0.5rem 0;
      border-top: 1px solid var(--line);
    }
    @media (width < 560px) {
      li {
        grid-template-columns: minmax(0, 1fr);
      }
      li > button {
        justify-self: start;
      }
    }
    li .title {
      font-weight: 600;
      overflow-wrap: anywhere;
    }
    li .unfit {
      color: var(--alarm);
    }
    .alarm {
      color: var(--alarm);
    }
  `,
];
