/** Asks for the address, the key and the model of an OpenAI-compatible server. It speaks to nobody itself. */
import { css, html, LitElement, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { ServerOptions } from '../engine/api.ts';
import { sharedStyles } from '../ui/shared_styles.ts';
import { loadServer } from './kept_server.ts';

export class ServerForm extends LitElement {
  static override readonly styles = [
    sharedStyles,
    css`
      form {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr));
        gap: 0.5rem 0.75rem;
        align-items: end;
      }
      label {
        display: grid;
        gap: 0.125rem;
        min-width: 0;
      }
      input {
        width: 100%;
        min-height: 2.5rem;
        padding: 0.375rem 0.625rem;
      }
      input:user-invalid {
        border-color: var(--alarm);
        outline-color: var(--alarm);
      }
      button {
        min-height: 2.5rem;
      }
    `,
  ];

  @property({ attribute: false }) connect: (server: ServerOptions) => void = () => {};

  protected override render(): TemplateResult {
    const kept = loadServer();
    return html`<form @submit=${this.#onSubmit}>
      <label>
        <span>Address</span>
        <input
          name="baseURL"
          type="url"
          required
          placeholder="http://127.0.0.1:8000/v1"
          autocomplete="off"
          spellcheck="false"
          .value=${kept?.baseURL ?? ''}
        />
      </label>
      <label>
        <span>Model <span class="quiet">(where it has several)</span></span>
        <input name="model" autocomplete="off" spellcheck="false" .value=${kept?.model ?? ''} />
      </label>
      <label>
        <span>Key <span class="quiet">(where it wants one)</span></span>
        <input name="apiKey" type="password" autocomplete="off" .value=${kept?.apiKey ?? ''} />
      </label>
      <button>Connect</button>
    </form>`;
  }

  readonly #onSubmit = (event: Event): void => {
    event.preventDefault();
    const fields = new FormData(event.target as HTMLFormElement);
    const text = (name: string): string => String(fields.get(name) ?? '').trim();
    const [baseURL, model, apiKey] = [text('baseURL'), text('model'), text('apiKey')];
    this.connect({ baseURL, ...(model !== '' && { model }), ...(apiKey !== '' && { apiKey }) });
  };
}
