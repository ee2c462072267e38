import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatRate, formatRatio, formatTime, formatTokens } from './format.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [2_100_000, '2.1 MB'],
  [98_362_432, '98.4 MB'],
  [99_960_000, '100 MB'],
  [999_600_000, '1.0 GB'],
])('%d bytes are %s', (bytes, words) => {
  expect(formatBytes(bytes)).toBe(words);
});

test('counts, rates, ratios and times read as people write them', () => {
  expect(formatCount(1500)).toBe('1,500');
  expect(formatTokens(1)).toBe('1 token');
  expect(formatTokens(2)).toBe('2 tokens');
  expect([null, 0, Number.NaN, 1.04, 9.96, 21.3].map(formatRate)).toEqual(['–', '–', '–', '1.0', '10', '21']);
  expect([1, 5.14, 99.96].map(formatRatio)).toEqual(['1.0', '5.1', '100']);
  expect([85, 1432, 59_940, 125_000].map(formatTime)).toEqual(['85 ms', '1.4 s', '59.9 s', '2 min 5 s']);
});
