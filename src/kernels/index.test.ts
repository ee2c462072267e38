import { describe, expect, test } from 'vitest';
import { bindingsOf, paramsOf } from '../gpu/linker.ts';
import { allKernels } from './index.ts';

describe.each(allKernels)('$name', ({ params, texts }) => {
  test('its Params are those of its shader, in every variant', () => {
    for (const text of texts()) expect(paramsOf(text)).toEqual(Object.entries(params));
  });

  test('has at most the eight storage bindings that every adapter allows', () => {
    for (const text of texts()) {
      expect(bindingsOf(text).filter(({ kind }) => kind !== 'uniform').length).toBeLessThanOrEqual(8);
    }
  });
});
