/**
 * What a conversation's memory was at each moment that was seen: the measurements behind the timeline, and one at the
 * end of every answer. It holds a bounded number of points; it measures nothing and draws nothing.
 */
import type { Occupancy } from '../cache/occupancy.ts';
import type { Turn } from '../ui/chat_state.ts';
import { defined } from '../util/assert.ts';

/** One measurement. */
export interface Sample {
  /** Tokens read and written so far. */
  readonly tokens: number;
  /** Bytes held. */
  readonly live: number;
  /** Bytes that a cache which forgets nothing would hold at 16 bits. */
  readonly dense: number;
}

/** The measurement at the end of an answer. */
export interface TurnMark extends Sample {
  /** Counted from 1. */
  readonly turn: number;
}

/** A line of the panel's width has fewer pixels than this. */
const MOST_SAMPLES = 512;

export class MemoryHistory {
  #samples: Sample[] = [];
  #scope = '';
  /** By the answer's id. */
  readonly #ends = new Map<number, Sample>();
  /** The answer that was seen being written. */
  #underWay: number | null = null;

  /** In the order of their tokens, without two of the same. */
  get samples(): readonly Sample[] {
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
    const sample = sampleOf(occupancy);
    while ((this.#samples.at(-1)?.tokens ?? -1) >= sample.tokens) this.#samples.pop();
    if (sample.tokens === 0) return;
    this.#samples.push(sample);
    // Half of the points still draw the same line; the newest always stays.
    if (this.#samples.length > MOST_SAMPLES) this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
  }

  /**
   * The ends of the answers that are still in the conversation. One that has just ended is marked with the occupancy;
   * answers that ended before anybody looked have no mark.
   */
  marks(turns: readonly Turn[], occupancy: Occupancy | null): readonly TurnMark[] {
    const answers = turns.filter((turn) => turn.role === 'assistant');
    const last = answers.at(-1);
    if (last && last.activity !== 'idle') this.#underWay = last.id;
    else if (last && last.id === this.#underWay && occupancy && occupancy.tokensSeen > 0) {
      this.#ends.set(last.id, sampleOf(occupancy));
      this.#underWay = null;
    }
    return answers.flatMap(({ id }, index) => {
      if (!this.#ends.has(id)) return [];
      return [{ turn: index + 1, ...defined(this.#ends.get(id), 'the mark of an answer') }];
    });
  }
}

function sampleOf({ tokensSeen, liveBytes, denseBytes }: Occupancy): Sample {
  return { tokens: tokensSeen, live: liveBytes, dense: denseBytes };
}
