/** The cards above the field: loading, asking before a download, and everything that can go wrong. Templates only. */
import { css, html, nothing, type TemplateResult } from 'lit';
import type { LoadProgress } from '../engine/api.ts';
import type { Fault } from './faults.ts';
import { formatBytes, formatCount, formatTime } from './format.ts';
import type { LoadState } from './loader.ts';
import type { ModelOffer } from './model_offer.ts';

export const cardStyles = css`
  .card {
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--raised);
    padding: 1rem 1.125rem;
    display: grid;
    gap: 0.625rem;
  }
  .card ul {
    margin: 0;
    padding-left: 1.2rem;
  }
  .card .row {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem 1rem;
    align-items: center;
    justify-content: space-between;
  }
  .fault {
    border-color: var(--alarm);
    background: var(--alarm-wash);
  }
  .fault h2 {
    color: var(--alarm);
  }
  .fault summary {
    cursor: pointer;
    color: var(--quiet);
  }
  .fault code {
    font: 0.8125rem / 1.4 var(--mono);
    overflow-wrap: anywhere;
  }
  .stages {
    display: flex;
    flex-wrap: wrap;
    gap: 0.25rem 1.25rem;
    list-style: none;
    margin: 0;
    padding: 0;
    color: var(--quiet);
  }
  .stages [aria-current] {
    color: var(--accent);
    font-weight: 600;
  }
  progress {
    width: 100%;
    height: 0.5rem;
    accent-color: var(--accent);
  }
  .facts {
    display: grid;
    grid-template-columns: auto 1fr;
    gap: 0.125rem 1rem;
    margin: 0;
  }
  .facts dt {
    color: var(--quiet);
  }
  .facts dd {
    margin: 0;
    overflow-wrap: anywhere;
  }
`;

type Stage = LoadProgress['stage'];

const STAGES: readonly { readonly stage: Stage; readonly label: string }[] = [
  { stage: 'download', label: 'Download' },
  { stage: 'upload', label: 'Upload to the GPU' },
  { stage: 'compile', label: 'Compile' },
];

/** `41.2 MB of 98.4 MB, 23 MB/s, 3.2 s left`; kernels are counted. */
export function progressLine(state: LoadState & { kind: 'loading' }): string {
  const { progress, bytesPerSecond, msLeft } = state;
  if (!progress) return 'starting…';
  if (progress.stage === 'compile') return `${formatCount(progress.done)} of ${formatCount(progress.total)} kernels`;
  if (progress.stage === 'ready') return 'ready';
  const parts = [
    `${formatBytes(progress.done)} of ${formatBytes(progress.total)}`,
    ...(bytesPerSecond === null ? [] : [`${formatBytes(bytesPerSecond)}/s`]),
    ...(msLeft === null || progress.stage !== 'download' ? [] : [`${formatTime(msLeft)} left`]),
  ];
  return parts.join(', ');
}

/** What the model is being loaded with, and a way out. */
export function loadCard(state: LoadState & { kind: 'loading' }, cancel: () => void): TemplateResult {
  const { progress } = state;
  const label = STAGES.find(({ stage }) => stage === progress?.stage)?.label ?? 'Starting';
  return html`<section class="card" data-card="loading" aria-label="Loading the model">
    <div class="row">
      <h2>Loading the model</h2>
      <button @click=${cancel}>Cancel</button>
    </div>
    <ol class="stages small" role="list">
      ${STAGES.map(
        ({ stage, label }) => html`<li aria-current=${progress?.stage === stage ? 'step' : nothing}>${label}</li>`,
      )}
    </ol>
    <progress
      aria-label=${label}
      max=${Math.max(1, progress?.total ?? 1)}
      .value=${progress ? progress.done : 0}
    ></progress>
    <p class="small quiet figures" data-field="progress">${progressLine(state)}</p>
    <p class="unseen" role="status">${label}</p>
  </section>`;
}

/** After a cancelled load. */
export function cancelledCard(load: () => void): TemplateResult {
  return html`<section class="card" data-card="cancelled">
    <div class="row">
      <div>
        <h2>Loading was cancelled</h2>
        <p class="small quiet">Nothing runs now. Loading again takes up what the browser still has.</p>
      </div>
      <button class="primary" @click=${load}>Load the model</button>
    </div>
  </section>`;
}

/** Before a download from another server: what, how much, under which licence, on which adapter. */
export function consentCard(offer: ModelOffer, adapter: string, accept: () => void): TemplateResult {
  return html`<section class="card" data-card="consent">
    <h2>Download ${offer.name}?</h2>
    <dl class="facts small">
      <dt>Size</dt>
      <dd class="figures">${offer.bytes === null ? 'not told by the server' : formatBytes(offer.bytes)}</dd>
      <dt>From</dt>
      <dd>${offer.host}</dd>
      <dt>Licence</dt>
      <dd>${offer.license ?? 'not told'}</dd>
      <dt>Runs on</dt>
      <dd>${adapter}</dd>
    </dl>
    <div class="row">
      <p class="small quiet">It runs in this page. What you write stays on this device.</p>
      <button class="primary" @click=${accept}>Download and start</button>
    </div>
  </section>`;
}

export interface FaultActions {
  readonly load: () => void;
  readonly newChat: () => void;
  readonly dismiss: () => void;
}

/** What is missing, why, and what to do. */
export function faultCard(fault: Fault, actions: FaultActions): TemplateResult {
  const button = {
    load: html`<button class="primary" @click=${actions.load}>Load again</button>`,
    'new-chat': html`<button class="primary" @click=${actions.newChat}>New chat</button>
      <button @click=${actions.dismiss}>Close</button>`,
    none: html`<button @click=${actions.dismiss}>Close</button>`,
  }[fault.action];
  return html`<section class="card fault" data-card="fault" data-fault=${fault.kind} role="alert">
    <h2>${fault.title}</h2>
    <p>${fault.why}</p>
    <ul>
      ${fault.remedies.map((remedy) => html`<li>${remedy}</li>`)}
    </ul>
    <div class="row">
      <details class="small">
        <summary>In the error’s own words</summary>
        <code>${fault.detail}</code>
      </details>
      <div class="row">${button}</div>
    </div>
  </section>`;
}
