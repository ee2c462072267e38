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
   * beyond it is gone.
   * @param scope changes with whatever makes measurements incomparable: the chat, the policy
   */
  record(occupancy: Occupancy, scope: string): void {
    if (scope !== this.#scope) this.#samples = [];
    this.#scope = scope;
    while ((this.#samples.at(-1)?.tokens ?? -1) >= occupancy.tokensSeen) this.#samples.pop();
    const sample = memorySample(occupancy);
    if (!sample) return;
    this.#samples.push(sample);
    // Half of the points still draw the same line; the newest always stays.
    if (this.#samples.length > MOST_SAMPLES) this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
  }
}

/** The ends of a conversation's answers, as far as they are known. */
export function turnMarks(turns: readonly Turn[]): readonly TurnMark[] {
  const answers = turns.filter((turn) => turn.role === 'assistant');
  return answers.flatMap(({ memory }, index) => (memory ? [{ turn: index + 1, ...memory }] : []));
}
