import { expect, test } from 'vitest';
import { measuredPolicy } from './measured_policy.ts';

const point = { ratio: 4, perplexity: 0.01, kl: 0.02 };
const QUALITY = [
  { ...point, offset: 4, window: 96 },
  { ...point, offset: 8 },
];

test('an offset brings the window that it was measured with', () => {
  expect(measuredPolicy({ kind: 'dms', offset: 4 }, QUALITY)).toEqual({ kind: 'dms', offset: 4, window: 96 });
});

test.each([
  ['measured with its own', { kind: 'dms', offset: 8 }],
  ['nobody measured', { kind: 'dms', offset: 5 }],
  ['of the checkpoint', { kind: 'dms' }],
  ['that comes with a window', { kind: 'dms', offset: 4, window: 64 }],
] as const)('an offset %s stays as it is', (_, policy) => {
  expect(measuredPolicy(policy, QUALITY)).toBe(policy);
  expect(measuredPolicy(policy, null)).toBe(policy);
});

test('other policies have windows of their own', () => {
  const window = { kind: 'window', window: 8, sinks: 4 } as const;
  expect(measuredPolicy(window, QUALITY)).toBe(window);
});
