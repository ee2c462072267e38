import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openSafetensors, writeSafetensors } from './safetensors.ts';
import { memorySource } from './sources.ts';

const tiny = new Uint8Array(readFileSync(new URL('testdata/tiny.safetensors', import.meta.url)));
const open = (bytes: Uint8Array) => openSafetensors(memorySource('t.safetensors', bytes));

function fileOf(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

describe('a file written by the safetensors package', () => {
  it('has every type with its bytes', async () => {
    const checkpoint = await open(tiny);
    expect(checkpoint.metadata).toEqual({ note: 'é' });
    const types = Object.fromEntries(
      [...checkpoint.tensors.values()].map(({ name, type, shape }) => [name, [type, ...shape]]),
    );
    expect(types).toEqual({
      f32: ['F32', 2, 3],
      f16: ['F16', 2, 3],
      bf16: ['BF16', 5],
      bool: ['BOOL', 3],
      u8: ['U8', 4],
      i32: ['I32', 1, 2],
      i64: ['I64', 1],
      empty: ['F32', 0, 4],
      scalar: ['F32'],
    });
    expect([...(await checkpoint.read('bool'))]).toEqual([1, 0, 1]);
    expect([...new Int32Array((await checkpoint.read('i32')).slice().buffer)]).toEqual([-1, 2 ** 31 - 1]);
    expect([...new Float32Array((await checkpoint.read('scalar')).slice().buffer)]).toEqual([2.5]);
    expect((await checkpoint.read('empty')).length).toBe(0);
  });

  it('is refused at every shorter length and with a byte too many', async () => {
    for (let size = 0; size < tiny.length; size++) {
      await expect(open(tiny.slice(0, size)), `${size} bytes`).rejects.toMatchObject({ name: 'FormatError' });
    }
    await expect(open(new Uint8Array([...tiny, 0]))).rejects.toThrow('1 bytes at its end belong to no tensor');
  });
});

describe('refusals', () => {
  const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  const cases: readonly (readonly [string, unknown, number, RegExp])[] = [
    ['no JSON', '{"a": ', 0, /header: this is not JSON/],
    ['a list', [], 0, /header: expected an object, found a list/],
    [
      'an unknown type',
      { a: { ...f32(0, 8), dtype: 'F8_E4M3' } },
      8,
      /tensor a: its type F8_E4M3 is not supported; F32, F16/,
    ],
    ['a size that lies', { a: f32(0, 8, [3]) }, 8, /tensor a: F32 \[3\] takes 12 bytes, its offsets give 8/],
    ['an offset past the end', { a: f32(0, 16) }, 8, /tensor a: its 16 bytes from byte \d+ reach past the end/],
    ['an overlap', { a: f32(0, 8), b: f32(4, 12) }, 12, /tensor b: it starts at byte \d+, inside tensor a/],
    ['a gap', { a: f32(0, 4), b: f32(8, 12) }, 12, /tensor b: 4 bytes before it belong to no tensor/],
    [
      'a negative offset',
      { a: f32(-4, 0, [1]) },
      4,
      /tensor a: data_offsets: expected a whole number from 0, found -4/,
    ],
    ['a fractional shape', { a: f32(0, 4, [0.5, 2]) }, 4, /tensor a: shape: expected a whole number/],
    ['an absurd shape', { a: f32(0, 4, [2 ** 52, 2 ** 52]) }, 4, /tensor a: shape .* absurdly large/],
    ['no shape', { a: { dtype: 'F32', data_offsets: [0, 4] } }, 4, /tensor a: it has no shape/],
    ['metadata that is no text', { __metadata__: { a: 1 } }, 0, /__metadata__: a: expected a text, found 1/],
  ];
  it.each(cases)('%s', async (_, header, dataBytes, message) => {
    await expect(open(fileOf(header, dataBytes))).rejects.toThrow(message);
  });

  it('a header larger than the file', async () => {
    const file = fileOf({}, 0);
    new DataView(file.buffer).setBigUint64(0, 2n ** 62n, true);
    await expect(open(file)).rejects.toThrow(/announces 4611686018427387904 bytes, and the file has 10/);
  });
});

describe('writing', () => {
  const tensors = {
    live: { shape: [1, 2], data: Int32Array.of(-1, 2 ** 31 - 1) },
    alpha: { shape: [3], data: Uint8Array.of(1, 0, 1) },
    logits: { shape: [2, 1], data: Float32Array.of(0.1, -3e38) },
  };

  it('is read back, each tensor aligned to its element size', async () => {
    const checkpoint = await open(writeSafetensors(tensors, { policy: 'dms' }));
    expect(checkpoint.metadata).toEqual({ policy: 'dms' });
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      const info = checkpoint.tensors.get(name);
      expect(info?.shape).toEqual(shape);
      expect((info?.offset ?? 1) % data.BYTES_PER_ELEMENT).toBe(0);
      expect(new Uint8Array(await checkpoint.read(name))).toEqual(new Uint8Array(data.buffer));
    }
  });

  it('gives the same bytes whatever the order', () => {
    const { live, alpha, logits } = tensors;
    expect(writeSafetensors({ logits, alpha, live })).toEqual(writeSafetensors(tensors));
  });

  it('refuses a shape that does not hold the values', () => {
    expect(() => writeSafetensors({ a: { shape: [3], data: new Float32Array(2) } })).toThrow(/does not hold 2 values/);
  });
});
