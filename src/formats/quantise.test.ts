import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { packWeight } from './pack.ts';
import { quantiseW4, quantiseW8 } from './quantise.ts';
import type { TensorInfo } from './tensor.ts';

const vector = JSON.parse(readFileSync(new URL('testdata/q8_0.json', import.meta.url), 'utf8')) as {
  readonly shape: readonly [number, number];
  readonly values: string;
  readonly bytes: string;
};
const [rows, cols] = vector.shape;
const values = new Float32Array(new Uint8Array(Buffer.from(vector.values, 'base64')).buffer);
const bytes = new Uint8Array(Buffer.from(vector.bytes, 'base64'));

it('gives the bits that the gguf package gives', () => {
  const info: TensorInfo = { name: 'w', type: 'Q8_0', shape: [rows, cols], offset: 0, byteLength: bytes.length };
  expect(quantiseW8(values, cols, 'w')).toEqual(packWeight(info, bytes, 'native'));
});

it('reads values at any place, and an odd number of groups', () => {
  const found = quantiseW8(values.subarray(cols, 2 * cols), cols, 'w');
  const row: TensorInfo = { name: 'w', type: 'Q8_0', shape: [1, cols], offset: 0, byteLength: 102 };
  expect(found).toEqual(packWeight(row, bytes.slice(102, 204), 'native'));
});

it.each([Number.NaN, Number.POSITIVE_INFINITY, -8_400_000])('refuses %d', (value) => {
  const wrong = values.slice();
  wrong[40] = value;
  expect(() => quantiseW8(wrong, cols, 'tensor w')).toThrow(/tensor w: the 32 elements from 32 on reach .*too large/);
});

it('refuses rows that split a group', () => {
  expect(() => quantiseW8(new Float32Array(96), 48, 'tensor w')).toThrow(/tensor w: rows of 48 elements do not divide/);
});

describe('w4', () => {
  const { q4_0 } = JSON.parse(readFileSync(new URL('testdata/blocks.json', import.meta.url), 'utf8')) as {
    readonly q4_0: { readonly shape: readonly [number, number]; readonly values: string; readonly bytes: string };
  };
  const [w4Rows, w4Cols] = q4_0.shape;
  const w4Values = new Float32Array(new Uint8Array(Buffer.from(q4_0.values, 'base64')).buffer);

  it('gives the bits that the gguf package gives for Q4_0', () => {
    const raw = new Uint8Array(Buffer.from(q4_0.bytes, 'base64'));
    const info: TensorInfo = { name: 'w', type: 'Q4_0', shape: [w4Rows, w4Cols], offset: 0, byteLength: raw.length };
    expect(quantiseW4(w4Values, w4Cols, 'w')).toEqual(packWeight(info, raw, 'native'));
  });

  it.each([Number.NaN, Number.NEGATIVE_INFINITY, 600_000])('refuses %d', (value) => {
    const wrong = w4Values.slice();
    wrong[70] = value;
    expect(() => quantiseW4(wrong, w4Cols, 'tensor w')).toThrow(/tensor w: the 32 elements from 64 on reach .*for w4/);
  });
});
