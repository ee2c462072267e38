import { expect, test } from 'vitest';
import { sharedText } from './shared_text.ts';

test.each([
  ['?title=A%20page&text=Read%20this&url=https%3A%2F%2Fexample.org%2F', 'A page\nRead this\nhttps://example.org/'],
  ['?text=once&url=once', 'once'],
  ['?model=%2Fm%2F', ''],
  ['?text=%20%20', ''],
])('what was shared by %s', (search, words) => {
  expect(sharedText(search)).toBe(words);
});
