/**
 * The list of chats: to open, search, rename, delete, bring back, export and import. A native dialog, so that Esc,
 * focus and the background behave as known. It changes nothing by itself: `chats` does.
 */
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import { type ChatRecord, chatToMarkdown, findIn } from '../ui/chat_record.ts';
import { defined } from '../util/assert.ts';
import { chatListStyles } from './chat_list_styles.ts';
import type { Chats } from './chats.ts';

const DATES = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

export class ChatList extends LitElement {
  static override readonly styles = chatListStyles;

  @property({ attribute: false }) records: readonly ChatRecord[] = [];
  @property({ attribute: false }) current: string | null = null;
  @property({ attribute: false }) notice = '';
  @property({ attribute: false }) removed: ChatRecord | null = null;
  @property({ attribute: false }) chats: Chats | null = null;

  @state() private query = '';
  /** Id of the chat whose title is being written. */
  @state() private renaming: string | null = null;

  get #dialog(): HTMLDialogElement {
    return defined(this.renderRoot.querySelector('dialog'), 'the dialog');
  }

  show(): void {
    this.query = '';
    this.renaming = null;
    this.#dialog.showModal();
  }

  protected override updated(changed: PropertyValues<this>): void {
    // The button that was pressed is gone with its chat: what can be done about it is next.
    if (changed.has('removed') && this.removed && this.#dialog.open) this.#focus('[data-undo]');
  }

  protected override render(): TemplateResult {
    const found = this.records.flatMap((record) => {
      const words = findIn(record, this.query);
      return words === null ? [] : [{ record, words }];
    });
    return html`<dialog aria-labelledby="title" @click=${this.#onBeside} @close=${() => void this.chats?.settle()}>
      <div class="sheet">
        <div class="head">
          <h2 id="title">Chats</h2>
          <button @click=${this.#begin}>Start a chat</button>
          <button @click=${() => this.#dialog.close()}>Close</button>
          <input
            type="search"
            aria-label="Search chats"
            placeholder="Search titles and text"
            .value=${this.query}
            @input=${this.#onQuery}
          />
          <p class="unseen" role="status" data-field="found">
            ${this.query.trim() === '' ? nothing : `${found.length} of ${this.records.length} chats found`}
          </p>
        </div>
        <div class="list">
          ${found.length === 0 ? html`<p class="empty quiet">${this.#nothingHere()}</p>` : nothing}
          <ul role="list" aria-label="Chats">
            ${repeat(
              found,
              ({ record }) => record.id,
              ({ record, words }) => this.#item(record, words),
            )}
          </ul>
        </div>
        ${this.#foot()}
      </div>
    </dialog>`;
  }

  #nothingHere(): string {
    if (this.records.length > 0) return 'No chat says this.';
    return 'No chats yet. They are kept in this browser and nowhere else.';
  }

  #item(record: ChatRecord, words: string): TemplateResult {
    const { id, title, updated } = record;
    const current = id === this.current;
    if (id === this.renaming) return html`<li>${this.#rename(record)}</li>`;
    return html`<li ?data-current=${current}>
      <button class="plain open" aria-current=${current ? 'true' : 'false'} @click=${() => this.#open(id)}>
        <span class="title">${title}</span>
        ${words === '' ? nothing : html`<span class="small quiet">${words}</span>`}
      </button>
      <div class="about small">
        <time class="quiet" datetime=${new Date(updated).toISOString()}>${DATES.format(updated)}</time>
        <button
          class="plain"
          data-rename=${id}
          aria-label=${`Rename ${title}`}
          @click=${() => this.#startRename(id)}
        >
          Rename
        </button>
        <button class="plain" aria-label=${`Export ${title} as Markdown`} @click=${() => this.#exportOne(record)}>
          Export
        </button>
        <button class="plain" aria-label=${`Delete ${title}`} @click=${() => void this.chats?.remove(id)}>
          Delete
        </button>
      </div>
    </li>`;
  }

  #rename({ id, title }: ChatRecord): TemplateResult {
    const save = (event: Event): void => {
      event.preventDefault();
      const field = this.renderRoot.querySelector('form input');
      if (field instanceof HTMLInputElement) this.chats?.rename(id, field.value);
      this.#endRename(id);
    };
    const leave = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      // Esc leaves the field, not the dialog.
      event.preventDefault();
      this.#endRename(id);
    };
    return html`<form @submit=${save} @keydown=${leave}>
      <input aria-label="Title" maxlength="200" .value=${title} />
      <button class="primary">Save</button>
    </form>`;
  }

  #foot(): TemplateResult {
    const { removed } = this;
    return html`<div class="foot small">
      <div role="status" class="row" data-field="chats-notice">
        ${
          removed
            ? html`<span class="title">Deleted “${removed.title}”.</span>
                <button data-undo @click=${this.#undo}>Undo</button>`
            : nothing
        }
      </div>
      <p role="status" data-field="chats-say" ?hidden=${this.notice === ''}>${this.notice}</p>
      <div class="row">
        <button ?disabled=${this.records.length === 0} @click=${this.#exportAll}>Export all</button>
        <button @click=${() => this.#file.click()}>Import…</button>
        <input type="file" hidden accept="application/json,.json" aria-label="File of chats" @change=${this.#onFile} />
      </div>
    </div>`;
  }

  get #file(): HTMLInputElement {
    return defined(this.renderRoot.querySelector<HTMLInputElement>('input[type=file]'), 'the choice of a file');
  }

  #focus(selector: string): void {
    const element = this.renderRoot.querySelector(selector);
    if (element instanceof HTMLElement) element.focus();
  }

  #open(id: string): void {
    this.#dialog.close();
    void this.chats?.open(id);
  }

  #startRename(id: string): void {
    this.renaming = id;
    void this.updateComplete.then(() => {
      const field = this.renderRoot.querySelector('form input');
      if (field instanceof HTMLInputElement) field.select();
    });
  }

  #endRename(id: string): void {
    this.renaming = null;
    void this.updateComplete.then(() => this.#focus(`[data-rename='${CSS.escape(id)}']`));
  }

  #exportOne(record: ChatRecord): void {
    save(`${fileName(record.title)}.md`, 'text/markdown', chatToMarkdown(record));
  }

  readonly #begin = (): void => {
    this.#dialog.close();
    void this.chats?.begin();
  };

  readonly #undo = (): void => {
    this.chats?.undo();
    this.#focus('input[type=search]');
  };

  readonly #exportAll = (): void => {
    if (this.chats) save('lethe-chats.json', 'application/json', this.chats.exportAll());
  };

  readonly #onQuery = (event: Event): void => {
    this.query = (event.target as HTMLInputElement).value;
  };

  readonly #onFile = async (): Promise<void> => {
    const [file] = this.#file.files ?? [];
    if (file) this.chats?.import(await file.text());
    this.#file.value = '';
  };

  /** A click beside the list closes it: there the dialog itself is the target. */
  readonly #onBeside = (event: Event): void => {
    if (event.target === event.currentTarget) this.#dialog.close();
  };
}

/** A title as the name of a file. */
function fileName(title: string): string {
  const plain = title.replace(/[^\p{L}\p{N} _-]+/gu, '').trim();
  return plain === '' ? 'chat' : plain;
}

/** Hands a text to the browser as a download. */
function save(name: string, type: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  // The download has begun by then; the text need not stay.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
