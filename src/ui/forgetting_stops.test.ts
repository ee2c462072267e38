import { expect, test } from 'vitest';
import type { EngineInfo } from '../engine/api.ts';
import { forgettingStops, signedPercent } from './forgetting_stops.ts';
import { comparedPolicy, fullPolicy, samePolicy } from './policies.ts';

const CURVE = [
  { offset: 3, ratio: 6.1092, perplexity: 0.071873, kl: 0.07 },
  { offset: 8, ratio: 4.2665, perplexity: 0.011783, kl: 0.04 },
  { offset: 12, ratio: 2.8433, perplexity: -0.003199, kl: 0.03 },
];

function infoWith(offset: number | null, quality: EngineInfo['quality']): EngineInfo {
  const dms = offset === null ? null : ({ variant: 'adapter', window: 16, offset } as const);
  return { facts: { dms }, quality } as unknown as EngineInfo;
}

test('each stop says what was measured, from keeping most to forgetting most', () => {
  expect(forgettingStops(infoWith(8, CURVE), null)).toEqual([
    { offset: 12, measured: true, words: '2.8× fewer tokens, perplexity −0.3%' },
    { offset: 8, measured: true, words: '4.3× fewer tokens, perplexity +1.2%, as the model was made' },
    { offset: 3, measured: true, words: '6.1× fewer tokens, perplexity +7.2%' },
  ]);
});

test('an offset outside the curve has a stop and no figures', () => {
  const stops = forgettingStops(infoWith(5, CURVE), 7);
  expect(stops.map(({ offset }) => offset)).toEqual([12, 8, 7, 5, 3]);
  expect(stops[2]).toEqual({ offset: 7, measured: false, words: 'offset 7: not measured' });
  expect(stops[3].words).toBe('offset 5, as the model was made: not measured');
});

test('a model without a curve has stops around its own offset, none of them measured', () => {
  const stops = forgettingStops(infoWith(-2.8, null), null);
  expect(stops.map(({ offset }) => offset)).toEqual([5.2, 3.2, 1.2, -0.8, -2.8, -4.8, -6.8, -8.8, -10.8]);
  expect(stops.some(({ measured }) => measured)).toBe(false);
  expect(forgettingStops(infoWith(null, null), null)).toEqual([]);
});

test('changes are written with their sign', () => {
  expect([0.0118, -0.0032, 0.0004, -0.0004, 0.5].map(signedPercent)).toEqual([
    '+1.2%',
    '−0.3%',
    '±0.0%',
    '±0.0%',
    '+50.0%',
  ]);
});

test('a policy is the same with its default written out, and another with another number', () => {
  const taught = infoWith(8, null).facts;
  expect(fullPolicy(null, taught)).toEqual({ kind: 'dms', offset: 8 });
  expect(fullPolicy({ kind: 'dms', offset: 3 }, taught)).toEqual({ kind: 'dms', offset: 3 });
  expect(fullPolicy(null, infoWith(null, null).facts)).toEqual({ kind: 'dense' });
  const window = { kind: 'window', window: 128, sinks: 4 } as const;
  expect(fullPolicy(window, taught)).toEqual(window);
  expect(comparedPolicy({ kind: 'dense' }, { facts: taught })).toEqual({ kind: 'dms', offset: 8 });
  expect(comparedPolicy({ kind: 'dense' }, infoWith(null, null))).toMatchObject({ kind: 'window' });
  expect(comparedPolicy({ kind: 'dms', offset: 3 }, { facts: taught })).toEqual({ kind: 'dms', offset: 3 });
  expect(samePolicy({ kind: 'dms', offset: 8 }, { kind: 'dms', offset: 8 })).toBe(true);
  expect(samePolicy({ kind: 'dms', offset: 8 }, { kind: 'dms', offset: 3 })).toBe(false);
  expect(samePolicy(window, { ...window, sinks: 5 })).toBe(false);
  expect(samePolicy(window, window)).toBe(true);
  expect(samePolicy({ kind: 'dense' }, window)).toBe(false);
  expect(samePolicy({ kind: 'dense' }, { kind: 'dense' })).toBe(true);
});
