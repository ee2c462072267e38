import { describe, expect, it } from 'vitest';
import type { Occupancy } from '../cache/occupancy.ts';
import type { Turn } from '../ui/chat_state.ts';
import { MemoryHistory } from './memory_history.ts';

function occupancyOf(tokensSeen: number, liveBytes = 10 * tokensSeen): Occupancy {
  const shape = { policy: 'dms', layers: 1, kvHeads: 1, window: 4 } as const;
  const live = new Uint32Array([tokensSeen]);
  return { ...shape, tokensSeen, live, liveBytes, allocatedBytes: 0, denseBytes: 20 * tokensSeen, ratio: 1 };
}

function answer(id: number, activity: 'idle' | 'writing' = 'idle'): Turn {
  return { id, role: 'assistant', text: 'So', activity, note: '' };
}

const question = (id: number): Turn => ({ id, role: 'user', text: 'What?' });
const tokensOf = (history: MemoryHistory) => history.samples.map(({ tokens }) => tokens);

describe('what the memory was', () => {
  it('keeps one measurement for each number of tokens, and the newest of two', () => {
    const history = new MemoryHistory();
    for (const [tokens, bytes] of [[0], [10], [20], [20, 150], [30]]) history.record(occupancyOf(tokens, bytes), 'a');
    expect(history.samples).toEqual([
      { tokens: 10, live: 100, dense: 200 },
      { tokens: 20, live: 150, dense: 400 },
      { tokens: 30, live: 300, dense: 600 },
    ]);
  });

  it('drops what lies beyond when the conversation is read anew, and all of it under another policy', () => {
    const history = new MemoryHistory();
    for (const tokens of [10, 20, 30]) history.record(occupancyOf(tokens), 'a');
    history.record(occupancyOf(15), 'a');
    expect(tokensOf(history)).toEqual([10, 15]);
    history.record(occupancyOf(40), 'b');
    expect(tokensOf(history)).toEqual([40]);
    history.record(occupancyOf(0), 'b');
    expect(tokensOf(history)).toEqual([]);
  });

  it('stays small over a long conversation and keeps its newest point', () => {
    const history = new MemoryHistory();
    for (let tokens = 1; tokens <= 5000; tokens++) {
      history.record(occupancyOf(tokens), 'a');
      expect(history.samples.at(-1)?.tokens).toBe(tokens);
    }
    expect(history.samples.length).toBeLessThanOrEqual(512);
    expect(history.samples.length).toBeGreaterThan(200);
    expect(tokensOf(history)).toEqual(tokensOf(history).toSorted((a, b) => a - b));
  });

  it('marks the end of each answer once, when it ends', () => {
    const history = new MemoryHistory();
    const first = [question(1), answer(2, 'writing')];
    expect(history.marks(first, occupancyOf(30))).toEqual([]);
    const ended = [question(1), answer(2)];
    expect(history.marks(ended, occupancyOf(40))).toEqual([{ turn: 1, tokens: 40, live: 400, dense: 800 }]);
    expect(history.marks([...ended, question(3), answer(4, 'writing')], occupancyOf(60))).toHaveLength(1);
    const second = [...ended, question(3), answer(4)];
    expect(history.marks(second, occupancyOf(90)).map(({ turn, tokens }) => [turn, tokens])).toEqual([
      [1, 40],
      [2, 90],
    ]);
    // The second question was asked again: another answer stands in the place of the old one.
    const edited = [...ended, question(5), answer(6, 'writing')];
    expect(history.marks(edited, occupancyOf(50)).map(({ tokens }) => tokens)).toEqual([40]);
    const again = [...ended, question(5), answer(6)];
    expect(history.marks(again, occupancyOf(70)).map(({ tokens }) => tokens)).toEqual([40, 70]);
    // The reader goes back to the old one.
    expect(history.marks(second, occupancyOf(70)).map(({ tokens }) => tokens)).toEqual([40, 90]);
  });

  it('marks no answer that it did not see being written, as of a chat that was opened', () => {
    expect(new MemoryHistory().marks([question(1), answer(2)], occupancyOf(40))).toEqual([]);
  });

  it('marks nothing without an engine that has read anything', () => {
    const history = new MemoryHistory();
    expect(history.marks([question(1), answer(2, 'writing')], null)).toEqual([]);
    expect(history.marks([question(1), answer(2)], null)).toEqual([]);
    expect(history.marks([question(1), answer(2)], occupancyOf(0))).toEqual([]);
  });
});
