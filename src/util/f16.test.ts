import { describe, expect, it } from 'vitest';
import { f16ToF32, f32ToF16, packF16, unpackF16 } from './f16.ts';

describe('half precision', () => {
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x3555, 0.333251953125],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
  ])('bits %i are %s', (bits, value) => {
    expect(f16ToF32(bits)).toBe(value);
    expect(f32ToF16(value)).toBe(bits);
  });

  it('survives the way there and back for every half', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = f16ToF32(bits);
      if (Number.isNaN(value)) expect(f32ToF16(value) & 0x7c00, `${bits}`).toBe(0x7c00);
      else if (f32ToF16(value) !== bits) expect(f32ToF16(value), `${bits}`).toBe(bits);
    }
  });

  it('rounds to the nearest, and to even in the middle', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [f16ToF32(bits), f16ToF32(bits + 1)];
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const step = (high - low) / 1024;
      const found = [f32ToF16(middle), f32ToF16(middle - step), f32ToF16(middle + step), f32ToF16(-middle)];
      if (found.join() !== [even, bits, bits + 1, even | 0x8000].join()) expect(found, `${bits}`).toEqual([even, bits]);
    }
  });

  it('becomes infinite from half a step above the largest on', () => {
    expect(f32ToF16(65519.99609375)).toBe(0x7bff);
    expect(f32ToF16(65520)).toBe(0x7c00);
    expect(f32ToF16(-1e30)).toBe(0xfc00);
    expect(f32ToF16(2 ** -25)).toBe(0);
    expect(f32ToF16(2 ** -25 * 1.0001)).toBe(1);
  });

  it('is packed two to a word, the first low, an odd one alone', () => {
    expect([...packF16([1, -2, 0.5])]).toEqual([0xc0003c00, 0x3800]);
    expect([...unpackF16(packF16([1, -2, 0.5]), 3)]).toEqual([1, -2, 0.5]);
  });
});
