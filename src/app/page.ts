/**
 * The page: header, conversation, field, memory panel; it joins the loader, the chat and the settings to what is seen.
 * From 900 px the panel stands at the right; below it is one line under the header that opens as a sheet.
 */
import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import type { PolicyKind } from '../cache/occupancy.ts';
import type { Engine, EngineInfo } from '../engine/api.ts';
import { cancelledCard, consentCard, faultCard, loadCard } from '../ui/cards.ts';
import { Chat } from '../ui/chat.ts';
import { lastUserTurn, messagesOf } from '../ui/chat_state.ts';
import { Composer } from '../ui/composer.ts';
import { formatBytes } from '../ui/format.ts';
import { memoryFigure } from '../ui/memory_figure.ts';
import { comparedPolicy } from '../ui/policies.ts';
import { SAMPLES } from '../ui/samples.ts';
import { cachePolicy, loadSettings, type Settings, saveSettings } from '../ui/settings.ts';
import type { TurnActions } from '../ui/turn_actions.ts';
import { assert, defined } from '../util/assert.ts';
import { ChatList } from './chat_list.ts';
import { Chats } from './chats.ts';
import { CompareDialog } from './compare_dialog.ts';
import { Installation } from './installation.ts';
import { MemoryHistory } from './memory_history.ts';
import { ModelChoice, type ModelChoiceParts, type ModelSource } from './model_choice.ts';
import { ModelPicker, type PickerParts } from './model_picker.ts';
import { pageStyles } from './page_styles.ts';
import { Remembering } from './remembering.ts';
import { SettingsDialog } from './settings_dialog.ts';

/** What the page is started with. */
export interface PageParts extends Omit<ModelChoiceParts, 'changed' | 'load'>, PickerParts {
  /** Words to begin with in the field, such as another program shared. */
  readonly draft: string;
}

export class Page extends LitElement {
  static override readonly styles = pageStyles;

  @property({ attribute: false }) parts: PageParts | null = null;

  @state() private settings: Settings = loadSettings();
  @state() private narrow = false;

  readonly #chat = new Chat(() => this.#onChat());
  readonly #history = new MemoryHistory();
  readonly #remembering = new Remembering(() => this.requestUpdate());
  readonly #chats = new Chats(this.#chat, () => this.requestUpdate());
  readonly #installation = new Installation(() => this.requestUpdate());
  #models: ModelChoice | null = null;
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
    const parts = defined(this.parts, 'what the page is started with');
    this.#models = new ModelChoice({ ...parts, changed: () => this.#onLoader(), load: () => this.#load() });
    // The only time that the page places the cursor: nobody has read or written anything yet.
    this.#composer?.fill(parts.draft);
    this.#installation.start();
    void this.#chats.start();
    this.#load();
  }

  protected override willUpdate(): void {
    this.#remembering.follow(this.#engine, this.#chat.ready, this.#chat.occupancy);
  }

  protected override render(): TemplateResult {
    const panel = html`<lethe-memory
      .occupancy=${this.#chat.occupancy}
      .turns=${this.#chat.turns}
      .history=${this.#history}
      .speed=${this.#chat.speed}
      .info=${this.#info}
      .shading=${this.#remembering.on}
      .turnShading=${this.#turnShading}
      .policy=${this.#chat.policy}
      .pendingPolicy=${this.#chat.pendingPolicy}
      .choosePolicy=${this.#choosePolicy}
      .compare=${this.#chat.ready && this.#info?.server === null ? this.#openCompare : null}
      .chooseOffset=${this.#chooseOffset}
    ></lethe-memory>`;
    return html`${this.#header()}
      <main>
        <lethe-conversation
          ?hidden=${this.#remembering.shown !== null}
          .turns=${this.#chat.turns}
          .pick=${this.#pick}
          .actions=${this.#actions}
        ></lethe-conversation>
        ${this.#remembered()}
        <div class="dock">
          ${this.#updateBar()} ${this.#card()}
          <lethe-composer
            .busy=${this.#chat.activity !== 'idle'}
            .ready=${this.#chat.ready}
            .lastMessage=${lastUserTurn(this.#chat.turns)}
            .measure=${this.#measure}
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
      <lethe-chats
        .records=${this.#chats.list}
        .current=${this.#chats.current}
        .notice=${this.#chats.notice}
        .removed=${this.#chats.removed}
        .chats=${this.#chats}
      ></lethe-chats>
      <lethe-compare
        .policy=${this.#chat.policy}
        .compared=${comparedPolicy(this.#chat.pendingPolicy ?? this.#chat.policy, this.#info)}
        .systemPrompt=${this.settings.systemPrompt}
        .maxTokens=${this.settings.maxTokens}
        .lend=${this.#lend}
      ></lethe-compare>
      <lethe-drop .take=${this.#chooseModel}></lethe-drop>
      <lethe-models .info=${this.#info} .parts=${this.parts} .choose=${this.#chooseModel}></lethe-models>
      <lethe-settings .settings=${this.settings} .save=${this.#saveSettings}></lethe-settings>`;
  }

  /** In the place of the conversation while it is shaded. */
  #remembered(): TemplateResult | typeof nothing {
    const retention = this.#remembering.shown;
    if (!retention) return nothing;
    return html`<lethe-remembered
      .retention=${retention}
      .roles=${messagesOf(this.#chat.turns, this.settings.systemPrompt).map(({ role }) => role)}
      .leave=${() => this.#turnShading(false)}
    ></lethe-remembered>`;
  }

  #header(): TemplateResult {
    const info = this.#info;
    return html`<header>
        <h1>Lethe</h1>
        <button class="chip small" aria-haspopup="dialog" @click=${this.#openModels}>
          ${
            info
              ? html`<span class="unseen">Model: </span><span class="name">${info.modelName}</span>
                  <span class="quiet figures">${info.server ? 'at a server' : formatBytes(info.modelBytes)}</span>`
              : html`<span class="name">Model</span>`
          }
        </button>
        <div class="status small quiet">
          <span class="state" role="status" data-field="state">${this.#stateWord}</span>
          ${this.#installation.offline ? html`<span class="chip" role="status">offline</span>` : nothing}
        </div>
        ${
          this.#installation.installable
            ? html`<button class="plain install" @click=${() => void this.#installation.install()}>Install</button>`
            : nothing
        }
        <button class="plain" aria-haspopup="dialog" @click=${this.#openChats}>Chats</button>
        <button
          class="plain"
          aria-label="New chat"
          ?disabled=${this.#chat.turns.length === 0}
          @click=${this.#newChat}
        >
          ${this.narrow ? 'New' : 'New chat'}
        </button>
        <button class="plain" aria-haspopup="dialog" @click=${this.#openSettings}>Settings</button>
      </header>
      ${this.narrow ? this.#memoryLine() : nothing}`;
  }

  #updateBar(): TemplateResult | typeof nothing {
    if (!this.#installation.updateReady) return nothing;
    return html`<p class="update small" role="status" data-field="update">
      <span>A new version of this page is ready.</span>
      <button class="plain" @click=${() => void this.#installation.update()}>Reload</button>
    </p>`;
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
        return consentCard(loader.state.offer, loader.state.adapter, () => void loader.consent(), {
          takeSmaller: (model) => this.#chooseModel(this.#picker.addressOfProposed(model)),
          choose: (choice) => void loader.take(choice),
          back: this.#models?.back ?? null,
        });
      case 'fault': {
        const back = this.#models?.back ?? null;
        return faultCard(loader.state.fault, { load, newChat: this.#newChat, dismiss: load, back });
      }
      default: {
        const { fault } = this.#chat;
        return fault ? faultCard(fault, { load, newChat: this.#newChat, dismiss: this.#dismiss }) : nothing;
      }
    }
  }

  get #loader(): ModelChoice['loader'] | null {
    return this.#models?.loader ?? null;
  }

  get #picker(): ModelPicker {
    const picker = this.renderRoot.querySelector('lethe-models');
    assert(picker instanceof ModelPicker, 'the models are part of the page');
    return picker;
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

  /** The eviction offset that was chosen for this model. */
  get #offset(): number | undefined {
    return this.settings.offsets[this.#loader?.address ?? ''];
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
    const { activity, opening } = this.#chat;
    if (opening) return 'opening';
    return activity === 'idle' ? 'ready' : activity;
  }

  #load(): void {
    const { policy } = this.settings;
    const wanted = this.#chat.pendingPolicy ?? (policy && cachePolicy(policy, this.#offset));
    void this.#loader?.load(this.#models?.policyFor(wanted) ?? null);
  }

  /** Hands a new engine to the chat and takes a lost one away. */
  #onLoader(): void {
    const state = defined(this.#loader, 'the loader').state;
    const engine = state.kind === 'ready' ? state.engine : null;
    if (engine !== this.#engine) {
      this.#engine = engine;
      void this.#chat.setEngine(engine, this.#loader?.policy);
    }
    this.requestUpdate();
  }

  #onChat(): void {
    this.#chats.keep();
    const text = this.#chat.returnedText;
    if (text !== null) {
      this.#chat.returnedText = null;
      this.#composer?.restore(text);
    }
    this.requestUpdate();
  }

  readonly #send = (text: string, edited: number | null): void => {
    void this.#chat.send(text, this.settings, edited);
  };

  readonly #measure = (text: string, edited: number | null) =>
    this.#chat.measure(text, this.settings.systemPrompt, edited);

  /** What a reader can do with a turn. */
  readonly #actions: TurnActions = {
    ready: () => this.#chat.ready,
    idle: () => this.#chat.activity === 'idle',
    placeOf: (id) => this.#chat.placeOf(id),
    edit: ({ id, text }) => this.#composer?.fill(text, id),
    regenerate: (id) => void this.#chat.regenerate(id, this.settings),
    choose: (id, step) => this.#chat.choose(id, step),
  };

  readonly #stop = (): void => this.#chat.stop();

  readonly #dismiss = (): void => this.#chat.dismissFault();

  readonly #newChat = (): void => {
    void this.#chats.begin();
    this.#composer?.fill('');
  };

  /** A sample question is sent at once, or waits in the field for the model. */
  readonly #pick = (text: string): void => {
    if (this.#chat.ready) this.#send(text, null);
    else this.#composer?.fill(text);
  };

  readonly #choosePolicy = (kind: PolicyKind): void => {
    this.#keep({ ...this.settings, policy: kind });
    this.#chat.choosePolicy(cachePolicy(kind, this.#offset));
  };

  readonly #chooseOffset = (offset: number): void => {
    const address = this.#loader?.address ?? '';
    this.#keep({ ...this.settings, policy: 'dms', offsets: { ...this.settings.offsets, [address]: offset } });
    this.#chat.choosePolicy(cachePolicy('dms', offset));
  };

  readonly #turnShading = (on: boolean): void => this.#remembering.turn(on);

  readonly #saveSettings = (settings: Settings): void => this.#keep(settings);

  #keep(settings: Settings): void {
    this.settings = settings;
    saveSettings(settings);
  }

  readonly #chooseModel = (model: ModelSource): void => this.#models?.choose(model);

  readonly #openModels = (): void => this.#picker.show();

  readonly #openChats = (): void => {
    const list = this.renderRoot.querySelector('lethe-chats');
    assert(list instanceof ChatList, 'the list of chats is part of the page');
    list.show();
  };

  readonly #lend = (work: (engine: Engine) => Promise<void>): Promise<void> => this.#chat.lend(work);

  readonly #openCompare = (): void => {
    const dialog = this.renderRoot.querySelector('lethe-compare');
    assert(dialog instanceof CompareDialog, 'the comparison is part of the page');
    dialog.show(lastUserTurn(this.#chat.turns)?.text ?? SAMPLES[1].text);
  };

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
