/** A drawing's words: the line that says what is pointed at, and the table that can be opened in its place. */
import { css } from 'lit';

export const tableStyles = css`
  output {
    display: block;
    min-height: 1.3rem;
  }
  summary {
    cursor: pointer;
    color: var(--quiet);
  }
  .scroll {
    max-height: 16rem;
    overflow: auto;
  }
  table {
    border-collapse: collapse;
    width: 100%;
    text-align: right;
  }
  th {
    font-weight: 400;
    color: var(--quiet);
  }
  th,
  td {
    padding: 0.0625rem 0.25rem;
  }
`;
