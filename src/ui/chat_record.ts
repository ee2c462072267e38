/**
 * A chat as it is kept and carried elsewhere: its record, the record's check, its title, a search, and the two forms in
 * which a chat leaves the browser. JSON comes back exactly as it left; Markdown is for reading. It stores nothing.
 */
import type { MemorySample, Thought } from './chat_state.ts';
import { formatCount } from './format.ts';
import { pathOf, type TreeTurn, type TurnTree } from './turn_tree.ts';

export type StoredTurn =
  | { readonly id: number; readonly parent: number | null; readonly role: 'user'; readonly text: string }
  | {
      readonly id: number;
      readonly parent: number | null;
      readonly role: 'assistant';
      readonly text: string;
      readonly thought?: Thought;
      /** The quiet line under the answer. */
      readonly note: string;
      /** What the memory was when it ended; not known of all. */
      readonly memory?: MemorySample;
    };

export interface ChatRecord {
  readonly id: string;
  readonly title: string;
  /** Milliseconds since 1970, of the first turn and of the last. */
  readonly created: number;
  readonly updated: number;
  /** A parent stands before its children. */
  readonly turns: readonly StoredTurn[];
  /** The last turn of the line that is shown. */
  readonly leaf: number;
}

/** What a file of chats held. */
export interface ImportedChats {
  readonly records: readonly ChatRecord[];
  /** Chats of the file that cannot be read. */
  readonly damaged: number;
}

const FORMAT = 'lethe-chats';
const VERSION = 1;
const TITLE_LENGTH = 60;
/** Characters around a match. */
const CONTEXT = 36;

/** The first line of the first message, cut at a word. */
export function titleOf({ turns }: TurnTree): string {
  const line = turns.find(({ role, text }) => role === 'user' && text.trim() !== '')?.text.trim();
  const words = (line ?? 'Chat').split('\n', 1)[0].replace(/\s+/gu, ' ');
  if (words.length <= TITLE_LENGTH) return words;
  return `${words.slice(0, TITLE_LENGTH).replace(/\s+\S*$/u, '')}…`;
}

/** The turns of a tree as they are kept; an answer under way as if it had been broken off here. */
export function storedTurns({ turns }: TurnTree): StoredTurn[] {
  return turns.map((turn): StoredTurn => {
    const { id, parent, text } = turn;
    if (turn.role === 'user') return { id, parent, role: 'user', text };
    const thought = turn.thought ? { thought: { ...turn.thought, seconds: turn.thought.seconds ?? 0 } } : {};
    const note = turn.activity === 'idle' ? turn.note : 'broken off';
    const memory = turn.memory ? { memory: turn.memory } : {};
    return { id, parent, role: 'assistant', text, ...thought, note, ...memory };
  });
}

export function treeOf({ turns, leaf }: ChatRecord): TurnTree {
  return {
    leaf,
    turns: turns.map((turn): TreeTurn => (turn.role === 'user' ? turn : { ...turn, activity: 'idle' })),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= 8.64e15;
}

function readThought(value: unknown): Thought | null {
  if (!isFields(value)) return null;
  const { text, seconds } = value;
  if (typeof text !== 'string' || typeof seconds !== 'number' || !(seconds >= 0)) return null;
  return { text, seconds };
}

function readMemory(value: unknown): MemorySample | null {
  if (!isFields(value)) return null;
  const { tokens, live, dense } = value;
  const isSize = (size: unknown): size is number => Number.isSafeInteger(size) && Number(size) >= 0;
  return isSize(tokens) && isSize(live) && isSize(dense) ? { tokens, live, dense } : null;
}

function readTurn(value: unknown, earlier: ReadonlySet<number>): StoredTurn | null {
  if (!isFields(value)) return null;
  const { id, parent, role, text, note } = value;
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || earlier.has(id)) return null;
  if (parent !== null && !(typeof parent === 'number' && earlier.has(parent))) return null;
  if (typeof text !== 'string') return null;
  if (role === 'user') return { id, parent, role, text };
  if (role !== 'assistant' || typeof note !== 'string') return null;
  const thought = value.thought === undefined ? undefined : readThought(value.thought);
  const memory = value.memory === undefined ? undefined : readMemory(value.memory);
  if (thought === null || memory === null) return null;
  return { id, parent, role, text, ...(thought && { thought }), note, ...(memory && { memory }) };
}

/** A record from data of unknown origin; null when any of it does not fit. Fields that are not known are left out. */
export function readRecord(value: unknown): ChatRecord | null {
  if (!isFields(value)) return null;
  const { id, title, created, updated, leaf } = value;
  if (typeof id !== 'string' || id === '' || id.length > 100 || typeof title !== 'string') return null;
  if (!isTime(created) || !isTime(updated) || !Array.isArray(value.turns)) return null;
  const ids = new Set<number>();
  const turns: StoredTurn[] = [];
  for (const candidate of value.turns) {
    const turn = readTurn(candidate, ids);
    if (!turn) return null;
    ids.add(turn.id);
    turns.push(turn);
  }
  if (typeof leaf !== 'number' || !ids.has(leaf)) return null;
  return { id, title, created, updated, turns, leaf };
}

/** The newest first, always in the same order. */
export function newestFirst(records: Iterable<ChatRecord>): ChatRecord[] {
  return [...records].sort((a, b) => b.updated - a.updated || (a.id < b.id ? -1 : 1));
}

/**
 * Where a chat says what is searched for, in any branch: the words around the place, or '' when the title says it.
 * Null when it does not.
 */
export function findIn({ title, turns }: ChatRecord, query: string): string | null {
  const wanted = query.trim().toLowerCase();
  if (title.toLowerCase().includes(wanted)) return '';
  for (const { text } of turns) {
    const at = text.toLowerCase().indexOf(wanted);
    if (at < 0) continue;
    const [from, to] = [Math.max(0, at - CONTEXT), Math.min(text.length, at + wanted.length + CONTEXT)];
    const words = text.slice(from, to).replace(/\s+/gu, ' ').trim();
    return `${from > 0 ? '…' : ''}${words}${to < text.length ? '…' : ''}`;
  }
  return null;
}

export function chatsToJson(records: readonly ChatRecord[]): string {
  return `${JSON.stringify({ format: FORMAT, version: VERSION, chats: records }, null, 2)}\n`;
}

/** @throws Error with words for the reader when the text is no file of chats */
export function chatsFromJson(text: string): ImportedChats {
  let read: unknown = null;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Error('This file is no JSON. Choose one that was exported here.');
  }
  if (!isFields(read) || read.format !== FORMAT || !Array.isArray(read.chats)) {
    throw new Error('This file holds no chats of Lethe. Choose one that was exported here.');
  }
  if (read.version !== VERSION) {
    throw new Error(`This file has version ${String(read.version)}, and this page reads version ${VERSION}.`);
  }
  const all = read.chats.map(readRecord);
  const records = all.filter((record) => record !== null);
  return { records, damaged: all.length - records.length };
}

/** The line that is shown, for reading elsewhere. */
export function chatToMarkdown(record: ChatRecord): string {
  const path = pathOf(treeOf(record)).filter(({ text }) => text !== '');
  const turns = path.map(({ role, text }) => `## ${role === 'user' ? 'You' : 'Answer'}\n\n${text.trim()}\n`);
  return [`# ${record.title}\n`, ...turns].join('\n');
}

/** `1 chat`, `2 chats`. */
export function formatChats(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'chat' : 'chats'}`;
}
