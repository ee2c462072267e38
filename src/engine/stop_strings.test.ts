import { expect, test } from 'vitest';
import { createRng } from '../util/rng.ts';
import { StopStrings } from './stop_strings.ts';

/** Feeds pieces until a stop; returns the released text and whether it stopped. */
function feed(stops: readonly string[], pieces: readonly string[]): [string, boolean] {
  const matcher = new StopStrings(stops);
  let text = '';
  for (const piece of pieces) {
    const released = matcher.push(piece);
    text += released.text;
    if (released.stopped) return [text, true];
  }
  return [text + matcher.flush(), false];
}

test('holds a possible beginning back and releases it when it cannot match', () => {
  const matcher = new StopStrings(['END']);
  expect(matcher.push('abcE')).toEqual({ text: 'abc', stopped: false });
  expect(matcher.push('N')).toEqual({ text: '', stopped: false });
  expect(matcher.push('E')).toEqual({ text: 'EN', stopped: false });
  expect(matcher.push('ND!')).toEqual({ text: '', stopped: true });
});

test('without stop strings nothing is held', () => {
  expect(feed([], ['a', 'b'])).toEqual(['ab', false]);
});

test.each([
  [['\n\n'], 'one\n\ntwo', 'one', true],
  [['abc', 'b'], 'xabc', 'xa', true],
  [['abc', 'bc'], 'xabc', 'x', true],
  [['aab'], 'aaab', 'a', true],
  [['END'], 'the EN', 'the EN', false],
])('stops %j in %j leaves %j', (stops, text, left, stopped) => {
  expect(feed(stops, [text])).toEqual([left, stopped]);
  expect(feed(stops, [...text])).toEqual([left, stopped]);
});

test('the cut into pieces makes no difference', () => {
  const rng = createRng(5);
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: 12 }, () => 'abc'[Math.floor(rng() * 3)]).join('');
    const stops = ['abca', 'bb', 'cab'].filter(() => rng() < 0.6);
    const pieces: string[] = [];
    for (let at = 0; at < text.length; ) {
      const length = 1 + Math.floor(rng() * 4);
      pieces.push(text.slice(at, at + length));
      at += length;
    }
    expect(feed(stops, pieces), `${text} ${stops}`).toEqual(feed(stops, [text]));
  }
});
