/** The cards above the field: loading, asking before a download, and everything that can go wrong. Templates only. */
import { css, html, nothing, type TemplateResult } from 'lit';
import type { LoadProgress } from '../engine/api.ts';
import type { OfferChoice } from '../engine/model_offer.ts';
import type { Fault } from './faults.ts';
import { formatBytes, formatCount, formatTime } from './format.ts';
import type { JudgedOffer, LoadState } from './loader.ts';
import { needLine } from './need_line.ts';
import type { RecommendedModel } from './recommended.ts';
import { fillIn, words } from './words.ts';

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
  .card select {
    font: inherit;
    color: var(--text);
    background: var(--raised);
    border: 1px solid var(--edge);
    border-radius: var(--radius);
    min-height: 2.25rem;
    max-width: 100%;
  }
  .unfit {
    color: var(--alarm);
    font-weight: 600;
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

const STAGES = ['download', 'upload', 'compile'] as const satisfies readonly Stage[];

/** `41.2 MB of 98.4 MB, 23 MB/s, 3.2 s left`; kernels are counted. */
export function progressLine(state: LoadState & { kind: 'loading' }): string {
  const { progress, bytesPerSecond, msLeft } = state;
  const { loadStarting, loadPart, loadSpeed, loadLeft, loadKernels, loadReady } = words();
  if (!progress) return loadStarting;
  const { stage, done, total } = progress;
  if (stage === 'compile') return fillIn(loadKernels, { done: formatCount(done), total: formatCount(total) });
  if (stage === 'ready') return loadReady;
  const parts = [fillIn(loadPart, { done: formatBytes(done), total: formatBytes(total) })];
  if (bytesPerSecond !== null) parts.push(fillIn(loadSpeed, { bytes: formatBytes(bytesPerSecond) }));
  if (msLeft !== null && stage === 'download') parts.push(fillIn(loadLeft, { time: formatTime(msLeft) }));
  return parts.join(', ');
}

/** What the model is being loaded with, and a way out. */
export function loadCard(state: LoadState & { kind: 'loading' }, cancel: () => void): TemplateResult {
  const { progress } = state;
  const { loadingTitle, beginning, cancel: cancelWord, ...labels } = words();
  const found = STAGES.find((stage) => stage === progress?.stage);
  const label = found ? labels[found] : beginning;
  return html`<section class="card" part="card" data-card="loading" aria-label=${loadingTitle}>
    <div class="row">
      <h2>${loadingTitle}</h2>
      <button @click=${cancel}>${cancelWord}</button>
    </div>
    <ol class="stages small" role="list">
      ${STAGES.map(
        (stage) => html`<li aria-current=${progress?.stage === stage ? 'step' : nothing}>${labels[stage]}</li>`,
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
  return html`<section class="card" part="card" data-card="cancelled">
    <div class="row">
      <div>
        <h2>${words().cancelledTitle}</h2>
        <p class="small quiet">${words().cancelledText}</p>
      </div>
      <button class="primary" @click=${load}>${words().load}</button>
    </div>
  </section>`;
}

/** What can be done about an offer, beside taking it. */
export interface OfferActions {
  /** Loads a proposed model in its place; without it the model is only named. */
  readonly takeSmaller?: (model: RecommendedModel) => void;
  /** Asks about another form of the model. */
  readonly choose?: (choice: OfferChoice) => void;
  readonly back?: BackAction | null;
}

/** To the model that was there before. */
export interface BackAction {
  readonly name: string;
  readonly act: () => void;
}

function backButton(back: BackAction | null | undefined): TemplateResult | typeof nothing {
  return back ? html`<button @click=${back.act}>${fillIn(words().back, { name: back.name })}</button>` : nothing;
}

function choiceField(offer: JudgedOffer, choose: OfferActions['choose']): TemplateResult | typeof nothing {
  const { choices = [], address } = offer;
  if (!choose || choices.length < 2) return nothing;
  const change = (event: Event): void => {
    const found = choices.find((choice) => choice.address === (event.target as HTMLSelectElement).value);
    if (found) choose(found);
  };
  return html`<dt>${words().form}</dt>
    <dd>
      <select aria-label=${words().formField} @change=${change}>
        ${choices.map(
          (choice) => html`<option value=${choice.address} ?selected=${choice.address === address}>
            ${choice.label}, ${formatBytes(choice.bytes)}
          </option>`,
        )}
      </select>
    </dd>`;
}

/** Before a download: what, how much, under which licence, on which adapter, and whether it fits. */
export function consentCard(
  offer: JudgedOffer,
  adapter: string | null,
  accept: () => void,
  { takeSmaller, choose, back }: OfferActions = {},
): TemplateResult {
  const { name, bytes, host, license, judged } = offer;
  const { fits } = judged.fit;
  const w = words();
  return html`<section class="card" part="card" data-card="consent">
    <h2>${fillIn(w.consentTitle, { name })}</h2>
    <dl class="facts small">
      <dt>${w.size}</dt>
      <dd class="figures">${bytes === null ? w.sizeUntold : formatBytes(bytes)}</dd>
      ${choiceField(offer, choose)}
      <dt>${w.from}</dt>
      <dd>${host}</dd>
      <dt>${w.licence}</dt>
      <dd>${license ?? w.licenceUntold}</dd>
      <dt>${w.runsOn}</dt>
      <dd>${adapter ?? w.adapterUnnamed}</dd>
    </dl>
    <p class=${fits ? 'small figures' : 'small figures unfit'} data-field="need">${needLine(judged)}</p>
    ${smallerLine(judged.smaller, takeSmaller)}
    <div class="row">
      <p class="small quiet">${w.runsHere}</p>
      <div class="row">
        ${backButton(back)}
        <button class=${fits ? 'primary' : ''} @click=${accept}>${fits ? w.accept : w.acceptUnfit}</button>
      </div>
    </div>
  </section>`;
}

function smallerLine(
  model: RecommendedModel | null,
  take: OfferActions['takeSmaller'],
): TemplateResult | typeof nothing {
  if (!model) return nothing;
  const { name, license: licence } = model;
  const { smaller, takeSmaller } = words();
  return html`<p class="small" data-field="smaller">
    ${fillIn(smaller, { name, bytes: formatBytes(model.bytes), licence })}
    ${take ? html`<button @click=${() => take(model)}>${fillIn(takeSmaller, { name })}</button>` : nothing}
  </p>`;
}

export interface FaultActions {
  readonly load: () => void;
  readonly newChat: () => void;
  readonly dismiss: () => void;
  readonly back?: BackAction | null;
}

/** What is missing, why, and what to do. */
export function faultCard(fault: Fault, actions: FaultActions): TemplateResult {
  const button = {
    load: html`<button class="primary" @click=${actions.load}>${words().loadAgain}</button>`,
    'new-chat': html`<button class="primary" @click=${actions.newChat}>${words().newChat}</button>
      <button @click=${actions.dismiss}>${words().close}</button>`,
    none: html`<button @click=${actions.dismiss}>${words().close}</button>`,
  }[fault.action];
  return html`<section class="card fault" part="card" data-card="fault" data-fault=${fault.kind} role="alert">
    <h2>${fault.title}</h2>
    <p>${fault.why}</p>
    <ul>
      ${fault.remedies.map((remedy) => html`<li>${remedy}</li>`)}
    </ul>
    <div class="row">
      <details class="small">
        <summary>${words().ownWords}</summary>
        <code>${fault.detail}</code>
      </details>
      <div class="row">${backButton(actions.back)}${button}</div>
    </div>
  </section>`;
}
