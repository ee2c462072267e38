/** The conversation as plain values, and what follows from them. Views draw it; `chat.ts` changes it. */
import type { Occupancy } from '../cache/occupancy.ts';
import type { ChatMessage, Speed, Usage } from '../engine/api.ts';
import { formatCount, formatRate } from './format.ts';
import { memoryFigure } from './memory_figure.ts';
import { fillIn, tokenWords, words } from './words.ts';

/** What the chat is busy with. `reading`: the prompt; `writing`: the answer; `stopping`: the last step under way. */
export type Activity = 'idle' | 'reading' | 'writing' | 'stopping';

export interface UserTurn {
  readonly id: number;
  readonly role: 'user';
  readonly text: string;
}

/** What a model thought before it answered. It is shown and kept, and never sent back as words of the answer. */
export interface Thought {
  readonly text: string;
  /** How long it took; null while it goes on. */
  readonly seconds: number | null;
}

/** What the memory of a conversation was at one moment. */
export interface MemorySample {
  /** Tokens read and written so far. */
  readonly tokens: number;
  /** Bytes held. */
  readonly live: number;
  /** Bytes that a cache which forgets nothing would hold at 16 bits. */
  readonly dense: number;
}

export interface AnswerTurn {
  readonly id: number;
  readonly role: 'assistant';
  readonly text: string;
  readonly thought?: Thought;
  readonly activity: Activity;
  /** The quiet line under the answer. */
  readonly note: string;
  /** What the memory was when the answer ended; unknown of a model at a server. */
  readonly memory?: MemorySample;
  /** What was read for it, and what was remembered; known of the answers of this visit. */
  readonly detail?: string;
}

export type Turn = UserTurn | AnswerTurn;

/** The messages to send: the system prompt where there is one, and every turn that has words. */
export function messagesOf(turns: readonly Turn[], systemPrompt: string): ChatMessage[] {
  const system: ChatMessage[] = systemPrompt.trim() === '' ? [] : [{ role: 'system', content: systemPrompt }];
  const said = turns.filter((turn) => turn.text !== '').map(({ role, text }): ChatMessage => ({ role, content: text }));
  return [...system, ...said];
}

/** The line under a finished answer: `132 tokens, 21 tok/s, memory 2.1 MB (dense 10.8 MB)`. */
export function answerNote(
  tokens: number,
  speed: Speed | null,
  occupancy: Occupancy | null,
  end: 'done' | 'stopped' | 'length' | 'failed',
): string {
  const { held, dense } = memoryFigure(occupancy);
  const said = words();
  const rate = speed && speed.decodeTokensPerSecond > 0 ? formatRate(speed.decodeTokensPerSecond) : null;
  const parts = [
    tokenWords(tokens),
    ...(rate === null ? [] : [fillIn(said.speed, { speed: rate })]),
    ...(occupancy && occupancy.tokensSeen > 0 ? [fillIn(said.memory, { held, dense })] : []),
    ...(end === 'stopped' ? [said.stoppedNote] : []),
    ...(end === 'length' ? [said.lengthNote] : []),
    ...(end === 'failed' ? [said.failedNote] : []),
  ];
  return parts.join(', ');
}

/** Null while nothing was read. */
export function memorySample(occupancy: Occupancy | null): MemorySample | null {
  if (!occupancy || occupancy.tokensSeen === 0) return null;
  return { tokens: occupancy.tokensSeen, live: occupancy.liveBytes, dense: occupancy.denseBytes };
}

/** How much was read for an answer: `5 tokens read, 3,012 remembered`. */
export function readingNote({ prompt_tokens: all, prompt_tokens_details: { cached_tokens: cached } }: Usage): string {
  return fillIn(words().readNote, { read: tokenWords(all - cached), cached: formatCount(cached) });
}

/** The last message of the person, or null. */
export function lastUserTurn(turns: readonly Turn[]): UserTurn | null {
  return turns.findLast((turn): turn is UserTurn => turn.role === 'user') ?? null;
}
