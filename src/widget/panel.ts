/**
 * What is inside an open widget: loading, conversation, field. It is a part of the element's own tree and comes by a
 * request of its own, with the engine, when a widget is first opened.
 */
import { html, nothing, type TemplateResult } from 'lit';
import type { Engine, EngineOptions } from '../engine/api.ts';
import { readOffer } from '../engine/model_offer.ts';
import { cancelledCard, cardStyles, consentCard, faultCard, loadCard } from '../ui/cards.ts';
import { Chat } from '../ui/chat.ts';
import { lastUserTurn } from '../ui/chat_state.ts';
import { Composer } from '../ui/composer.ts';
import { ConversationView } from '../ui/conversation_view.ts';
import type { Fault } from '../ui/faults.ts';
import { Loader } from '../ui/loader.ts';
import { ServerLink } from '../ui/server_link.ts';
import { cachePolicy, DEFAULT_SETTINGS, type Settings } from '../ui/settings.ts';
import type { TurnActions } from '../ui/turn_actions.ts';
import { TurnView } from '../ui/turn_view.ts';
import { withWords } from '../ui/words.ts';
import { createEngine } from '../worker/client.ts';
import { isKept } from '../worker/kept_models.ts';
import { EngineRegistry } from './engine_registry.ts';
import type { PanelHost } from './panel_host.ts';
import { type ReadOptions, WidgetOptionError } from './widget_options.ts';
import type { WidgetStrings } from './widget_strings.ts';

/** Those of this page. */
const engines = new EngineRegistry(createEngine);

const PARTS = { 'lethe-turn': TurnView, 'lethe-conversation': ConversationView, 'lethe-composer': Composer };

/** Names the elements that the panel is made of, where the page has none of that name, and makes a panel. */
export function openPanel(host: PanelHost): Panel {
  for (const [name, element] of Object.entries(PARTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
  const { styleSheet } = cardStyles;
  if (styleSheet && !host.root.adoptedStyleSheets.includes(styleSheet)) host.root.adoptedStyleSheets.push(styleSheet);
  return new Panel(host);
}

/** A call that waits for the chat to be ready. */
interface Waiter {
  readonly resolve: () => void;
  readonly reject: (cause: Error) => void;
}

export class Panel {
  readonly #host: PanelHost;
  readonly #chat = new Chat(() => this.#onChat());
  #options: ReadOptions | null = null;
  /** An option that cannot be used. */
  #problem: Fault | null = null;
  #loader: Loader | ServerLink | null = null;
  #engine: Engine | null = null;
  /** What was told by an event already. */
  #told: Fault | null = null;
  #waiters: Waiter[] = [];

  /** What a reader can do with a turn. */
  readonly #actions: TurnActions = {
    ready: () => this.#chat.ready,
    idle: () => !this.busy,
    placeOf: (id) => this.#chat.placeOf(id),
    edit: ({ id, text }) => this.#host.edit(text, id),
    regenerate: (id) => void this.#follow(this.#chat.regenerate(id, this.#settings)),
    choose: (id, step) => this.#chat.choose(id, step),
  };

  constructor(host: PanelHost) {
    this.#host = host;
  }

  get #settings(): Settings {
    return this.#options?.settings ?? DEFAULT_SETTINGS;
  }

  get busy(): boolean {
    return this.#chat.activity !== 'idle';
  }

  get empty(): boolean {
    return this.#chat.turns.length === 0;
  }

  /** Takes options, or what is wrong with them; loads where they ask for another model than the one that is there. */
  configure(options: ReadOptions | WidgetOptionError): void {
    if (options instanceof WidgetOptionError) {
      this.dispose();
      this.#problem = problemFault(options);
      this.#tellFault(this.#problem);
      return;
    }
    const before = this.#options;
    this.#problem = null;
    this.#options = options;
    if (before && this.#loader && sameEngine(before, options)) return;
    this.dispose();
    this.#options = options;
    this.#loader = this.#makeLoader(options);
    this.#load();
  }

  /** Gives the engine back; the conversation stays. `configure` begins anew. */
  dispose(): void {
    this.#loader?.dispose();
    this.#loader = null;
    this.#options = null;
    if (this.#engine) {
      this.#engine = null;
      void this.#chat.setEngine(null);
    }
    this.#rejectWaiters(new Error('The chat was taken from the page.'));
  }

  /** Sends once the chat is ready. Resolves with the answer, such as it is when it ends. */
  async send(text: string): Promise<string> {
    if (!this.#chat.ready) await this.#whenReady();
    await this.#send(text, null);
    const { fault, turns } = this.#chat;
    if (fault) throw new Error(`${fault.title}: ${fault.detail}`);
    return turns.at(-1)?.text ?? '';
  }

  stop(): void {
    this.#chat.stop();
  }

  newChat(): void {
    void this.#chat.newChat();
  }

  stateWord(strings: WidgetStrings): string {
    if (this.#problem) return strings.stopped;
    const kind = this.#loader?.state.kind ?? 'checking';
    if (kind !== 'ready') {
      const { starting, waiting, loading, notLoaded, stopped } = strings;
      return { checking: starting, consent: waiting, loading, cancelled: notLoaded, fault: stopped }[kind];
    }
    const { activity } = this.#chat;
    return activity === 'idle' ? strings.ready : strings[activity];
  }

  render(strings: WidgetStrings, welcome: TemplateResult): TemplateResult {
    this.#chat.words = strings;
    return html`<lethe-conversation part="conversation" .turns=${this.#chat.turns} 
        .actions=${this.#actions} .words=${strings}>
        ${welcome}
      </lethe-conversation>
      <div class="dock" part="dock">
        ${withWords(strings, () => this.#card(strings.faults))}
        <lethe-composer
          part="composer"
          .busy=${this.busy}
          .ready=${this.#chat.ready}
          .placeholder=${strings.placeholder}
          .words=${strings}
          .lastMessage=${lastUserTurn(this.#chat.turns)}
          .measure=${(text: string, edited: number | null) =>
            this.#chat.measure(text, this.#options?.settings.systemPrompt ?? '', edited)}
          .send=${(text: string, edited: number | null) => void this.#send(text, edited)}
          .stop=${() => this.#chat.stop()}
        ></lethe-composer>
      </div>`;
  }

  #card(faults: WidgetStrings['faults']): TemplateResult | typeof nothing {
    const worded = (fault: Fault): Fault => ({ ...fault, ...faults[fault.kind] });
    const loader = this.#loader;
    const load = (): void => this.#load();
    const newChat = (): void => this.newChat();
    const dismiss = (): void => this.#host.again();
    if (this.#problem) return faultCard(this.#problem, { load, newChat, dismiss });
    switch (loader?.state.kind) {
      case 'loading':
        return loadCard(loader.state, () => loader.cancel());
      case 'cancelled':
        return cancelledCard(load);
      case 'consent':
        return consentCard(loader.state.offer, loader.state.adapter, () => void loader.consent());
      case 'fault':
        return faultCard(worded(loader.state.fault), { load, newChat, dismiss: load });
      default: {
        const { fault } = this.#chat;
        return fault ? faultCard(worded(fault), { load, newChat, dismiss: () => this.#chat.dismissFault() }) : nothing;
      }
    }
  }

  #makeLoader({ model, server, context }: ReadOptions): Loader | ServerLink {
    const changed = (): void => this.#onLoader();
    if (server) return new ServerLink(server, { createEngine, changed });
    return new Loader(model, {
      createEngine: (asked) => engines.share(this.#withContext(asked)),
      readOffer,
      askFirst: true,
      context,
      isKept: (address) => this.#isKept(address),
      changed,
    });
  }

  #load(): void {
    const policy = this.#options?.settings.policy ?? null;
    void this.#loader?.load(policy === null ? null : cachePolicy(policy));
  }

  #withContext(asked: EngineOptions): EngineOptions {
    const context = this.#options?.context ?? null;
    return context === null ? asked : { ...asked, cache: { ...asked.cache, context } };
  }

  /** True when nothing would be downloaded: another widget has the engine, or the browser has the model. */
  async #isKept(address: string): Promise<boolean> {
    const policy = this.#options?.settings.policy ?? null;
    const asked = { model: address, ...(policy !== null && { cache: { policy: cachePolicy(policy) } }) };
    if (engines.has(this.#withContext(asked))) return true;
    return isKept(address);
  }

  async #send(text: string, edited: number | null): Promise<void> {
    this.#host.tell('lethe-message', { role: 'user', content: text });
    await this.#follow(this.#chat.send(text, this.#settings, edited));
  }

  /** Tells of the answer that `work` brings, if it brings one. */
  async #follow(work: Promise<void>): Promise<void> {
    const asked = this.#chat.turns.at(-1)?.id;
    await work;
    const last = this.#chat.turns.at(-1);
    if (last?.role !== 'assistant' || last.id !== asked || last.text === '') return;
    this.#host.tell('lethe-message', { role: 'assistant', content: last.text });
  }

  /** Hands a new engine to the chat and takes a lost one away. */
  #onLoader(): void {
    const state = this.#loader?.state;
    const engine = state?.kind === 'ready' ? state.engine : null;
    if (engine !== this.#engine) {
      this.#engine = engine;
      void this.#chat.setEngine(engine);
      if (engine) this.#host.tell('lethe-ready', { info: engine.info });
    }
    if (state?.kind === 'fault') {
      this.#tellFault(state.fault);
      this.#rejectWaiters(new Error(`${state.fault.title}: ${state.fault.detail}`));
    }
    this.#onChat();
  }

  #onChat(): void {
    const { returnedText, fault, ready } = this.#chat;
    if (returnedText !== null) {
      this.#chat.returnedText = null;
      this.#host.restore(returnedText);
    }
    if (fault) this.#tellFault(fault);
    if (ready) for (const { resolve } of this.#waiters.splice(0)) resolve();
    this.#host.changed();
  }

  #tellFault(fault: Fault): void {
    if (fault === this.#told) return;
    this.#told = fault;
    this.#host.tell('lethe-error', { kind: fault.kind, message: `${fault.title}: ${fault.detail}` });
  }

  async #whenReady(): Promise<void> {
    if (this.#problem) throw new Error(this.#problem.detail);
    while (!this.#chat.ready) {
      await new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    }
  }

  #rejectWaiters(cause: Error): void {
    for (const { reject } of this.#waiters.splice(0)) reject(cause);
  }
}

function sameEngine(a: ReadOptions, b: ReadOptions): boolean {
  const form = ({ model, server, context, settings }: ReadOptions) =>
    JSON.stringify([model, server, context, settings.policy]);
  return form(a) === form(b);
}

/** The card for whoever built the page. */
function problemFault({ message, remedy }: WidgetOptionError): Fault {
  return {
    kind: 'other',
    title: 'This chat is not set up rightly',
    why: message,
    remedies: [remedy],
    detail: `${message} ${remedy}`,
    action: 'load',
  };
}
