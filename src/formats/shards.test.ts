import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ByteSource, FileSet } from '../util/byte_source.ts';
import { createRng, normals } from '../util/rng.ts';
import { openModel } from './model_folder.ts';
import { packWeight } from './pack.ts';
import { openSafetensors, writeSafetensors } from './safetensors.ts';
import { INDEX_NAME } from './shards.ts';
import { memorySource } from './sources.ts';
import { readPacked } from './weight_choice.ts';

const values = (length: number, seed: number) => normals(createRng(seed), length);
const one = { 'model.norm.weight': { shape: [32], data: values(32, 1) } };
const two = {
  'model.embed_tokens.weight': { shape: [4, 32], data: values(128, 2) },
  'lm_head.weight': { shape: [4, 32], data: values(128, 3) },
};
const FIRST = 'model-00001-of-00002.safetensors';
const SECOND = 'model-00002-of-00002.safetensors';
const shards = { [FIRST]: writeSafetensors(one), [SECOND]: writeSafetensors(two) };
const weightMap = { 'model.norm.weight': FIRST, 'model.embed_tokens.weight': SECOND, 'lm_head.weight': SECOND };

function directory(changes: { index?: unknown; files?: Record<string, Uint8Array | null> } = {}): FileSet {
  const index = JSON.stringify(changes.index ?? { metadata: { total_size: 1152 }, weight_map: weightMap });
  const text = (value: string) => new TextEncoder().encode(value);
  const files: Record<string, Uint8Array | null> = {
    'config.json': text('{"_name_or_path":"org/tiny"}'),
    'chat_template.jinja': text('{{ messages }}'),
    'generation_config.json': text('{"eos_token_id":[1,2]}'),
    [INDEX_NAME]: text(index),
    ...shards,
    ...changes.files,
  };
  return {
    name: 'folder',
    open: async (name) => {
      const bytes = files[name];
      return bytes ? memorySource(name, bytes) : null;
    },
  };
}

describe('a directory with shards', () => {
  it('opens as one checkpoint, with what lies beside it', async () => {
    const model = await openModel(directory());
    expect(model).toMatchObject({ name: 'tiny', chatTemplate: '{{ messages }}', generation: { eos_token_id: [1, 2] } });
    expect(model.byteLength).toBe(shards[FIRST].length + shards[SECOND].length);
    expect([...model.checkpoint.tensors.keys()].sort()).toEqual(Object.keys(weightMap).sort());
    for (const [name, { data }] of Object.entries({ ...one, ...two })) {
      expect(new Float32Array((await model.checkpoint.read(name)).slice().buffer), name).toEqual(data);
      const some = await model.checkpoint.readRange(name, { offset: 8, length: 4 });
      expect(new Float32Array(some.slice().buffer), name).toEqual(data.slice(2, 3));
    }
    await expect(model.checkpoint.read('absent')).rejects.toThrow(/tensor absent: no shard has it/);
    await expect(model.checkpoint.readRange('lm_head.weight', { offset: 510, length: 4 })).rejects.toThrow(
      /bytes 510 to 514 were asked for, and it has 512/,
    );
  });

  it('is bound by the hash of its shards hashes', async () => {
    const hex = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
    const base = hex(hex(shards[FIRST]) + hex(shards[SECOND]));
    const sidecar = (sha256: string) =>
      memorySource('s', writeSafetensors({ a: { shape: [1], data: Float32Array.of(1) } }, { base_sha256: sha256 }));
    const hash = async (source: ByteSource) => hex(await source.read(0, source.size));
    const open = (sha256: string) => openModel(directory(), { adapters: { source: sidecar(sha256), hash } });
    expect((await open(base)).sidecar?.tensors.size).toBe(1);
    await expect(open(hex('other'))).rejects.toThrow(/these adapters were trained on/);
  });

  const wrong: readonly (readonly [string, Parameters<typeof directory>[0], RegExp])[] = [
    ['no weight_map', { index: {} }, /index\.json: weight_map: expected an object/],
    ['an empty one', { index: { weight_map: {} } }, /its weight_map lists no tensor/],
    ['a file that is no text', { index: { weight_map: { a: 7 } } }, /weight_map: a: expected a text, found 7/],
    ['a file elsewhere', { index: { weight_map: { a: '../x.safetensors' } } }, /\.\.\/x\.safetensors is not a plain/],
    ['a missing shard', { files: { [SECOND]: null } }, /model-00002-of-00002\.safetensors is missing/],
    [
      'a tensor that no shard has',
      { index: { weight_map: { ...weightMap, b: FIRST } } },
      /tensor b: the file does not/,
    ],
    [
      'a tensor in another shard',
      { index: { weight_map: { ...weightMap, 'lm_head.weight': FIRST } } },
      /00001-of-00002\.safetensors: tensor lm_head\.weight: the file does not have it/,
    ],
    ['a tensor in two shards', { files: { [FIRST]: writeSafetensors({ ...one, ...two }) } }, /lm_head\.weight: .* too/],
    ['a shard cut short', { files: { [SECOND]: shards[SECOND].slice(0, -1) } }, /00002.*past the end of the file/],
    ['text that is no UTF-8', { files: { 'chat_template.jinja': Uint8Array.of(0xff) } }, /jinja: this is not text/],
  ];
  it.each(wrong)('refuses %s', async (_, changes, message) => {
    await expect(openModel(directory(changes))).rejects.toThrow(message);
    await expect(openModel(directory(changes))).rejects.toMatchObject({ name: 'FormatError' });
  });
});

describe('a large matrix that is rounded', () => {
  it.each(['w8', 'w4'] as const)('comes to %s in pieces, and is what it would be whole', async (target) => {
    // 34.6 MB: one piece and a bit, with a row count that the pieces do not divide.
    const shape = [8439, 1024];
    const file = writeSafetensors({ big: { shape, data: values(shape[0] * shape[1], 4) } });
    const lengths: number[] = [];
    const source = memorySource('big', file);
    const checkpoint = await openSafetensors({
      ...source,
      read: (offset, length, signal) => {
        lengths.push(length);
        return source.read(offset, length, signal);
      },
    });
    const info = checkpoint.tensors.get('big');
    if (!info) throw new Error('no big');
    lengths.length = 0;
    const packed = await readPacked(checkpoint, info, target);
    expect(lengths).toEqual([2 ** 25, info.byteLength - 2 ** 25]);
    const whole = packWeight(info, await checkpoint.read('big'), target);
    const same = (a: Uint32Array | null, b: Uint32Array | null) =>
      a !== null && b !== null && Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;
    expect({ ...packed, codes: 0, scales: 0 }).toEqual({ ...whole, codes: 0, scales: 0 });
    expect([same(packed.codes, whole.codes), same(packed.scales, whole.scales)]).toEqual([true, true]);
  });
});
