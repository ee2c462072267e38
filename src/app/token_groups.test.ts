import { describe, expect, it } from 'vitest';
import type { Retention } from '../engine/api.ts';
import { layerWords, retentionWords, shareOf, tokenGroups, tokenWords } from './token_groups.ts';

/** Three layers of two heads. */
function retentionOf(perLayer: readonly (readonly number[])[], text: readonly string[]): Retention {
  return {
    tokensSeen: perLayer.length,
    layers: 3,
    kvHeads: 2,
    holders: Uint16Array.from(perLayer, (heads) => heads.reduce((sum, count) => sum + count, 0)),
    perLayer: Uint8Array.from(perLayer.flat()),
    text,
    messages: new Int32Array(perLayer.length),
  };
}

describe('what is remembered', () => {
  it('groups tokens by message, in their order', () => {
    const messages = Int32Array.from([-1, -1, 0, 0, -1, 1, -1, 2, 2]);
    expect(tokenGroups({ messages }, ['system', 'user', 'assistant'])).toEqual([
      { speaker: null, start: 0, end: 2 },
      { speaker: 'System prompt', start: 2, end: 4 },
      { speaker: null, start: 4, end: 5 },
      { speaker: 'You', start: 5, end: 6 },
      { speaker: null, start: 6, end: 7 },
      { speaker: 'Answer', start: 7, end: 9 },
    ]);
    expect(tokenGroups({ messages: new Int32Array(0) }, [])).toEqual([]);
    // The answer under way has no message yet.
    expect(tokenGroups({ messages: Int32Array.from([1]) }, ['user'])[0].speaker).toBe('Answer');
  });

  const words = retentionOf(
    [
      [2, 2, 2],
      [0, 0, 0],
      [1, 0, 2],
      [1, 1, 1],
    ],
    ['The', ' river\n', '', '\t'],
  );

  it('says of a token who remembers it', () => {
    expect([0, 1, 2, 3].map((token) => tokenWords(words, token))).toEqual([
      'Token 1, “The”: all 6 heads remember it',
      'Token 2, “ river↵”: forgotten by all 6 heads',
      'Token 3, part of a character: 3 of 6 heads remember it, in layers 1, 3',
      'Token 4, “⇥”: 3 of 6 heads remember it, in every layer',
    ]);
    expect([0, 1, 2].map((token) => shareOf(words, token))).toEqual([1, 0, 0.5]);
  });

  it('says of the conversation how much is remembered', () => {
    expect(retentionWords(words)).toBe('4 tokens: 1 remembered by every head, 1 by none, 50% on average');
    expect(retentionWords(retentionOf([], []))).toBe('0 tokens: 0 remembered by every head, 0 by none, 0% on average');
  });

  it.each([
    [[5], 'layer 5'],
    [[1, 2], 'layers 1, 2'],
    [[1, 2, 3, 7, 9, 10, 11, 12], 'layers 1–3, 7, 9–12'],
    [Array.from({ length: 30 }, (_, layer) => layer + 1), 'every layer'],
  ])('names layers %j', (layers, found) => {
    expect(layerWords(layers, 30)).toBe(found);
  });
});
