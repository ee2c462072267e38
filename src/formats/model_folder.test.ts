import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodeFile, nodeFileSet } from '../store/node_files.ts';
import type { FileSet } from '../util/byte_source.ts';
import { dequantise } from './dequantise.ts';
import { ggufFixture } from './gguf_fixture.ts';
import { openGgufModel, openModel } from './model_folder.ts';
import { writeSafetensors } from './safetensors.ts';
import { memorySource } from './sources.ts';

const root = new URL('../../', import.meta.url);
const shared = new URL(`${process.env.LETHE_SHARED ?? '../shared'}/`, root);
const defaultModel = nodeFileSet(new URL('public/models/smollm2-135m-instruct', root).pathname);

interface Sample {
  readonly name: string;
  readonly shape: readonly number[];
  readonly at: readonly number[];
  readonly values: string;
  readonly sum: number;
  readonly squares: number;
}
const { model: samples } = JSON.parse(readFileSync(new URL('testdata/quants.json', import.meta.url), 'utf8')) as {
  readonly model: readonly Sample[];
};

/** A file set in memory that notes which files were opened. */
function memoryFiles(files: Readonly<Record<string, Uint8Array | string>>): FileSet & { readonly opened: string[] } {
  const opened: string[] = [];
  return {
    name: 'folder',
    opened,
    async open(name) {
      const found = files[name];
      if (found === undefined) return null;
      opened.push(name);
      return memorySource(name, typeof found === 'string' ? new TextEncoder().encode(found) : found);
    },
  };
}

const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const part = (name: string, bytes: Uint8Array) => ({ name, size: bytes.length, sha256: hash(bytes) });

/** A model folder of three parts, so that the smallest reads cross borders. */
function smallFolder(changes: { sidecarBase?: string; manifest?: object; files?: Record<string, Uint8Array> } = {}) {
  const tensors = [0, 1, 2, 3].map((i) => ({ name: `t${i}`, dimensions: [8], type: 0, offset: i * 32 }));
  const base = ggufFixture({ metadata: [['general.architecture', 'llama']], tensors, dataBytes: 128 });
  const cuts = [0, base.length - 100, base.length - 40, base.length];
  const parts = [0, 1, 2].map((i) => base.slice(cuts[i], cuts[i + 1]));
  const sidecar = writeSafetensors(
    { a: { shape: [1], data: Float32Array.of(1) } },
    { base_sha256: changes.sidecarBase ?? hash(base) },
  );
  const manifest = {
    version: 1,
    name: 'Small',
    license: null,
    file: { ...part('base.gguf', base), parts: parts.map((bytes, i) => part(`p${i}`, bytes)) },
    sidecar: part('side.safetensors', sidecar),
    ...changes.manifest,
  };
  const files = { p0: parts[0], p1: parts[1], p2: parts[2], 'side.safetensors': sidecar };
  return memoryFiles({ ...files, 'lethe.json': JSON.stringify(manifest), ...changes.files });
}

describe('the default model', () => {
  it('opens with its sidecar', async () => {
    let total = 0;
    const model = await openModel(defaultModel, {
      onTotal: (bytes) => {
        total = bytes;
      },
    });
    expect(model.name).toBe('SmolLM2-135M-Instruct');
    expect(model.license).toBe('Apache-2.0');
    expect(model.checkpoint.tensors.size).toBe(272);
    expect(model.sidecar?.metadata.window).toBe('128');
    expect(model.sidecar?.tensors.size).toBe(480);
    expect(model.byteLength).toBe(98_362_432 + 10_100_064);
    expect(total).toBe(model.byteLength);
  });

  it.each(samples)('has the values that the gguf package reads: $name', async (sample) => {
    const { checkpoint } = await openModel(defaultModel);
    const info = checkpoint.tensors.get(sample.name);
    if (!info) throw new Error(`no ${sample.name}`);
    expect(info.shape).toEqual(sample.name === 'model.norm.weight' ? [576] : sample.shape);
    const values = dequantise(info, await checkpoint.read(sample.name));
    const picked = Float32Array.from(sample.at, (index) => values[index]);
    expect(Buffer.from(picked.buffer).toString('base64')).toBe(sample.values);
    let squares = 0;
    for (const value of values) squares += value * value;
    // Rounding of a plain sum over 28 million squares is 1e-10.
    expect(Math.abs(squares / sample.squares - 1)).toBeLessThan(1e-9);
  });

  it('is read in file order with each part opened once', async () => {
    const opened: string[] = [];
    const { checkpoint } = await openModel({
      name: 'counted',
      async open(name, signal) {
        opened.push(name);
        return defaultModel.open(name, signal);
      },
    });
    for (const name of checkpoint.tensors.keys()) await checkpoint.read(name);
    const parts = opened.filter((name) => name.includes('.part'));
    expect(parts.map((name) => name.slice(-3))).toEqual(['000', '001', '002', '003']);
  });
});

describe('directories in Hugging Face form', () => {
  it.each(['qwen3_adapter_w16', 'qwen3_borrow_w16_theta100'])('%s opens', async (name) => {
    const model = await openModel(nodeFileSet(new URL(`golden/dms/${name}`, shared).pathname));
    expect(model.name).toBe(name);
    expect(model.config?.model_type).toBe('qwen3');
    expect(model.sidecar).toBeNull();
    expect(model.tokenizerJson).toBeNull();
    expect(model.checkpoint.tensors.has('model.layers.3.self_attn.q_norm.weight')).toBe(true);
    const adapter = 'model.layers.0.self_attn.dms_proj_alpha.weight';
    expect(model.checkpoint.tensors.has(adapter)).toBe(name === 'qwen3_adapter_w16');
  });

  it('says what is missing', async () => {
    await expect(openModel(memoryFiles({}))).rejects.toThrow(/folder: it has neither lethe\.json nor config\.json/);
    await expect(openModel(memoryFiles({ 'config.json': '{}' }))).rejects.toThrow(
      /config\.json but no model\.safetensors and no/,
    );
    await expect(openModel(memoryFiles({ 'config.json': '{' }))).rejects.toThrow(/config\.json: this is not JSON/);
  });

  it('takes a tokenizer that lies beside', async () => {
    const weights = writeSafetensors({ a: { shape: [1], data: Float32Array.of(1) } });
    const files = { 'config.json': '{}', 'model.safetensors': weights, 'tokenizer.json': '{"model":1}' };
    const model = await openModel(memoryFiles(files));
    expect(model.tokenizerJson).toEqual({ model: 1 });
    expect(model.tokenizerConfig).toBeNull();
  });
});

describe('a folder with lethe.json', () => {
  it('joins tensors across parts', async () => {
    const { checkpoint, sidecar } = await openModel(smallFolder());
    const expected = Uint8Array.from({ length: 128 }, (_, i) => i);
    for (const [i, name] of ['t0', 't1', 't2', 't3'].entries()) {
      expect([...(await checkpoint.read(name))]).toEqual([...expected.subarray(i * 32, i * 32 + 32)]);
    }
    expect(sidecar?.tensors.has('a')).toBe(true);
  });

  it('keeps two parts and opens an older one again', async () => {
    const files = smallFolder();
    const { checkpoint } = await openModel(files);
    files.opened.length = 0;
    for (const name of ['t0', 't1', 't0', 't3', 't0']) await checkpoint.read(name);
    // t0 lies across p0 and p1, t1 in p1, t3 in p2.
    expect(files.opened).toEqual(['p0', 'p1', 'p2', 'p0', 'p1']);
  });

  const POINT = { offset: 8, ratio: 4.27, perplexity: -0.003, kl: 0.04 };
  it('says what its forgetting was measured to cost', async () => {
    const points = [
      { ...POINT, window: 96 },
      { ...POINT, offset: 12, ratio: 2.84 },
    ];
    expect((await openModel(smallFolder({ manifest: { quality: points } }))).quality).toEqual(points);
    expect((await openModel(smallFolder())).quality).toBeNull();
  });

  const damaged = new Uint8Array(60);
  const cases: readonly (readonly [string, Parameters<typeof smallFolder>[0], RegExp])[] = [
    [
      'a sidecar for another base',
      { sidecarBase: 'f'.repeat(64) },
      /side\.safetensors: these adapters were trained on.*f{64}/,
    ],
    ['a damaged part', { files: { p1: damaged } }, /base\.gguf: part p1: its SHA-256 is [0-9a-f]{64} and should be/],
    ['a short part', { files: { p1: damaged.slice(1) } }, /base\.gguf: part p1: it has 59 bytes and should have 60/],
    ['a newer version', { manifest: { version: 2 } }, /lethe\.json: its version is 2/],
    [
      'a name with a path',
      { manifest: { sidecar: { ...part('x', damaged), name: '../x' } } },
      /sidecar\.name: \.\.\/x is not/,
    ],
    ['no hash', { manifest: { sidecar: { name: 'x', size: 1 } } }, /sidecar\.sha256: expected a text/],
    ['no parts', { manifest: { file: { name: 'x' } } }, /file\.parts: expected a list/],
    ['parts that do not add up', { manifest: { file: { ...part('x.gguf', damaged), parts: [] } } }, /0 bytes together/],
    ['a curve that is no list', { manifest: { quality: {} } }, /lethe\.json: quality: expected a list of points/],
    ['a curve without points', { manifest: { quality: [] } }, /quality: expected a list of points/],
    [
      'a curve of texts',
      { manifest: { quality: [{ ...POINT, ratio: '4' }] } },
      /quality\[0\]\.ratio: expected a number/,
    ],
    [
      'a ratio below 1',
      { manifest: { quality: [{ ...POINT, ratio: 0.5 }] } },
      /quality\[0\]\.ratio: 0\.5 is less than 1/,
    ],
    [
      'a window of none',
      { manifest: { quality: [{ ...POINT, window: 0 }] } },
      /quality\[0\]\.window: 0 is less than 1/,
    ],
    ['a curve out of order', { manifest: { quality: [POINT, POINT] } }, /quality\[1\]\.offset: offsets must rise/],
    ['a curve of no adapters', { manifest: { sidecar: null, quality: [POINT] } }, /quality: nothing forgets here/],
    ['no name', { manifest: { name: '' } }, /lethe\.json: name: expected a text/],
  ];
  it.each(cases)('refuses %s', async (_, changes, message) => {
    const read = async () => {
      const { checkpoint } = await openModel(smallFolder(changes));
      for (const name of checkpoint.tensors.keys()) await checkpoint.read(name);
    };
    await expect(read()).rejects.toThrow(message);
    await expect(read()).rejects.toMatchObject({ name: 'FormatError' });
  });

  it('names a part that is missing, and takes it when it has come', async () => {
    const files = smallFolder();
    let offline = false;
    const set = { name: 'set', open: async (name: string) => (offline && name === 'p2' ? null : files.open(name)) };
    const { checkpoint } = await openModel(set);
    await checkpoint.read('t0');
    offline = true;
    await expect(checkpoint.read('t3')).rejects.toThrow('set: p2 is missing, and lethe.json lists it');
    offline = false;
    expect((await checkpoint.read('t3')).length).toBe(32);
  });
});

describe('a single GGUF file', () => {
  const base = ggufFixture({
    metadata: [
      ['general.architecture', 'llama'],
      ['general.name', 'Tiny'],
    ],
  });
  const sidecar = writeSafetensors({ a: { shape: [1], data: Float32Array.of(1) } }, { base_sha256: hash(base) });

  it('opens alone and with a sidecar', async () => {
    const alone = await openGgufModel(memorySource('t.gguf', base));
    expect([alone.name, alone.license, alone.sidecar, alone.byteLength]).toEqual(['Tiny', null, null, base.length]);
    const options = { sidecar: memorySource('s', sidecar), sha256: hash(base) };
    expect((await openGgufModel(memorySource('t.gguf', base), options)).sidecar?.tensors.size).toBe(1);
    const other = { ...options, sha256: '0'.repeat(64) };
    await expect(openGgufModel(memorySource('t.gguf', base), other)).rejects.toThrow(
      /s: these adapters were trained on/,
    );
  });

  it('on disk says when it is not there', async () => {
    await expect(nodeFile('/no/such/file.gguf')).rejects.toThrow('/no/such/file.gguf: there is no such file');
  });
});
