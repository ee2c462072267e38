/**
 * Side by side: the same prompt with everything remembered and with the chosen forgetting, two columns with the memory
 * under each. A native dialog; it does not close before the reader's conversation is back in the memory.
 */
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { CachePolicy } from '../cache/policy.ts';
import type { ChatMessage, Engine } from '../engine/api.ts';
import { Comparison, likenessWords, type Side, sideWords } from '../ui/comparison.ts';
import { formatBytes, formatRatio, formatTokens } from '../ui/format.ts';
import { sharedStyles } from '../ui/shared_styles.ts';
import { defined } from '../util/assert.ts';
import { dialogStyles } from './dialog_styles.ts';

/** Tokens of each answer where the settings name no longest. */
const ANSWER_TOKENS = 200;

const NAMES = { dense: 'Dense', dms: 'DMS', window: 'Window' } as const;
const HINTS = { dense: 'keeps every token', dms: 'forgets what it can', window: 'keeps start and end' } as const;

export class CompareDialog extends LitElement {
  static override readonly styles = [
    sharedStyles,
    dialogStyles,
    css`
      dialog {
        padding: 1.25rem;
        width: min(66rem, calc(100vw - 1.5rem));
      }
      .all,
      form {
        display: grid;
        gap: 0.75rem;
      }
      h3 .small {
        font-weight: 400;
      }
      textarea {
        padding: 0.375rem 0.625rem;
        width: 100%;
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        gap: 0.5rem;
        justify-content: flex-end;
      }
      .columns {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr));
        gap: 1rem;
      }
      section {
        border: 1px solid var(--line);
        border-radius: var(--radius);
        padding: 0.75rem 0.875rem;
        display: grid;
        grid-template-rows: auto 1fr auto;
        gap: 0.5rem;
        min-width: 0;
      }
      .words {
        white-space: pre-wrap;
        overflow: auto;
        overflow-wrap: anywhere;
        min-height: 6rem;
        max-height: 40dvh;
      }
      .memory {
        border-top: 1px solid var(--line);
        padding-top: 0.5rem;
        display: grid;
        gap: 0.25rem;
      }
      .track {
        height: 0.625rem;
        border-radius: 2px;
        background: var(--wash);
      }
      .bar {
        height: 100%;
        border-radius: 2px;
        background: var(--accent);
      }
      .fault {
        color: var(--alarm);
      }
    `,
  ];

  /** The policy in force, and the one that was chosen to compare with remembering everything. */
  @property({ attribute: false }) policy: CachePolicy | null = null;
  @property({ attribute: false }) compared: CachePolicy | null = null;
  @property({ attribute: false }) systemPrompt = '';
  @property({ attribute: false }) maxTokens: number | null = null;
  /** Gives the engine away for some work, during which nobody chats. */
  @property({ attribute: false }) lend: (work: (engine: Engine) => Promise<void>) => Promise<void> = async () => {};

  @state() private prompt = '';

  readonly #comparison = new Comparison(() => this.requestUpdate());
  #closing = false;

  get #dialog(): HTMLDialogElement {
    return defined(this.renderRoot.querySelector('dialog'), 'the dialog');
  }

  /** @param prompt to begin with in the field */
  show(prompt: string): void {
    if (!this.#comparison.running) this.prompt = prompt;
    this.#closing = false;
    this.#dialog.showModal();
  }

  protected override render(): TemplateResult {
    const { sides, running, fault } = this.#comparison;
    return html`<dialog aria-labelledby="title" @cancel=${this.#onCancel}>
      <div class="all">
        <h2 id="title">Side by side</h2>
        <form @submit=${this.#onSubmit}>
          <label class="small" for="prompt">The same message, with everything remembered and with what is kept</label>
          <textarea
            id="prompt"
            rows="3"
            .value=${this.prompt}
            ?disabled=${running}
            @input=${(event: Event) => {
              this.prompt = (event.target as HTMLTextAreaElement).value;
            }}
          ></textarea>
          <div class="row">
            <button type="button" @click=${this.#close}>Close</button>
            ${
              running
                ? html`<button type="button" @click=${() => this.#comparison.stop()}>Stop</button>`
                : html`<button class="primary" ?disabled=${this.prompt.trim() === ''}>Run both</button>`
            }
          </div>
        </form>
        ${fault === null ? nothing : html`<p class="fault" role="alert">The comparison ended early: ${fault}</p>`}
        <p class="small quiet" role="status" data-field="comparison">${this.#summary()}</p>
        <div class="columns">${sides.map((side) => this.#side(side))}</div>
      </div>
    </dialog>`;
  }

  #summary(): string {
    const [dense, other] = this.#comparison.sides;
    if (!dense || !other) return 'One after the other, each with its likeliest words. Your chat goes on afterwards.';
    if (dense.state !== 'done' || other.state !== 'done') {
      return this.#comparison.running ? 'Running one after the other…' : 'Stopped.';
    }
    const [most, least] = [dense.occupancy?.liveBytes ?? 0, other.occupancy?.liveBytes ?? 0];
    const times = least > 0 ? `${NAMES[other.policy.kind]} holds ${formatRatio(most / least)}× less. ` : '';
    return `${times}${likenessWords(dense.text, other.text)}`;
  }

  #side(side: Side): TemplateResult {
    const { kind } = side.policy;
    const offset =
      side.policy.kind === 'dms' && side.policy.offset !== undefined ? `, offset ${side.policy.offset}` : '';
    return html`<section aria-label=${NAMES[kind]} data-side=${kind}>
      <h3>${NAMES[kind]} <span class="quiet small">${HINTS[kind]}${offset}</span></h3>
      <div class="words" tabindex="0" role="region" aria-label="Answer, ${NAMES[kind]}">${side.text}</div>
      <div class="memory small figures">
        <span class="quiet" data-field="side-state">${sideWords(side)}</span>
        ${this.#memory(side)}
      </div>
    </section>`;
  }

  #memory({ occupancy }: Side): TemplateResult {
    const most = Math.max(...this.#comparison.sides.map((side) => side.occupancy?.liveBytes ?? 0));
    const live = occupancy?.liveBytes ?? 0;
    return html`<div class="track" role="presentation">
        <div class="bar" style="width: ${most === 0 ? 0 : (100 * live) / most}%"></div>
      </div>
      <span>
        <strong data-field="side-held">${formatBytes(live)}</strong> held for
        ${formatTokens(occupancy?.tokensSeen ?? 0)}
      </span>`;
  }

  readonly #onSubmit = (event: Event): void => {
    event.preventDefault();
    const { policy, compared, prompt, systemPrompt } = this;
    if (!policy || !compared || this.#comparison.running || prompt.trim() === '') return;
    const system: ChatMessage[] = systemPrompt.trim() === '' ? [] : [{ role: 'system', content: systemPrompt }];
    const task = {
      messages: [...system, { role: 'user', content: prompt } as const],
      policies: [{ kind: 'dense' } as const, compared],
      back: policy,
      maxTokens: this.maxTokens ?? ANSWER_TOKENS,
    };
    void this.#run(task);
  };

  async #run(task: Parameters<Comparison['run']>[1]): Promise<void> {
    await this.lend((engine) => this.#comparison.run(engine, task));
    if (this.#closing) this.#dialog.close();
  }

  readonly #close = (): void => {
    this.#closing = true;
    if (this.#comparison.running) this.#comparison.stop();
    else this.#dialog.close();
  };

  /** Esc stops first; the dialog closes when the conversation is back. */
  readonly #onCancel = (event: Event): void => {
    if (!this.#comparison.running) return;
    event.preventDefault();
    this.#close();
  };
}
