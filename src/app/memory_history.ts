/**
 * What a conversation's memory was at each moment that was seen: the measurements behind the timeline, and those that
 * the answers were kept with. It holds a bounded number of points; it measures nothing and draws nothing.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import { type MemorySample, memorySample, type Turn } from '../ui/chat_state.ts';

/** The measurement at the end of an answer. */
export interface TurnMark extends MemorySample {
  /** Counted from 1. */
  readonly turn: number;
}

/** A line of the panel's width has fewer pixels than this. */
const MOST_SAMPLES = 512;

export class MemoryHistory {
  #samples: MemorySample[] = [];
  #scope = '';

  /** In the order of their tokens, without two of the same. */
  get samples(): readonly MemorySample[] {
    return this.#samples;
  }

  /**
   * Takes a measurement. One with fewer tokens than the last means that the conversation is read anew: what was seen
   * beyond it is gone. One that is as the last answer left it, with nothing seen before, is of a chat that was opened
   * again: its answers lie on the same line.
   * @param scope changes with whatever makes measurements incomparable: the chat, the policy
   * @param answers what the memory was at the end of each answer
   */
  record(occupancy: Occupancy, scope: string, answers: readonly MemorySample[] = []): void {
    if (scope !== this.#scope) this.#samples = [];
    this.#scope = scope;
    while ((this.#samples.at(-1)?.tokens ?? -1) >= occupancy.tokensSeen) this.#samples.pop();
    const sample = memorySample(occupancy);
    if (!sample) return;
    if (this.#samples.length === 0 && isSame(answers.at(-1), sample)) this.#samples = answers.slice(0, -1);
    this.#samples.push(sample);
    // Half of the points still draw the same line; the newest always stays.
    if (this.#samples.length > MOST_SAMPLES) this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
  }
}

function isSame(a: MemorySample | undefined, b: MemorySample): boolean {
  return a?.tokens === b.tokens && a.live === b.live && a.dense === b.dense;
}

/** The ends of a conversation's answers, as far as they are known. */
export function turnMarks(turns: readonly Turn[]): readonly TurnMark[] {
  const answers = turns.filter((turn) => turn.role === 'assistant');
  return answers.flatMap(({ memory }, index) => (memory ? [{ turn: index + 1, ...memory }] : []));
}
