/** The list of chats: a sheet at the left side when wide, from below on a phone. */
import { css } from 'lit';
import { sharedStyles } from '../ui/shared_styles.ts';

export const chatListStyles = [
  sharedStyles,
  css`
    dialog {
      color: inherit;
      background: var(--ground);
      border: 0;
      border-right: 1px solid var(--line);
      padding: 0;
      margin: 0 auto 0 0;
      width: min(26rem, 100vw);
      max-width: none;
      height: 100dvh;
      max-height: none;
      overscroll-behavior: contain;
    }
    dialog::backdrop {
      background: rgb(0 0 0 / 0.45);
    }
    .sheet {
      display: grid;
      grid-template-rows: auto minmax(0, 1fr) auto;
      height: 100%;
    }
    .head {
      display: grid;
      grid-template-columns: 1fr auto auto;
      gap: 0.5rem;
      align-items: center;
      padding: 0.75rem 1rem;
      border-bottom: 1px solid var(--line);
    }
    h2 {
      font-size: 1.125rem;
    }
    .head input {
      grid-column: 1 / -1;
    }
    input {
      padding: 0.375rem 0.625rem;
      min-height: 2.5rem;
      width: 100%;
      min-width: 0;
    }
    .list {
      overflow-y: auto;
      padding: 0.5rem;
    }
    ul {
      list-style: none;
      margin: 0;
      padding: 0;
      display: grid;
      gap: 0.25rem;
    }
    li {
      border-radius: var(--radius);
      padding: 0.125rem;
      min-width: 0;
    }
    li[data-current] {
      background: var(--wash);
    }
    .open {
      display: grid;
      width: 100%;
      text-align: left;
      padding: 0.375rem 0.625rem 0.125rem;
      min-height: 2.25rem;
    }
    .title {
      overflow: hidden;
      text-overflow: ellipsis;
      white-space: nowrap;
      font-weight: 600;
    }
    .about {
      display: flex;
      align-items: center;
      gap: 0.125rem;
      padding-left: 0.6875rem;
    }
    .about time {
      margin-right: auto;
      white-space: nowrap;
    }
    .about button {
      min-height: 2rem;
      padding: 0 0.4rem;
    }
    form {
      display: flex;
      gap: 0.375rem;
      padding: 0.25rem 0.375rem;
    }
    .empty {
      padding: 1rem 0.75rem;
    }
    .foot {
      border-top: 1px solid var(--line);
      padding: 0.5rem 1rem 0.75rem;
      display: grid;
      gap: 0.375rem;
    }
    .row {
      display: flex;
      flex-wrap: wrap;
      gap: 0.5rem;
      align-items: center;
      justify-content: space-between;
    }
    .row > .title {
      flex: 1 1 0;
      font-weight: 400;
    }
    @media (width < 900px) {
      dialog {
        width: 100%;
        height: 92dvh;
        margin: auto 0 0;
        border: 0;
        border-top: 1px solid var(--line);
        border-radius: var(--radius) var(--radius) 0 0;
      }
    }
  `,
];
