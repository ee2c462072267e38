import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { f16ToF32 } from '../util/f16.ts';
import { createRng } from '../util/rng.ts';
import { dequantise } from './dequantise.ts';
import { packWeight } from './pack.ts';
import { concatPacked, type PackedWeight } from './packed.ts';
import { quantiseW4, quantiseW8 } from './quantise.ts';
import { BLOCKS, type TensorInfo, type TensorType, type WeightType } from './tensor.ts';

interface Vector {
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly bytes: string;
  readonly values: string;
}
function vectorsOf(file: string): readonly Vector[] {
  const json = readFileSync(new URL(`testdata/${file}`, import.meta.url), 'utf8');
  return (JSON.parse(json) as { readonly types: readonly Vector[] }).types;
}
const types = vectorsOf('quants.json');
const blocks = vectorsOf('blocks.json');

function info(type: TensorType, shape: readonly number[], interleavedHeads?: number): TensorInfo {
  const byteLength = (shape.reduce((a, b) => a * b, 1) / BLOCKS[type].elements) * BLOCKS[type].bytes;
  const base = { name: 'w', type, shape, offset: 0, byteLength };
  return interleavedHeads === undefined ? base : { ...base, interleavedHeads };
}

/** The value that a kernel reads at a flat index, by the table in `PackedWeight`'s description. */
function valueAt({ format, codes, scales }: PackedWeight, index: number): number {
  const half = (words: Uint32Array, i: number) => f16ToF32((words[i >> 1] >>> (16 * (i & 1))) & 0xffff);
  if (format === 'f32') return new Float32Array(codes.buffer, codes.byteOffset)[index];
  if (format === 'f16') return half(codes, index);
  if (!scales) throw new Error('no scales');
  const group = Math.floor(index / 32);
  const j = index % 32;
  if (format === 'w8')
    return half(scales, group) * ((((codes[group * 8 + (j >> 2)] >>> (8 * (j & 3))) & 255) << 24) >> 24);
  const byte = (codes[group * 4 + ((j & 15) >> 2)] >>> (8 * (j & 3))) & 255;
  const q = j < 16 ? byte & 15 : byte >> 4;
  if (format === 'w4') return half(scales, group) * (q - 8);
  return Math.fround(half(scales, 2 * group) * q + half(scales, 2 * group + 1));
}

const unpacked = (weight: PackedWeight) =>
  Float32Array.from({ length: weight.rows * weight.cols }, (_, i) => valueAt(weight, i));
const random = (length: number, seed: number) => {
  const rng = createRng(seed);
  // The top bit of every f16 exponent stays clear, so that no scale is infinite or a NaN.
  return Uint8Array.from({ length }, () => Math.floor(rng() * 256) & 0xbf);
};

describe.each(types)('$type against the gguf package', ({ type, shape, bytes, values }) => {
  const raw = new Uint8Array(Buffer.from(bytes, 'base64'));
  const expected = new Float32Array(new Uint8Array(Buffer.from(values, 'base64')).buffer);

  it('dequantises to the same bits', () => {
    const found = dequantise(info(type, shape), raw);
    expect(Buffer.from(found.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  it('packs to the same values, in both targets', () => {
    expect(unpacked(packWeight(info(type, shape), raw, 'native'))).toEqual(expected);
    const float = packWeight(info(type, shape), raw, 'f32');
    expect(float.format).toBe('f32');
    expect(unpacked(float)).toEqual(expected);
  });

  it('reads bytes at any address', () => {
    const moved = new Uint8Array(raw.length + 3);
    moved.set(raw, 3);
    expect(dequantise(info(type, shape), moved.subarray(3))).toEqual(expected);
  });

  it('puts interleaved rows back', () => {
    // One head of 6 rows: file rows (0a 0b 1a 1b 2a 2b) become (0a 1a 2a 0b 1b 2b).
    const twice = new Uint8Array([...raw, ...raw.map((byte) => byte ^ 1)]);
    const plain = dequantise(info(type, [6, 96]), twice);
    const rows = [0, 2, 4, 1, 3, 5].flatMap((row) => [...plain.subarray(row * 96, row * 96 + 96)]);
    expect(dequantise(info(type, [6, 96], 1), twice)).toEqual(Float32Array.from(rows));
    expect(unpacked(packWeight(info(type, [6, 96], 1), twice, 'native'))).toEqual(Float32Array.from(rows));
  });
});

describe.each(blocks)('$type against the gguf package', ({ type, shape, bytes, values }) => {
  const raw = new Uint8Array(Buffer.from(bytes, 'base64'));
  const expected = new Float32Array(new Uint8Array(Buffer.from(values, 'base64')).buffer);
  const packed = packWeight(info(type, shape), raw, 'native');

  it('dequantises to the same bits', () => {
    const found = dequantise(info(type, shape), raw);
    expect(Buffer.from(found.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    expect(unpacked(packWeight(info(type, shape), raw, 'f32'))).toEqual(expected);
  });

  it('is packed within the bound of its layout', () => {
    const found = unpacked(packed);
    for (let group = 0; group < expected.length; group += 32) {
      const of = (list: Float32Array) => [...list.subarray(group, group + 32)];
      const amax = Math.max(...of(expected).map(Math.abs));
      const error = Math.max(...of(found).map((value, i) => Math.abs(value - expected[group + i])));
      // Q5_0 moves its bits. In Q4_K d and m round by half a unit of f16 each, or of its subnormals; what becomes w8
      // rounds to half a step of amax / 127, whose f16 scale is rounded too.
      const smallest = 2 ** -25 * (type === 'Q4_K' ? 16 : 127);
      const q4k = 2 ** -11 * 3 * (Math.max(...of(expected)) - Math.min(...of(expected)) + amax);
      const bound = type === 'Q5_0' ? 0 : smallest + (type === 'Q4_K' ? q4k : amax * (0.5 / 127 + 2 ** -11));
      expect(error, `group at ${group}`).toBeLessThanOrEqual(bound);
    }
  });

  it('puts interleaved rows back', () => {
    const cols = shape[1];
    const twice = new Uint8Array([...raw, ...raw.map((byte) => byte ^ 1)]);
    const four = packWeight(info(type, [4, cols]), twice, 'native');
    const rows = [0, 2, 1, 3].flatMap((row) => [...unpacked(four).subarray(row * cols, row * cols + cols)]);
    expect(unpacked(packWeight(info(type, [4, cols], 1), twice, 'native'))).toEqual(Float32Array.from(rows));
  });
});

describe('quantising', () => {
  it.each(['F32', 'F16', 'BF16', 'Q4_1'] as const)('%s to w8 and w4 is that of its values', (type) => {
    const whole = info(type, [4, 64], 1);
    const bytes = random(whole.byteLength, 3);
    const values = dequantise(whole, bytes);
    expect(packWeight(whole, bytes, 'w8')).toEqual(quantiseW8(values, 64, 'w'));
    expect(packWeight(whole, bytes, 'w4')).toEqual(quantiseW4(values, 64, 'w'));
  });

  it('leaves what is in the format already', () => {
    const whole = info('Q4_0', [2, 64]);
    const bytes = random(whole.byteLength, 4);
    expect(packWeight(whole, bytes, 'w4')).toEqual(packWeight(whole, bytes, 'native'));
  });
});

describe('joining by rows', () => {
  it.each(['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q8_0'] as const)(
    '%s, where a part has an odd number of groups',
    (type) => {
      const infos = [1, 3, 2].map((rows) => info(type, [rows, 32]));
      const bytes = infos.map(({ byteLength }, i) => random(byteLength, i + 1));
      const joined = concatPacked(infos.map((part, i) => packWeight(part, bytes[i], 'native')));
      const whole = packWeight(info(type, [6, 32]), new Uint8Array(bytes.flatMap((part) => [...part])), 'native');
      expect(joined).toEqual(whole);
    },
  );

  it('joins f16 rows of odd width', () => {
    const bytes = random(18, 5);
    const parts = [bytes.subarray(0, 6), bytes.subarray(6)].map((part) =>
      packWeight(info('F16', [part.length / 6, 3]), part, 'native'),
    );
    expect(concatPacked(parts)).toEqual(packWeight(info('F16', [3, 3]), bytes, 'native'));
  });

  it('refuses other widths and formats', () => {
    const a = packWeight(info('F32', [1, 4]), new Uint8Array(16), 'native');
    expect(() => concatPacked([a, packWeight(info('F32', [1, 8]), new Uint8Array(32), 'native')])).toThrow(
      /f32 \[1, 8\]/,
    );
    expect(() => concatPacked([a, packWeight(info('F16', [1, 4]), new Uint8Array(8), 'native')])).toThrow(
      /f16 \[1, 4\]/,
    );
  });
});

describe('refusals', () => {
  it('rows that split a block', () => {
    const short = { ...info('Q4_0', [1, 32]), shape: [2, 16] };
    expect(() => packWeight(short, new Uint8Array(18), 'native')).toThrow(
      /tensor w: rows of 16 elements do not divide/,
    );
  });
  it('bytes of another length', () => {
    expect(() => packWeight(info('Q4_1', [2, 32]), new Uint8Array(39), 'native')).toThrow(/takes 40 bytes, not 39/);
  });
  it('types that no weight has', () => {
    expect(() => packWeight(info('I32', [1]), new Uint8Array(4), 'native')).toThrow(/I32 is not a type that weights/);
  });
});

it('permutes the elements of a bias as its rows', () => {
  const bytes = new Uint8Array(Float32Array.from([0, 1, 2, 3, 4, 5, 6, 7]).buffer);
  expect([...dequantise(info('F32', [8], 2), bytes)]).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
});
