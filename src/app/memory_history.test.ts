import { describe, expect, it, test } from 'vitest';
import type { Occupancy } from '../cache/occupancy.ts';
import type { Turn } from '../ui/chat_state.ts';
import { MemoryHistory, turnMarks } from './memory_history.ts';

function occupancyOf(tokensSeen: number, liveBytes = 10 * tokensSeen): Occupancy {
  const shape = { policy: 'dms', layers: 1, kvHeads: 1, window: 4 } as const;
  const live = new Uint32Array([tokensSeen]);
  return { ...shape, tokensSeen, live, liveBytes, allocatedBytes: 0, denseBytes: 20 * tokensSeen, ratio: 1 };
}

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

  it('goes through the answers of a chat that was opened again, where it is as the last one left it', () => {
    const answers = [10, 25, 40].map((tokens) => ({ tokens, live: 10 * tokens, dense: 20 * tokens }));
    const opened = new MemoryHistory();
    opened.record(occupancyOf(40), 'a', answers);
    opened.record(occupancyOf(50), 'a', answers);
    expect(tokensOf(opened)).toEqual([10, 25, 40, 50]);
    // Under another policy the chat is read anew, to other bytes.
    opened.record(occupancyOf(40, 800), 'b', answers);
    expect(tokensOf(opened)).toEqual([40]);
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
});

test('each answer has a mark that knows its end, and keeps its number where others do not', () => {
  const memory = { tokens: 40, live: 400, dense: 800 };
  const question = (id: number): Turn => ({ id, role: 'user', text: 'What?' });
  const answer = (id: number): Turn => ({ id, role: 'assistant', text: 'So', activity: 'idle', note: '' });
  const turns = [question(1), answer(2), question(3), { ...answer(4), memory }];
  expect(turnMarks(turns)).toEqual([{ turn: 2, ...memory }]);
  expect(turnMarks([])).toEqual([]);
});
