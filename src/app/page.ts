/**
 * The page: header, conversation, field, memory panel; it joins the loader, the chat and the settings to what is seen.
 * From 900 px the panel stands at the right; below it is one line under the header that opens as a sheet.
 */
import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { PolicyKind } from '../cache/occupancy.ts';
import type { Engine, EngineInfo } from '../engine/api.ts';
import { assert, defined } from '../util/assert.ts';
import { cancelledCard, consentCard, faultCard, loadCard } from './cards.ts';
import { Chat } from './chat.ts';
import { lastUserTurn } from './chat_state.ts';
import { Composer } from './composer.ts';
import { formatBytes } from './format.ts';
import { Loader, type LoaderParts } from './loader.ts';
import { memoryFigure } from './memory_figure.ts';
import { pageStyles } from './page_styles.ts';
import { cachePolicy, loadSettings, type Settings, saveSettings } from './settings.ts';
import { SettingsDialog } from './settings_dialog.ts';

/** What the page is started with. */
export interface PageParts extends Omit<LoaderParts, 'changed'> {
  /** Absolute address of the model. */
  readonly address: string;
}

export class Page extends LitElement {
  static override readonly styles = pageStyles;

  @property({ attribute: false }) parts: PageParts | null = null;

  @state() private settings: Settings = loadSettings();
  @state() private narrow = false;

  readonly #chat = new Chat(() => this.#onChat());
  #loader: Loader | null = null;
  #engine: Engine | null = null;
  readonly #width = matchMedia('(width < 900px)');

  override connectedCallback(): void {
    super.connectedCallback();
    this.narrow = this.#width.matches;
    this.#width.addEventListener('change', this.#onWidth);
    document.addEventListener('keydown', this.#onKey);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#width.removeEventListener('change', this.#onWidth);
    document.removeEventListener('keydown', this.#onKey);
  }

  protected override firstUpdated(): void {
    const { address, createEngine, readOffer } = defined(this.parts, 'what the page is started with');
    this.#loader = new Loader(address, { createEngine, readOffer, changed: () => this.#onLoader() });
    // The only time that the page places the cursor: nobody has read or written anything yet.
    this.#composer?.fill('');
    this.#load();
  }

  protected override render(): TemplateResult {
    const panel = html`<lethe-memory
      .occupancy=${this.#chat.occupancy}
      .speed=${this.#chat.speed}
      .info=${this.#info}
      .pendingPolicy=${this.#chat.pendingPolicy}
      .choosePolicy=${this.#choosePolicy}
    ></lethe-memory>`;
    return html`${this.#header()}
      <main>
        <lethe-conversation .turns=${this.#chat.turns} .pick=${this.#pick}></lethe-conversation>
        <div class="dock">
          ${this.#card()}
          <lethe-composer
            .busy=${this.#chat.activity !== 'idle'}
            .ready=${this.#chat.ready}
            .lastMessage=${lastUserTurn(this.#chat.turns)?.text ?? null}
            .room=${this.#room}
            .send=${this.#send}
            .stop=${this.#stop}
          ></lethe-composer>
        </div>
      </main>
      ${
        this.narrow
          ? html`<dialog class="sheet" aria-label="Memory" @click=${this.#onSheetClick}>
              <div class="sheet-head"><h2>Memory</h2><button @click=${this.#closeSheet}>Close</button></div>
              ${panel}
            </dialog>`
          : html`<aside aria-label="Memory">${panel}</aside>`
      }
      <lethe-settings .settings=${this.settings} .save=${this.#saveSettings}></lethe-settings>`;
  }

  #header(): TemplateResult {
    const info = this.#info;
    return html`<header>
        <h1>Lethe</h1>
        ${
          info
            ? html`<span class="chip small" title=${info.license ? `Licence: ${info.license}` : nothing}>
                <span class="name">${info.modelName}</span>
                <span class="quiet figures">${formatBytes(info.modelBytes)}</span>
              </span>`
            : nothing
        }
        <span class="state small quiet" role="status" data-field="state">${this.#stateWord}</span>
        <button class="plain" ?disabled=${this.#chat.turns.length === 0} @click=${this.#newChat}>New chat</button>
        <button class="plain" aria-haspopup="dialog" @click=${this.#openSettings}>Settings</button>
      </header>
      ${this.narrow ? this.#memoryLine() : nothing}`;
  }

  /** The panel's one line on a phone. */
  #memoryLine(): TemplateResult {
    const { factor, headline, held } = memoryFigure(this.#chat.occupancy);
    return html`<button class="line small" aria-haspopup="dialog" @click=${this.#openSheet}>
      <span class="figures">${factor === null ? 'Memory: nothing held yet' : `${headline}, ${held}`}</span>
      <span class="accent" aria-hidden="true">Memory ▾</span>
    </button>`;
  }

  #card(): TemplateResult | typeof nothing {
    const loader = this.#loader;
    const load = (): void => this.#load();
    switch (loader?.state.kind) {
      case 'loading':
        return loadCard(loader.state, () => loader.cancel());
      case 'cancelled':
        return cancelledCard(load);
      case 'consent':
        return consentCard(loader.state.offer, loader.state.adapter, () => void loader.consent());
      case 'fault':
        return faultCard(loader.state.fault, { load, newChat: this.#newChat, dismiss: load });
      default: {
        const { fault } = this.#chat;
        return fault ? faultCard(fault, { load, newChat: this.#newChat, dismiss: this.#dismiss }) : nothing;
      }
    }
  }

  get #composer(): Composer | null {
    const element = this.renderRoot.querySelector('lethe-composer');
    return element instanceof Composer ? element : null;
  }

  get #sheet(): HTMLDialogElement | null {
    return this.renderRoot.querySelector('dialog.sheet');
  }

  get #info(): EngineInfo | null {
    return this.#engine?.info ?? null;
  }

  get #room(): number | null {
    const info = this.#info;
    return info && info.facts.contextLength - (this.#chat.occupancy?.tokensSeen ?? 0);
  }

  get #stateWord(): string {
    const words = {
      checking: 'starting',
      consent: 'waiting for you',
      loading: 'loading',
      cancelled: 'not loaded',
      fault: 'stopped',
    };
    const kind = this.#loader?.state.kind ?? 'checking';
    if (kind !== 'ready') return words[kind];
    const { activity } = this.#chat;
    return activity === 'idle' ? 'ready' : activity;
  }

  #load(): void {
    const kind = this.#chat.pendingPolicy ?? this.settings.policy;
    void this.#loader?.load(kind === null ? null : cachePolicy(kind));
  }

  /** Hands a new engine to the chat and takes a lost one away. */
  #onLoader(): void {
    const state = defined(this.#loader, 'the loader').state;
    const engine = state.kind === 'ready' ? state.engine : null;
    if (engine !== this.#engine) {
      this.#engine = engine;
      void this.#chat.setEngine(engine);
    }
    this.requestUpdate();
  }

  #onChat(): void {
    const text = this.#chat.returnedText;
    if (text !== null) {
      this.#chat.returnedText = null;
      this.#composer?.restore(text);
    }
    this.requestUpdate();
  }

  readonly #send = (text: string, replaceLast: boolean): void => {
    void this.#chat.send(text, this.settings, replaceLast);
  };

  readonly #stop = (): void => this.#chat.stop();

  readonly #dismiss = (): void => this.#chat.dismissFault();

  readonly #newChat = (): void => {
    void this.#chat.newChat();
    this.#composer?.fill('');
  };

  /** A sample question is sent at once, or waits in the field for the model. */
  readonly #pick = (text: string): void => {
    if (this.#chat.ready) this.#send(text, false);
    else this.#composer?.fill(text);
  };

  readonly #choosePolicy = (kind: PolicyKind): void => {
    this.#keep({ ...this.settings, policy: kind });
    const current = this.#chat.occupancy?.policy;
    if (current) this.#chat.choosePolicy(kind, current);
  };

  readonly #saveSettings = (settings: Settings): void => this.#keep(settings);

  #keep(settings: Settings): void {
    this.settings = settings;
    saveSettings(settings);
  }

  readonly #openSettings = (): void => {
    const dialog = this.renderRoot.querySelector('lethe-settings');
    assert(dialog instanceof SettingsDialog, 'the settings are part of the page');
    dialog.show();
  };

  readonly #openSheet = (): void => this.#sheet?.showModal();

  readonly #closeSheet = (): void => this.#sheet?.close();

  /** A click beside the sheet closes it: there the dialog itself is the target. */
  readonly #onSheetClick = (event: Event): void => {
    if (event.target === event.currentTarget) this.#closeSheet();
  };

  readonly #onWidth = (): void => {
    this.narrow = this.#width.matches;
  };

  /** Esc stops the answer from anywhere on the page, unless it closes a dialog. */
  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || event.defaultPrevented || this.#chat.activity === 'idle') return;
    const inDialog = event.composedPath().some((target) => target instanceof HTMLDialogElement && target.open);
    if (!inDialog) this.#chat.stop();
  };
}
