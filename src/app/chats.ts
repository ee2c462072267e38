/**
 * The chats of this browser: which there are, which one is open, that each turn is kept, and what the engine remembers
 * of each. It changes the open chat only when a person asks for another one, and it draws nothing. What cannot be kept
 * is said and lasts as long as the page.
 */
import type { Engine, Snapshots } from '../engine/api.ts';
import type { Chat } from '../ui/chat.ts';
import {
  type ChatRecord,
  chatsFromJson,
  chatsToJson,
  formatChats,
  newestFirst,
  storedTurns,
  titleOf,
  treeOf,
} from '../ui/chat_record.ts';
import { EMPTY_TREE, type TurnTree } from '../ui/turn_tree.ts';
import { ChatStore } from './chat_store.ts';

/** Milliseconds after an answer until the engine's memory of the chat is saved: a reader may ask on at once. */
const SAVE_DELAY_MS = 1500;

/** Chats whose memory is kept; of older ones only the words. */
const MOST_MEMORIES = 24;

/** Other pages of this origin may save memories of their own. */
const MEMORY_PREFIX = 'page-chat-';

const UNKEPT = 'This browser does not keep chats: they last as long as this page.';

export class Chats {
  /** The newest first. */
  list: readonly ChatRecord[] = [];
  /** The chat that is open, once it has a turn. */
  current: string | null = null;
  /** Words for the reader; '' when there is nothing to say. */
  notice = '';
  /** The chat that was deleted last and can still come back. */
  removed: ChatRecord | null = null;

  readonly #chat: Chat;
  readonly #changed: () => void;
  readonly #store = new ChatStore();
  /** The tree as it was kept last. */
  #kept: TurnTree = EMPTY_TREE;
  /** Runs while the engine remembers more of the open chat than is saved. */
  #unsaved: ReturnType<typeof setTimeout> | null = null;
  /** Ends when the memory last sent to be saved is saved. */
  #saving: Promise<unknown> = Promise.resolve();
  #tidied = false;

  constructor(chat: Chat, changed: () => void) {
    this.#chat = chat;
    this.#changed = changed;
    chat.recall = (engine) => this.#recall(engine);
  }

  /** Reads what was kept. */
  async start(): Promise<void> {
    const leave = (): void => {
      this.keep(true);
      this.#saveMemory();
    };
    addEventListener('pagehide', leave);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') leave();
    });
    try {
      const { records, damaged } = await this.#store.read();
      // A chat may have begun meanwhile.
      this.#show([...records.filter(({ id }) => !this.#find(id)), ...this.list]);
      if (damaged > 0) this.#say(`${formatChats(damaged)} cannot be read and ${wasOrWere(damaged)} left out.`);
    } catch {
      this.#say(UNKEPT);
    }
  }

  /** Keeps the open chat when a turn was added or is whole; `now`: in any case. */
  keep(now = false): void {
    const { tree, activity } = this.#chat;
    if (tree === this.#kept) return;
    if (activity !== 'idle' && tree.turns.length === this.#kept.turns.length && !now) return;
    const { current } = this;
    const before = this.#kept;
    this.#kept = tree;
    if (tree.leaf === null) {
      // Its only message could not be answered and went back into the field.
      if (current !== null) void this.#forget(current);
      return;
    }
    const old = current === null ? null : this.#find(current);
    const time = Date.now();
    const record: ChatRecord = {
      id: old?.id ?? current ?? crypto.randomUUID(),
      title: old?.title ?? titleOf(tree),
      created: old?.created ?? time,
      updated: old && before.turns === tree.turns ? old.updated : time,
      turns: storedTurns(tree),
      leaf: tree.leaf,
    };
    this.current = record.id;
    this.#put(record);
    if (activity === 'idle' && before.turns !== tree.turns) {
      if (this.#unsaved !== null) clearTimeout(this.#unsaved);
      this.#unsaved = setTimeout(() => this.#saveMemory(), SAVE_DELAY_MS);
    }
  }

  /** Leaves the open chat, which stays in the list, for an empty one. */
  async begin(): Promise<void> {
    this.#leave();
    this.current = null;
    this.#kept = EMPTY_TREE;
    await this.#chat.newChat();
  }

  async open(id: string): Promise<void> {
    const record = this.#find(id);
    if (!record || id === this.current) return;
    this.#leave();
    this.current = id;
    this.#kept = treeOf(record);
    await this.#chat.open(this.#kept);
  }

  /** An empty title changes nothing. */
  rename(id: string, title: string): void {
    const record = this.#find(id);
    const words = title.trim();
    if (record && words !== '' && words !== record.title) this.#put({ ...record, title: words });
  }

  /** Deletes a chat; `undo` brings it back until `settle` is called or another one is deleted. */
  async remove(id: string): Promise<void> {
    const record = this.#find(id);
    if (!record) return;
    if (id === this.current) await this.begin();
    await this.settle();
    this.removed = record;
    await this.#forget(id);
  }

  undo(): void {
    const { removed } = this;
    this.removed = null;
    if (removed) this.#put(removed);
  }

  /** What was deleted is gone for good, with what the engine remembered of it. */
  async settle(): Promise<void> {
    const { removed } = this;
    this.removed = null;
    this.#changed();
    if (!removed) return;
    await this.#saving;
    await this.#chat.memories?.remove(memoryName(removed.id)).catch(() => undefined);
  }

  /** All chats as a file's text. */
  exportAll(): string {
    return chatsToJson(this.list);
  }

  /** Adds the chats of a file. One that is here already stays; one that differs from its like comes as another. */
  import(text: string): void {
    try {
      const { records, damaged } = chatsFromJson(text);
      const fresh = records.filter((record) => !this.list.some((other) => same(record, other)));
      for (const record of fresh) {
        this.#put(this.#find(record.id) ? { ...record, id: crypto.randomUUID() } : record);
      }
      const here = records.length - fresh.length;
      const parts = [
        `${formatChats(fresh.length)} imported.`,
        ...(here > 0 ? [`${formatChats(here)} ${wasOrWere(here)} here already.`] : []),
        ...(damaged > 0 ? [`${formatChats(damaged)} cannot be read and ${wasOrWere(damaged)} left out.`] : []),
      ];
      this.#say(parts.join(' '));
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    }
  }

  /** Before another chat is opened. */
  #leave(): void {
    this.#chat.leave();
    this.#saveMemory();
  }

  /** Sends the memory of the open chat to be saved, before anything else is asked of the engine. */
  #saveMemory(): void {
    // While the engine is busy with something else, its memory is not of this chat.
    if (this.#unsaved === null || this.current === null || !this.#chat.ready) return;
    clearTimeout(this.#unsaved);
    this.#unsaved = null;
    // Without it the chat is read anew when it is opened: nothing that a reader must act on.
    const saving = this.#chat.memories?.save(memoryName(this.current)).catch(() => undefined);
    if (saving) this.#saving = saving;
  }

  /** Puts what was saved of the open chat into the engine; what does not fit it is of no use any more. */
  async #recall({ snapshots }: Engine): Promise<void> {
    if (!this.#tidied) void this.#tidy(snapshots).catch(() => undefined);
    this.#tidied = true;
    if (this.current === null) return;
    const name = memoryName(this.current);
    await this.#saving;
    await snapshots.restore(name).catch(() => snapshots.remove(name));
  }

  /** Removes memories of chats that are gone, and the oldest of too many. */
  async #tidy(snapshots: Snapshots): Promise<void> {
    // Another page may have added chats.
    const { records } = await this.#store.read();
    const chats = [...records, ...this.list, ...(this.removed ? [this.removed] : [])];
    const known = new Set(chats.map(({ id }) => memoryName(id)));
    const all = (await snapshots.list()).filter(({ name }) => name.startsWith(MEMORY_PREFIX));
    const saved = all.toSorted((a, b) => b.modified - a.modified);
    const kept = saved.filter(({ name }) => known.has(name)).slice(0, MOST_MEMORIES);
    for (const { name } of saved) {
      if (!kept.some((file) => file.name === name)) await snapshots.remove(name);
    }
  }

  #find(id: string): ChatRecord | null {
    return this.list.find((record) => record.id === id) ?? null;
  }

  #put(record: ChatRecord): void {
    this.#show([...this.list.filter(({ id }) => id !== record.id), record]);
    this.#store.write(record).catch(() => this.#say(UNKEPT));
  }

  async #forget(id: string): Promise<void> {
    if (id === this.current) this.current = null;
    this.#show(this.list.filter((record) => record.id !== id));
    await this.#store.remove(id).catch(() => this.#say(UNKEPT));
  }

  #show(records: readonly ChatRecord[]): void {
    this.list = newestFirst(records);
    this.#changed();
  }

  #say(words: string): void {
    this.notice = words;
    this.#changed();
  }
}

function memoryName(id: string): string {
  return `${MEMORY_PREFIX}${id}`;
}

function wasOrWere(count: number): string {
  return count === 1 ? 'was' : 'were';
}

function same(a: ChatRecord, b: ChatRecord): boolean {
  return chatsToJson([a]) === chatsToJson([b]);
}
