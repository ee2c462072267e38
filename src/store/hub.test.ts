/** Hub addresses, and repositories of a local server that speaks as the hub does, through the hub's own client. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FileSet } from '../util/byte_source.ts';
import { readHubModel, searchHub } from './hub.ts';
import { type HubAddress, modelAddress, parseHubAddress, tokenizerAddress, withTokenizerOf } from './hub_address.ts';
import { type HubServer, serveHub } from './hub_server.ts';

const bytes = (length: number) => new Uint8Array(length);

let hub: HubServer;
beforeAll(async () => {
  hub = await serveHub({
    'maker/Small-GGUF': {
      files: {
        'README.md': bytes(10),
        'small-Q2_K.gguf': bytes(20),
        'small-q4_k_m.gguf': bytes(40),
        'small-Q8_0.gguf': bytes(80),
        'small-IQ4_XS.gguf': bytes(30),
        'mmproj-small-F16.gguf': bytes(5),
      },
      tags: ['gguf', 'license:apache-2.0'],
      downloads: 7,
    },
    'maker/Sharded': {
      files: {
        'config.json': bytes(2),
        'model.safetensors.index.json': bytes(3),
        'model-00001-of-00002.safetensors': bytes(100),
        'model-00002-of-00002.safetensors': bytes(50),
        'tokenizer.json': bytes(9),
      },
      tags: ['safetensors'],
      cardData: { license: 'other', license_name: 'nvidia-open-model-license' },
      downloads: 90,
    },
    'maker/Old': { files: { 'config.json': bytes(2), 'pytorch_model.bin': bytes(70) }, tags: ['pytorch'] },
    'maker/Gated': { files: { 'config.json': bytes(2), 'model.safetensors': bytes(70) }, gated: 'manual' },
  });
});
afterAll(() => hub.close());

const at = (repo: string, file: string | null = null): HubAddress => ({ repo, revision: 'main', file });
const read = (repo: string, file: string | null = null) => readHubModel(at(repo, file), { hubUrl: hub.url });

describe('addresses', () => {
  test.each([
    ['hf:Qwen/Qwen3-0.6B', 'Qwen/Qwen3-0.6B', 'main', null],
    ['hf:Qwen/Qwen3-0.6B@v1', 'Qwen/Qwen3-0.6B', 'v1', null],
    ['hf:a/b@v1/dir/c.gguf', 'a/b', 'v1', 'dir/c.gguf'],
    ['https://huggingface.co/Qwen/Qwen3-0.6B', 'Qwen/Qwen3-0.6B', 'main', null],
    ['https://huggingface.co/Qwen/Qwen3-0.6B/', 'Qwen/Qwen3-0.6B', 'main', null],
    ['https://huggingface.co/Qwen/Qwen3-0.6B/tree/main', 'Qwen/Qwen3-0.6B', 'main', null],
    ['https://hf.co/a/b/resolve/abc123/c.gguf?download=true', 'a/b', 'abc123', 'c.gguf'],
    ['https://huggingface.co/a/b/blob/main/x/c%20d.gguf', 'a/b', 'main', 'x/c d.gguf'],
    ['https://huggingface.co/a/b/resolve/main/', 'a/b', 'main', ''],
  ])('%s', (text, repo, revision, file) => {
    expect(parseHubAddress(text)).toEqual({ repo, revision, file });
  });

  test.each([
    'https://huggingface.co/',
    'https://huggingface.co/datasets/a/b',
    'https://huggingface.co/models/a',
    'https://huggingface.co.evil.example/a/b',
    'https://example.org/a/b',
    'hf:a',
    'hf:../b',
    '/models/a/',
  ])('%s is none of the hub', (text) => {
    expect(parseHubAddress(text)).toBeNull();
  });

  test('what is pasted', () => {
    expect(modelAddress(' Qwen/Qwen3-0.6B ')).toBe('hf:Qwen/Qwen3-0.6B');
    expect(modelAddress('hf:a/b')).toBe('hf:a/b');
    expect(modelAddress('https://example.org/m/x.gguf')).toBe('https://example.org/m/x.gguf');
    for (const no of ['', 'qwen', 'a/b/c', 'javascript:alert(1)', 'file:///x.gguf'])
      expect(modelAddress(no)).toBeNull();
  });
});

describe('a repository', () => {
  test('of GGUF files: those that can be read, with a small one in 8 bits chosen', async () => {
    const model = await read('maker/Small-GGUF');
    expect(model.license).toBe('apache-2.0');
    expect(model.choices.map(({ label, bytes }) => [label, bytes])).toEqual([
      ['Q4_K_M', 40],
      ['Q8_0', 80],
    ]);
    expect(model.chosen.address).toBe(`${hub.url}/maker/Small-GGUF/resolve/main/small-Q8_0.gguf`);
  });

  test('one file of it', async () => {
    const { choices, chosen } = await read('maker/Small-GGUF', 'small-q4_k_m.gguf');
    expect(choices).toHaveLength(2);
    expect(chosen).toMatchObject({ label: 'Q4_K_M', bytes: 40 });
    await expect(read('maker/Small-GGUF', 'absent.gguf')).rejects.toMatchObject({
      reason: 'missing',
      message: 'maker/Small-GGUF: it has no file absent.gguf.',
    });
  });

  test('of shards: their folder, their bytes, and a licence that the card names in words', async () => {
    expect(await read('maker/Sharded')).toEqual({
      repo: 'maker/Sharded',
      license: 'nvidia-open-model-license',
      choices: [{ address: `${hub.url}/maker/Sharded/resolve/main/`, label: 'safetensors', bytes: 150 }],
      chosen: { address: `${hub.url}/maker/Sharded/resolve/main/`, label: 'safetensors', bytes: 150 },
    });
  });

  test('that cannot be used says why and what to do', async () => {
    await expect(read('maker/Old')).rejects.toMatchObject({
      name: 'HubError',
      reason: 'unsupported',
      message: expect.stringContaining('it has pytorch_model.bin, and none of that can be loaded'),
    });
    await expect(read('maker/Small-GGUF', 'small-Q2_K.gguf')).rejects.toMatchObject({ reason: 'unsupported' });
    await expect(read('maker/Gated')).rejects.toMatchObject({
      reason: 'gated',
      message: expect.stringContaining(`Accept them at ${hub.url}/maker/Gated, download the files`),
    });
    await expect(read('nobody/nothing')).rejects.toMatchObject({
      reason: 'missing',
      message: 'nobody/nothing: the hub knows no such public model (401). Check owner and name.',
    });
  });

  test('of a hub that is not there, and a question that is withdrawn', async () => {
    const nowhere = { hubUrl: 'http://127.0.0.1:9' };
    await expect(readHubModel(at('a/b'), nowhere)).rejects.toMatchObject({ name: 'DownloadError', status: null });
    const gone = AbortSignal.abort();
    await expect(readHubModel(at('a/b'), { hubUrl: hub.url, signal: gone })).rejects.toThrow(/abort/i);
  });
});

test('a search: models in a form that can be read, the most downloaded first', async () => {
  const found = await searchHub('maker', { hubUrl: hub.url });
  expect(found).toEqual([
    { repo: 'maker/Sharded', license: null, downloads: 90, gated: false, gguf: false },
    { repo: 'maker/Small-GGUF', license: 'apache-2.0', downloads: 7, gated: false, gguf: true },
  ]);
  expect(hub.asked.at(-1)).toContain('pipeline_tag=text-generation');
  expect(await searchHub('no such words', { hubUrl: hub.url })).toEqual([]);
});

describe('a repository without a tokenizer', () => {
  const set = (name: string, files: readonly string[]): FileSet => ({
    name,
    open: async (wanted) =>
      files.includes(wanted) ? { name: `${name}/${wanted}`, size: 0, read: async () => new Uint8Array(0) } : null,
  });

  test('takes it from the one that its card names', async () => {
    const dms = 'https://huggingface.co/nvidia/Qwen3-8B-DMS-8x/resolve/main/';
    expect(tokenizerAddress(dms)).toBe('https://huggingface.co/Qwen/Qwen3-8B/resolve/main/');
    expect(tokenizerAddress('https://huggingface.co/Qwen/Qwen3-8B/resolve/main/')).toBeNull();
    expect(tokenizerAddress('https://example.org/nvidia/Qwen3-8B-DMS-8x/')).toBeNull();
  });

  test('and nothing else', async () => {
    const base = set('base', ['config.json', 'tokenizer.json', 'tokenizer_config.json']);
    const files = withTokenizerOf(set('dms', ['config.json', 'tokenizer_config.json']), base);
    expect(files.name).toBe('dms');
    const opened = async (name: string) => (await files.open(name))?.name ?? null;
    expect(await opened('config.json')).toBe('dms/config.json');
    expect(await opened('tokenizer.json')).toBe('base/tokenizer.json');
    expect(await opened('tokenizer_config.json')).toBe('dms/tokenizer_config.json');
    expect(await opened('model.safetensors')).toBeNull();
  });
});
