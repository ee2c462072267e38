/** The conversation as plain values, and what follows from them. Views draw it; `chat.ts` changes it. */
import type { Occupancy } from '../cache/occupancy.ts';
import type { ChatMessage, Speed } from '../engine/api.ts';
import { formatRate, formatTokens } from './format.ts';
import { memoryFigure } from './memory_figure.ts';

/** What the chat is busy with. `reading`: the prompt; `writing`: the answer; `stopping`: the last step under way. */
export type Activity = 'idle' | 'reading' | 'writing' | 'stopping';

export interface UserTurn {
  readonly id: number;
  readonly role: 'user';
  readonly text: string;
}

export interface AnswerTurn {
  readonly id: number;
  readonly role: 'assistant';
  readonly text: string;
  readonly activity: Activity;
  /** The quiet line under the answer. */
  readonly note: string;
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
  const parts = [
    formatTokens(tokens),
    ...(speed && speed.decodeTokensPerSecond > 0 ? [`${formatRate(speed.decodeTokensPerSecond)} tok/s`] : []),
    ...(occupancy && occupancy.tokensSeen > 0 ? [`memory ${held} (dense ${dense})`] : []),
    ...(end === 'stopped' ? ['stopped'] : []),
    ...(end === 'length' ? ['cut at the longest answer'] : []),
    ...(end === 'failed' ? ['broken off'] : []),
  ];
  return parts.join(', ');
}

/** The last message of the person, or null. */
export function lastUserTurn(turns: readonly Turn[]): UserTurn | null {
  return turns.findLast((turn): turn is UserTurn => turn.role === 'user') ?? null;
}
