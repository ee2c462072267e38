/**
 * The models: what is loaded, those proposed, a search of the Hugging Face hub, an address or files of the reader's
 * own, and what this browser keeps. A native dialog. It downloads nothing: whatever is chosen is asked about first.
 */
import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { EngineInfo, ServerOptions } from '../engine/api.ts';
import type { Room } from '../engine/model_need.ts';
import type { KeptModelInfo } from '../store/kept_model.ts';
import { faultOf, isAbort } from '../ui/faults.ts';
import { formatBytes, formatCount } from '../ui/format.ts';
import { judgeNeed, needLine, recommendedNeed } from '../ui/need_line.ts';
import { findAdapter } from '../ui/preflight.ts';
import { RECOMMENDED, type RecommendedModel } from '../ui/recommended.ts';
import { defined } from '../util/assert.ts';
import type { ModelSource } from './model_choice.ts';
import { keptName } from './model_names.ts';
import { modelPickerStyles } from './model_picker_styles.ts';

/** A model that a search found. */
export interface FoundModel {
  readonly repo: string;
  readonly license: string | null;
  readonly downloads: number;
  readonly gated: boolean;
  readonly gguf: boolean;
}

export interface PickerParts {
  readonly listModels: () => Promise<readonly KeptModelInfo[]>;
  readonly deleteModel: (address: string) => Promise<void>;
  /** Searches the hub. */
  readonly search: (query: string, signal: AbortSignal) => Promise<readonly FoundModel[]>;
  /** What was pasted as an address that can be loaded; null when it is words to search for. */
  readonly addressOf: (text: string) => string | null;
  /** Absolute address of the model that lies beside the page. */
  readonly defaultAddress: string;
}

type Search =
  | { readonly kind: 'none' }
  | { readonly kind: 'asking' }
  | { readonly kind: 'found'; readonly models: readonly FoundModel[] }
  | { readonly kind: 'failed'; readonly words: string };

export class ModelPicker extends LitElement {
  static override readonly styles = modelPickerStyles;

  @property({ attribute: false }) parts: PickerParts | null = null;
  @property({ attribute: false }) choose: (model: ModelSource) => void = () => {};
  @property({ attribute: false }) info: EngineInfo | null = null;

  @state() private kept: readonly KeptModelInfo[] = [];
  @state() private room: Room | null = null;
  @state() private search: Search = { kind: 'none' };
  @state() private notice = '';
  #asking: AbortController | null = null;

  get #dialog(): HTMLDialogElement {
    return defined(this.renderRoot.querySelector('dialog'), 'the dialog');
  }

  get #parts(): PickerParts {
    return defined(this.parts, 'what the picker works with');
  }

  show(): void {
    this.notice = '';
    this.#dialog.showModal();
    void this.#listKept();
    void findAdapter().then((found) => {
      if ('room' in found) this.room = found.room;
    });
  }

  protected override render(): TemplateResult {
    return html`<dialog aria-labelledby="title">
      <div class="head">
        <h2 id="title">Models</h2>
        <button @click=${() => this.#dialog.close()}>Close</button>
      </div>
      <div class="body">
        ${this.#loaded()} ${this.#own()} ${this.#hub()} ${this.#proposed()} ${this.#server()} ${this.#keptList()}
        <p class="unseen" role="status" data-field="models-notice">${this.notice}</p>
      </div>
    </dialog>`;
  }

  #loaded(): TemplateResult {
    const { info } = this;
    return html`<section aria-label="Loaded now">
      <h3>Loaded now</h3>
      <p class="small" data-field="loaded">
        ${
          info?.server
            ? html`${info.modelName}, at the server ${info.server}.`
            : info
              ? html`${info.modelName}, <span class="figures">${formatBytes(info.modelBytes)}</span>,
                ${info.license ? `licence ${info.license}` : 'licence not told'}.
                ${info.facts.dms ? 'It was taught to forget.' : 'It was not taught to forget and keeps everything.'}`
              : 'Nothing.'
        }
      </p>
    </section>`;
  }

  /** Files of the reader's own. */
  #own(): TemplateResult {
    return html`<section aria-label="From your device">
      <h3>From your device</h3>
      <p class="small quiet">A .gguf file, or a folder with config.json and safetensors, or one that
        <code>lethe convert</code> made. You can also drop it anywhere on this page. It stays on your device.</p>
      <div class="row">
        <button @click=${() => this.#openFiles('files')}>Choose files</button>
        <button @click=${() => this.#openFiles('folder')}>Choose a folder</button>
      </div>
      <input type="file" data-files multiple hidden aria-label="Model files" @change=${this.#onFiles} />
      <input type="file" data-folder webkitdirectory hidden aria-label="Model folder" @change=${this.#onFiles} />
    </section>`;
  }

  #hub(): TemplateResult {
    return html`<section aria-label="From the Hugging Face hub or an address">
      <h3>From the Hugging Face hub or an address</h3>
      <form role="search" @submit=${this.#onFind}>
        <input
          name="query"
          type="search"
          aria-label="Search the hub, or an address"
          placeholder="Words, or owner/name"
          autocomplete="off"
          spellcheck="false"
        />
        <button>Find</button>
      </form>
      <div role="status" class="small" data-field="search">${this.#searchWords()}</div>
      ${
        this.search.kind === 'found' && this.search.models.length > 0
          ? html`<ul role="list" aria-label="Found on the hub">
              ${this.search.models.map((model) => this.#foundItem(model))}
            </ul>`
          : nothing
      }
    </section>`;
  }

  #searchWords(): TemplateResult | string | typeof nothing {
    switch (this.search.kind) {
      case 'none':
        return nothing;
      case 'asking':
        return 'Asking the hub…';
      case 'failed':
        return html`<span class="alarm">${this.search.words}</span>`;
      case 'found': {
        const count = this.search.models.length;
        return count === 0 ? 'Nothing was found.' : `${count} found, the most downloaded first.`;
      }
    }
  }

  #foundItem({ repo, license, downloads, gated, gguf }: FoundModel): TemplateResult {
    return html`<li>
      <div>
        <div class="title">${repo}</div>
        <div class="small quiet">
          ${gguf ? 'GGUF' : 'safetensors'}, ${license ? `licence ${license}` : 'licence not told'},
          ${formatCount(downloads)} downloads${gated ? ', asks for a sign-in' : ''}
        </div>
      </div>
      <button aria-label=${`Load ${repo}`} @click=${() => this.#choose(`hf:${repo}`)}>Load</button>
    </li>`;
  }

  #proposed(): TemplateResult {
    return html`<section aria-label="Proposed">
      <h3>Proposed</h3>
      <ul role="list" aria-label="Proposed models">
        ${RECOMMENDED.map((model) => this.#proposedItem(model))}
      </ul>
    </section>`;
  }

  #proposedItem(model: RecommendedModel): TemplateResult {
    const { repo, name, about, parameters, bytes, license } = model;
    const need = recommendedNeed(model);
    const judged = this.room && judgeNeed(need, bytes, this.room);
    const place = repo === null ? '' : `, ${repo}`;
    return html`<li>
      <div>
        <div class="title">${name}</div>
        <div class="small">${about}</div>
        <div class="small quiet figures">
          ${formatCount(parameters / 1e6)} million parameters, ${formatBytes(bytes)}, ${license}${place}
        </div>
        ${
          judged && !judged.fit.fits
            ? html`<div class="small unfit">${needLine(judged)}</div>`
            : html`<div class="small quiet figures">
                Needs about ${formatBytes(need.totalBytes)} of graphics memory.
              </div>`
        }
      </div>
      <button aria-label=${`Load ${name}`} @click=${() => this.#choose(this.addressOfProposed(model))}>Load</button>
    </li>`;
  }

  /** For models that no device here holds. */
  #server(): TemplateResult {
    return html`<section aria-label="At a server">
      <h3>At a server</h3>
      <p class="small quiet">A server that speaks OpenAI’s protocol, such as vLLM, llama.cpp or Ollama. Your messages go
        there. The address and the key are kept in this browser.</p>
      <lethe-server .connect=${(server: ServerOptions) => this.#choose(server)}></lethe-server>
    </section>`;
  }

  #keptList(): TemplateResult {
    return html`<section aria-label="Kept in this browser">
      <h3>Kept in this browser</h3>
      ${
        this.kept.length === 0
          ? html`<p class="small quiet">Nothing yet.</p>`
          : html`<ul role="list" aria-label="Kept models">
              ${this.kept.map((model) => this.#keptItem(model))}
            </ul>`
      }
    </section>`;
  }

  #keptItem({ address, bytes, complete }: KeptModelInfo): TemplateResult {
    const name = keptName(address);
    return html`<li>
      <div>
        <div class="title">${name}</div>
        <div class="small quiet figures">${formatBytes(bytes)}${complete ? '' : ', not all of it'}</div>
      </div>
      <div class="row">
        <button aria-label=${`Load ${name}`} @click=${() => this.#choose(address)}>Load</button>
        <button aria-label=${`Remove ${name}`} @click=${() => void this.#remove(address)}>Remove</button>
      </div>
    </li>`;
  }

  /** Where a proposed model is. */
  addressOfProposed({ repo }: RecommendedModel): string {
    return repo === null ? this.#parts.defaultAddress : `hf:${repo}`;
  }

  #choose(model: ModelSource): void {
    this.#asking?.abort();
    this.#dialog.close();
    this.choose(model);
  }

  #openFiles(which: 'files' | 'folder'): void {
    const input = this.renderRoot.querySelector(`[data-${which}]`);
    if (input instanceof HTMLInputElement) input.click();
  }

  readonly #onFiles = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const files = [...(input.files ?? [])];
    input.value = '';
    if (files.length > 0) this.#choose(files);
  };

  readonly #onFind = async (event: Event): Promise<void> => {
    event.preventDefault();
    const query = String(new FormData(event.target as HTMLFormElement).get('query') ?? '').trim();
    if (query === '') return;
    const address = this.#parts.addressOf(query);
    if (address !== null) return this.#choose(address);
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.search = { kind: 'asking' };
    try {
      const models = await this.#parts.search(query, asking.signal);
      if (this.#asking === asking) this.search = { kind: 'found', models };
    } catch (cause) {
      if (isAbort(cause) || this.#asking !== asking) return;
      this.search = { kind: 'failed', words: faultOf(cause).detail };
    }
  };

  async #listKept(): Promise<void> {
    this.kept = await this.#parts.listModels();
  }

  async #remove(address: string): Promise<void> {
    await this.#parts.deleteModel(address);
    await this.#listKept();
    this.notice = `${keptName(address)} was removed.`;
    // The button that was pressed is gone.
    const close = this.renderRoot.querySelector('.head button');
    if (close instanceof HTMLElement) close.focus();
  }
}
