import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dequantise } from './dequantise.ts';
import { openGguf, readGgufHead } from './gguf.ts';
import { type Fixture, ggufFixture } from './gguf_fixture.ts';
import { huggingFaceName } from './gguf_names.ts';
import { memorySource } from './sources.ts';

interface Vectors {
  readonly gguf: string;
  readonly tensors: Readonly<Record<string, string>>;
}
const vectors = JSON.parse(readFileSync(new URL('testdata/quants.json', import.meta.url), 'utf8')) as Vectors;
const tiny = new Uint8Array(Buffer.from(vectors.gguf, 'base64'));

const open = (fixture: Fixture) => openGguf(memorySource('t.gguf', ggufFixture(fixture)));
const norm = { name: 'output_norm.weight', dimensions: [8], type: 0, offset: 0 };

describe('a file written by the gguf package', () => {
  it('has its metadata, with 64-bit numbers and a byte-order mark as a token', async () => {
    const { metadata } = await openGguf(memorySource('tiny.gguf', tiny));
    expect(metadata['general.architecture']).toBe('llama');
    expect(metadata['tokenizer.ggml.tokens']).toEqual(['a', '\ufeff', 'é', '<|end|>']);
    expect(metadata['test.numbers']).toEqual([1, -2, 3]);
    expect(metadata['test.large']).toBe(2n ** 60n + 1n);
    expect(metadata['test.flag']).toBe(true);
    expect(metadata['test.float']).toBe(0.5);
  });

  it('gives every tensor, rows in half-split order', async () => {
    const checkpoint = await openGguf(memorySource('tiny.gguf', tiny));
    expect([...checkpoint.tensors.keys()].sort()).toEqual(Object.keys(vectors.tensors).sort());
    for (const [name, base64] of Object.entries(vectors.tensors)) {
      const info = checkpoint.tensors.get(name);
      if (!info) throw new Error(name);
      const values = dequantise(info, await checkpoint.read(name));
      expect(Buffer.from(values.buffer).toString('base64'), name).toBe(base64);
    }
  });

  it('is refused at every shorter length, never read beyond its end', async () => {
    for (let size = 0; size < tiny.length; size += 7) {
      await expect(openGguf(memorySource('cut.gguf', tiny.slice(0, size))), `${size} bytes`).rejects.toThrow(
        /^cut\.gguf: .*(ends inside|past the end|more than)/,
      );
    }
  });
});

describe('names', () => {
  it.each([
    ['token_embd.weight', 'model.embed_tokens.weight'],
    ['output.weight', 'lm_head.weight'],
    ['output_norm.weight', 'model.norm.weight'],
    ['blk.12.attn_q_norm.weight', 'model.layers.12.self_attn.q_norm.weight'],
    ['blk.0.attn_k.bias', 'model.layers.0.self_attn.k_proj.bias'],
    ['blk.3.ffn_down.weight', 'model.layers.3.mlp.down_proj.weight'],
    ['rope_freqs.weight', 'rope_freqs.weight'],
    ['blk.3.constructor.weight', 'blk.3.constructor.weight'],
  ])('%s is %s', (ggml, huggingFace) => expect(huggingFaceName(ggml)).toBe(huggingFace));
});

describe('interleaved rows', () => {
  const heads = (architecture: string) => [
    ['general.architecture', architecture] as const,
    [`${architecture}.attention.head_count`, 2] as const,
    [`${architecture}.attention.head_count_kv`, 1] as const,
  ];
  const tensors = [
    { name: 'blk.0.attn_q.weight', dimensions: [1, 8], type: 0, offset: 0 },
    { name: 'blk.0.attn_k.weight', dimensions: [1, 4], type: 0, offset: 32 },
    { name: 'blk.0.attn_v.weight', dimensions: [1, 4], type: 0, offset: 64 },
  ];

  it('are announced for q and k of llama and for nothing else', async () => {
    const llama = await open({ metadata: heads('llama'), tensors, dataBytes: 96 });
    expect([...llama.tensors.values()].map(({ interleavedHeads }) => interleavedHeads)).toEqual([2, 1, undefined]);
    const qwen = await open({ metadata: heads('qwen3'), tensors, dataBytes: 96 });
    expect([...qwen.tensors.values()].every((info) => info.interleavedHeads === undefined)).toBe(true);
  });

  it('need a number of heads that divides them', async () => {
    const metadata = [['general.architecture', 'llama'] as const, ['llama.attention.head_count', 3] as const];
    await expect(open({ metadata, tensors, dataBytes: 96 })).rejects.toThrow(
      /tensor blk\.0\.attn_q\.weight: its 8 rows/,
    );
  });
});

describe('refusals', () => {
  const cases: readonly (readonly [string, Fixture, RegExp])[] = [
    ['another magic', { magic: 'GGML' }, /no GGUF file/],
    ['version 1', { version: 1 }, /version 1 is not supported/],
    ['big endian', { version: 0x03000000 }, /version 50331648 is not supported/],
    ['absurd tensor count', { tensorCount: 2n ** 40n }, /announces 1099511627776 tensors/],
    ['count beyond 2^53', { tensorCount: 2n ** 63n }, /number of tensors is 9223372036854775808, which is absurd/],
    ['absurd entry count', { entryCount: 10n ** 9n }, /announces 0 tensors and 1000000000 metadata entries/],
    [
      'unknown type',
      { tensors: [{ ...norm, type: 77 }], dataBytes: 32 },
      /output_norm\.weight: its type is number 77,/,
    ],
    [
      'a type that no kernel has',
      { tensors: [{ ...norm, type: 11 }], dataBytes: 32 },
      /number 11 \(Q3_K\).*F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16/,
    ],
    ['data cut short', { tensors: [norm], dataBytes: 31 }, /model\.norm\.weight: its 32 bytes.*past the end/],
    [
      'offset past the end',
      { tensors: [{ ...norm, offset: 64 }], dataBytes: 64 },
      /model\.norm\.weight: its 32 bytes from/,
    ],
    ['absurd offset', { tensors: [{ ...norm, offset: 2n ** 60n }] }, /output_norm\.weight's offset is .* absurd/],
    ['unaligned offset', { tensors: [{ ...norm, offset: 4 }], dataBytes: 64 }, /offset 4 is not a multiple/],
    [
      'absurd shape',
      { tensors: [{ ...norm, dimensions: [2n ** 40n, 2n ** 40n] }] },
      /output_norm\.weight: shape .* absurdly/,
    ],
    ['five dimensions', { tensors: [{ ...norm, dimensions: [1, 1, 1, 1, 1] }] }, /it has 5 dimensions/],
    ['split blocks', { tensors: [{ ...norm, dimensions: [48, 2], type: 2 }] }, /rows of 48 elements do not divide/],
    ['the same name twice', { tensors: [norm, { ...norm, offset: 32 }], dataBytes: 64 }, /the file has it twice/],
    [
      'overlap',
      {
        tensors: [
          { ...norm, dimensions: [16] },
          { ...norm, name: 'output.weight', offset: 32 },
        ],
        dataBytes: 64,
      },
      /tensor lm_head\.weight: it starts at byte \d+, inside tensor model\.norm\.weight/,
    ],
    ['odd alignment', { metadata: [['general.alignment', 24]], tensors: [norm] }, /general\.alignment is 24/],
    [
      'twice the same key',
      {
        metadata: [
          ['a', 1],
          ['a', 2],
        ],
      },
      /metadata has a twice/,
    ],
  ];
  it.each(cases)('%s', async (_, fixture, message) => {
    await expect(open(fixture)).rejects.toThrow(message);
    await expect(open(fixture)).rejects.toMatchObject({ name: 'FormatError' });
  });

  it('names a tensor that the file lacks', async () => {
    const checkpoint = await open({ tensors: [norm], dataBytes: 32 });
    await expect(checkpoint.read('lm_head.weight')).rejects.toThrow('t.gguf: tensor lm_head.weight: the file does not');
  });
});

it('the head of a file: its metadata and the length of its vocabulary, of the first bytes alone', async () => {
  const bytes = ggufFixture({
    metadata: [
      ['general.architecture', 'llama'],
      ['llama.block_count', 2],
      ['tokenizer.ggml.tokens', ['a', 'b', 'c']],
      ['tokenizer.ggml.merges', ['a b']],
    ],
  });
  const head = await readGgufHead(memorySource('head.gguf', bytes));
  expect(head).toEqual({
    metadata: { 'general.architecture': 'llama', 'llama.block_count': 2, 'tokenizer.ggml.tokens': 3 },
    vocabSize: 3,
  });
  // What comes after the length is not read.
  const cut = bytes.slice(0, bytes.length - 40);
  expect((await readGgufHead(memorySource('cut.gguf', cut))).vocabSize).toBe(3);
  await expect(readGgufHead(memorySource('no.gguf', new Uint8Array(40)))).rejects.toThrow('this is no GGUF file');
});
