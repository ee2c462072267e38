/** Values of options and the words around figures. The command as a whole is tried in the model ring. */
import { expect, test } from 'vitest';
import { formatBytes, formatProgress, formatRate } from './format.ts';
import { isParseError, numberOption, policyOption, UsageError } from './usage.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [2_123_456, '2.1 MB'],
  [123_456_789, '123 MB'],
  [5e12, '5000 GB'],
])('%d bytes are %s', (bytes, words) => {
  expect(formatBytes(bytes)).toBe(words);
});

test('rates and progress', () => {
  expect(formatRate(8.04)).toBe('8.0 tok/s');
  expect(formatRate(1234.5)).toBe('1235 tok/s');
  expect(formatProgress({ stage: 'download', done: 1000, total: 2000 })).toBe('reading 1.0 kB of 2.0 kB');
  expect(formatProgress({ stage: 'compile', done: 3, total: 9 })).toBe('compiling 3 of 9 kernels');
});

test('numbers in range, absent, or refused by the name of their option', () => {
  const range = { from: 0, to: 2 };
  expect(numberOption('temperature', undefined, range)).toBeNull();
  expect(numberOption('temperature', '0', range)).toBe(0);
  expect(numberOption('seed', '7', { from: 0, whole: true })).toBe(7);
  for (const value of ['', ' ', 'hot', '3', '-1', 'NaN']) {
    expect(() => numberOption('temperature', value, range)).toThrow('--temperature takes a number from 0 to 2');
  }
  expect(() => numberOption('seed', '1.5', { from: 0, whole: true })).toThrow(UsageError);
});

test('policies by name', () => {
  expect(policyOption(undefined)).toBeNull();
  expect(policyOption('dense')).toEqual({ kind: 'dense' });
  expect(policyOption('window')).toMatchObject({ kind: 'window', sinks: 4 });
  expect(() => policyOption('lru')).toThrow('lru');
});

test('knows the errors of parseArgs', () => {
  expect(isParseError(Object.assign(new TypeError('x'), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' }))).toBe(true);
  expect(isParseError(new TypeError('x'))).toBe(false);
});
