/** The settings: system prompt and sampling. A native dialog, so that Esc, focus and the background behave as known. */
import { css, html, LitElement, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { DEFAULT_SETTINGS, NUMBER_FIELDS, type NumberField, type Settings } from '../ui/settings.ts';
import { sharedStyles } from '../ui/shared_styles.ts';
import { defined } from '../util/assert.ts';
import { dialogStyles } from './dialog_styles.ts';

export class SettingsDialog extends LitElement {
  static override readonly styles = [
    sharedStyles,
    dialogStyles,
    css`
      dialog {
        padding: 1.25rem;
        width: min(34rem, calc(100vw - 1.5rem));
      }
      form {
        display: grid;
        gap: 1rem;
      }
      label {
        display: grid;
        gap: 0.125rem;
      }
      .grid {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr));
        gap: 0.875rem 1rem;
        align-items: start;
      }
      input,
      textarea {
        padding: 0.375rem 0.625rem;
        width: 100%;
      }
      input:user-invalid {
        border-color: var(--alarm);
        outline-color: var(--alarm);
      }
      .row {
        position: sticky;
        bottom: -1.25rem;
        margin: 0 -1.25rem -1.25rem;
        padding: 0.75rem 1.25rem;
        background: var(--ground);
        border-top: 1px solid var(--line);
        display: flex;
        flex-wrap: wrap;
        gap: 0.5rem;
        justify-content: flex-end;
      }
      .row :first-child {
        margin-right: auto;
      }
    `,
  ];

  @property({ attribute: false }) settings: Settings = DEFAULT_SETTINGS;
  @property({ attribute: false }) save: (settings: Settings) => void = () => {};

  /** What stands in the fields, until it is saved. */
  @state() private draft: Settings = DEFAULT_SETTINGS;

  get #dialog(): HTMLDialogElement {
    return defined(this.renderRoot.querySelector('dialog'), 'the dialog');
  }

  show(): void {
    this.draft = this.settings;
    this.#dialog.showModal();
  }

  protected override render(): TemplateResult {
    return html`<dialog aria-labelledby="title">
      <form @submit=${this.#onSubmit}>
        <h2 id="title">Settings</h2>
        <label>
          <span>System prompt</span>
          <textarea
            name="systemPrompt"
            rows="3"
            placeholder="the model’s own"
            .value=${this.draft.systemPrompt}
            @input=${this.#onPrompt}
          ></textarea>
          <span class="small quiet">What the model is told before your first message</span>
        </label>
        <div class="grid">${NUMBER_FIELDS.map((field) => this.#number(field))}</div>
        <p class="small quiet">An empty field means the default. Settings are kept in this browser and hold from your
          next message.</p>
        <div class="row">
          <button type="button" class="plain" @click=${this.#reset}>Defaults</button>
          <button type="button" @click=${() => this.#dialog.close()}>Cancel</button>
          <button class="primary">Save</button>
        </div>
      </form>
    </dialog>`;
  }

  #number(field: NumberField): TemplateResult {
    const value = this.draft[field.name];
    return html`<label>
      <span>${field.label}</span>
      <input
        name=${field.name}
        type="number"
        inputmode="decimal"
        placeholder="default"
        min=${field.min}
        max=${field.max}
        step=${field.step === 1 ? 1 : 'any'}
        .value=${value === null ? '' : String(value)}
        @input=${(event: Event) => this.#onNumber(field, event)}
      />
      <span class="small quiet">${field.hint}</span>
    </label>`;
  }

  #onNumber(field: NumberField, event: Event): void {
    const { valueAsNumber } = event.target as HTMLInputElement;
    this.draft = { ...this.draft, [field.name]: Number.isNaN(valueAsNumber) ? null : valueAsNumber };
  }

  readonly #onPrompt = (event: Event): void => {
    this.draft = { ...this.draft, systemPrompt: (event.target as HTMLTextAreaElement).value };
  };

  readonly #reset = (): void => {
    this.draft = { ...DEFAULT_SETTINGS, policy: this.draft.policy, offsets: this.draft.offsets };
  };

  readonly #onSubmit = (event: Event): void => {
    event.preventDefault();
    this.save(this.draft);
    this.#dialog.close();
  };
}
