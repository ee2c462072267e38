/**
 * `<lethe-chat>`: a button that opens a chat. Until it is opened nothing of engine, model or chat is asked for. Opened
 * by a person it takes the focus, and gives it back when it closes; opened by the page's markup it leaves it alone.
 */
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { Composer } from '../ui/composer.ts';
import { defined } from '../util/assert.ts';
import type { Panel } from './panel.ts';
import type { LetheChatEvents, PanelHost } from './panel_host.ts';
import { checkOptions, parseOptions, readOptions, WidgetOptionError, type WidgetOptions } from './widget_options.ts';
import { WIDGET_STRINGS, type WidgetStrings } from './widget_strings.ts';
import { widgetStyles } from './widget_styles.ts';

export type { LetheChatEvents } from './panel_host.ts';

const BUBBLE = html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 5h16v11H10l-4 4v-4H4z" /></svg>`;
const CROSS = html`<svg viewBox="0 0 18 18" aria-hidden="true"><path d="M3 3l12 12M15 3L3 15" /></svg>`;

/** Where the open chat fills the screen, as in `widget_styles.ts`: there it is the one thing that can be reached. */
const FULL_SCREEN = '(width < 480px)';

/** An attribute that holds a number; what is none stays as it is, for the error to show. */
const numeric = {
  fromAttribute: (text: string | null): unknown =>
    text === null || text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text),
};

export class LetheChat extends LitElement {
  static override readonly styles = widgetStyles;

  /** Address of a model folder or of a GGUF file, relative to the page, or `hf:owner/name` on the hub. */
  @property() model: string | null = null;
  /** Address of an OpenAI-compatible server that the model runs at; `model` is then the name of one of its models. */
  @property({ attribute: 'base-url' }) baseURL: string | null = null;
  /** What the model is told before the conversation. */
  @property() system: string | null = null;
  /** In the empty field. */
  @property() placeholder: string | null = null;
  /** `dms`, `dense` or `window`; null is what the model was made for. */
  @property() policy: WidgetOptions['policy'] | null = null;
  /** Most tokens of a chat; null is the model's own number. */
  @property({ converter: numeric }) context: number | null = null;
  @property({ type: Boolean, reflect: true }) open = false;
  /** All of these and more as one object; an attribute of the same name comes first. */
  @property({ attribute: false }) options: WidgetOptions = {};
  /** Words in place of the English ones. */
  @property({ attribute: false }) strings: Partial<WidgetStrings> = {};

  #panel: Panel | null = null;
  #opening: Promise<Panel> | null = null;
  /** Why the panel's own code did not come. */
  #failure: string | null = null;
  /** A person opened it, or the page on their behalf: the focus comes in. */
  #takesFocus = false;
  #made = { written: '', strings: WIDGET_STRINGS };
  #returnTo: Element | null = null;
  #wasOpen = false;
  readonly #script = new MutationObserver(() => this.requestUpdate('options'));

  /** Opens the chat and puts the cursor in its field. */
  show(): void {
    if (this.open) return;
    const root = this.getRootNode();
    const active = root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
    this.#returnTo = active === this || active === document.body ? null : active;
    this.#takesFocus = true;
    this.open = true;
  }

  /** Closes the chat; conversation and model stay for when it is opened again. */
  close(): void {
    this.open = false;
  }

  /**
   * Opens the chat and sends a message as soon as the model is there; a download waits for the reader's consent.
   * Resolves with the answer.
   * @throws Error with the words of the card when something goes wrong
   */
  async send(text: string): Promise<string> {
    this.show();
    await this.updateComplete;
    return (await this.#openPanel()).send(text);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#script.observe(this, { childList: true });
    // Taken out and put in again, it goes on.
    if (this.hasUpdated) this.requestUpdate('options');
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#script.disconnect();
    // An element that is only moved comes back at once.
    queueMicrotask(() => {
      if (!this.isConnected) this.#panel?.dispose();
    });
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!this.hasUpdated && !this.open && this.#given().open) this.open = true;
    if (!this.open || !this.isConnected) return;
    if (!this.#panel) {
      // A failure is shown; whoever called `send` is told too.
      if (this.#failure === null) this.#openPanel().catch(() => undefined);
      return;
    }
    const names = ['model', 'baseURL', 'system', 'policy', 'context', 'options'] as const;
    if (names.some((name) => changed.has(name))) this.#configure();
  }

  protected override updated(): void {
    const { open } = this;
    if (open === this.#wasOpen) return;
    this.#wasOpen = open;
    if (open) this.#onOpened();
    else this.#onClosed();
    this.#tell(open ? 'lethe-open' : 'lethe-close', null);
  }

  protected override render(): TemplateResult {
    const strings = this.#strings();
    const panel = this.#panel;
    return html`${
      this.open
        ? nothing
        : html`<button
              class="launcher primary"
              part="launcher"
              aria-haspopup="dialog"
              aria-expanded="false"
              @click=${this.show}
            >
              <slot name="launcher">${BUBBLE}${strings.launcher}</slot>
            </button>`
    }
      <dialog part="panel" aria-labelledby="title" @keydown=${this.#onKey} @close=${this.#onDialogClose}>
        <header part="header">
          <h2 id="title" part="title"><slot name="title">${strings.title}</slot></h2>
          <span class="state small quiet" part="state" role="status" data-field="state">
            ${panel ? panel.stateWord(strings) : this.#failure === null ? strings.starting : strings.stopped}
          </span>
          <button class="plain small" part="new-chat" ?disabled=${panel?.empty ?? true} @click=${this.#newChat}>
            ${strings.newChat}
          </button>
          <button class="plain close" part="close" aria-label=${strings.closeChat} @click=${this.close}>
            ${CROSS}
          </button>
        </header>
        ${panel?.render(strings, this.#welcome(strings)) ?? this.#failed(strings)}
      </dialog>`;
  }

  #welcome({ welcomeTitle, welcomeText, welcomeServer }: WidgetStrings): TemplateResult {
    const { baseURL } = this.#given();
    const host = baseURL !== undefined && URL.canParse(baseURL, document.baseURI) && new URL(baseURL, document.baseURI);
    const text = host ? welcomeServer.replace('{host}', host.host) : welcomeText;
    return html`<slot name="welcome" slot="welcome">
      <div class="welcome"><h3>${welcomeTitle}</h3><p>${text}</p></div>
    </slot>`;
  }

  #failed({ unavailable }: WidgetStrings): TemplateResult | typeof nothing {
    if (this.#failure === null) return nothing;
    return html`<div class="dock" role="alert">
      <p>${unavailable}</p>
      <p class="small quiet">${this.#failure}</p>
    </div>`;
  }

  get #dialog(): HTMLDialogElement {
    return defined(this.renderRoot.querySelector('dialog'), 'the dialog');
  }

  /** What the page says, the nearest word first; what is wrong with it is told by `#configure`. */
  #given(): WidgetOptions {
    try {
      return this.#checked();
    } catch {
      return {};
    }
  }

  /** @throws WidgetOptionError */
  #checked(): WidgetOptions {
    const script = this.querySelector(':scope > script[type="application/json"]')?.textContent;
    const { model, baseURL, system, placeholder, policy, context } = this;
    const attributes = { model, baseURL, system, placeholder, policy, context };
    const named = Object.entries(attributes).filter(([, value]) => value !== null);
    const json = script ? parseOptions(script) : {};
    const options = checkOptions(this.options);
    const own = checkOptions({ ...Object.fromEntries(named), strings: this.strings });
    return { ...json, ...options, ...own, strings: { ...json.strings, ...options.strings, ...own.strings } };
  }

  /** The same object as long as the words are the same, so that nothing is drawn anew for them. */
  #strings(): WidgetStrings {
    const { strings = {}, placeholder } = this.#given();
    const faults = { ...WIDGET_STRINGS.faults, ...strings.faults };
    const made = { ...WIDGET_STRINGS, ...strings, faults, ...(placeholder !== undefined && { placeholder }) };
    const written = JSON.stringify(made);
    if (this.#made.written !== written) this.#made = { written, strings: made };
    return this.#made.strings;
  }

  /** Asks for the panel's code once. */
  #openPanel(): Promise<Panel> {
    this.#opening ??= this.#importPanel();
    return this.#opening;
  }

  async #importPanel(): Promise<Panel> {
    const host: PanelHost = {
      root: defined(this.shadowRoot, 'the shadow root'),
      changed: () => this.requestUpdate(),
      restore: (text) => this.#composer?.restore(text),
      edit: (text, id) => this.#composer?.fill(text, id),
      again: () => this.#configure(),
      tell: (name, detail) => this.#tell(name, detail),
    };
    try {
      const { openPanel } = await import('./panel.ts');
      this.#panel = openPanel(host);
      if (this.isConnected) this.#configure();
      await this.updateComplete;
      this.#focusField();
      return this.#panel;
    } catch (cause) {
      this.#opening = null;
      this.#failure = cause instanceof Error ? cause.message : String(cause);
      this.requestUpdate();
      throw cause;
    }
  }

  #configure(): void {
    let read: Parameters<Panel['configure']>[0];
    try {
      read = readOptions(this.#checked(), document.baseURI);
    } catch (cause) {
      if (!(cause instanceof WidgetOptionError)) throw cause;
      read = cause;
    }
    this.#panel?.configure(read);
    this.requestUpdate();
  }

  get #composer(): Composer | null {
    return this.renderRoot.querySelector<Composer>('lethe-composer');
  }

  #focusField(): void {
    if (!this.#takesFocus || !this.open || !this.#composer) return;
    this.#takesFocus = false;
    void this.#composer.updateComplete.then(() => this.#composer?.focus({ preventScroll: true }));
  }

  #onOpened(): void {
    const dialog = this.#dialog;
    // Opened by markup it must not take the focus, as `show` would.
    if (!this.#takesFocus) dialog.setAttribute('open', '');
    else if (matchMedia(FULL_SCREEN).matches) dialog.showModal();
    else dialog.show();
    this.#focusField();
  }

  #onClosed(): void {
    const hadFocus = this.renderRoot instanceof ShadowRoot && this.renderRoot.activeElement !== null;
    this.#dialog.close();
    this.#failure = null;
    this.#takesFocus = false;
    const returnTo = this.#returnTo?.isConnected ? this.#returnTo : this.renderRoot.querySelector('.launcher');
    this.#returnTo = null;
    if (hadFocus && returnTo instanceof HTMLElement) returnTo.focus({ preventScroll: true });
  }

  #tell<Name extends keyof LetheChatEvents>(name: Name, detail: LetheChatEvents[Name]['detail']): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  readonly #newChat = (): void => {
    this.#panel?.newChat();
    this.#composer?.focus({ preventScroll: true });
  };

  /** Esc stops an answer, and closes the chat when there is none. */
  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || event.defaultPrevented || event.isComposing) return;
    event.preventDefault();
    if (this.#panel?.busy) this.#panel.stop();
    else this.close();
  };

  /** The browser closed it, by a gesture of the phone. */
  readonly #onDialogClose = (): void => {
    if (this.open && !this.#dialog.open) this.close();
  };
}
