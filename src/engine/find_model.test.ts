/** Addresses of the hub, from what was asked to a model that opens: a local server speaks as the hub does. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type HubServer, leadToHub, serveHub } from '../store/hub_server.ts';
import { forgetModel, keptModels } from '../store/kept_model.ts';
import { nodeDisk } from '../store/node_disk.ts';
import { findAddress, findModel } from './find_model.ts';
import { openModelAt } from './open_model.ts';

const FIXTURES = join(import.meta.dirname, '../../e2e/fixtures');
const OWN = 'https://huggingface.co/tiny/Micro-GGUF/resolve/main/micro-Q8_0.gguf';

let hub: HubServer;
let back = (): void => {};
let root = '';

beforeAll(async () => {
  const gguf = await readFile(join(FIXTURES, 'micro/micro.gguf.part000'));
  const family = async (name: string) => readFile(join(FIXTURES, 'families/qwen2', name));
  hub = await serveHub({
    'tiny/Micro-GGUF': {
      files: { 'micro-Q8_0.gguf': gguf, 'micro-F16.gguf': gguf },
      tags: ['gguf', 'license:cc-by-nc-4.0'],
    },
    'tiny/Both': {
      files: {
        'both-Q8_0.gguf': gguf,
        'config.json': await family('config.json'),
        'model.safetensors': await family('model.safetensors'),
      },
    },
  });
  back = leadToHub(hub);
});
afterAll(async () => {
  back();
  await hub.close();
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lethe-find-'));
  return () => rm(root, { recursive: true });
});

test.each([
  'hf:tiny/Micro-GGUF',
  'https://huggingface.co/tiny/Micro-GGUF',
  'https://huggingface.co/tiny/Micro-GGUF/tree/main',
])('%s leads to the file that is chosen, with the licence', async (address) => {
  const listing = { name: 'hf:tiny/Micro-GGUF', license: 'cc-by-nc-4.0' };
  expect(await findAddress(address)).toEqual({ address: OWN, listing });
});

test('a revision and a file are led to as they are named', async () => {
  const { address, listing } = await findAddress('hf:tiny/Micro-GGUF@main/micro-F16.gguf');
  expect(address).toBe(OWN.replace('Q8_0', 'F16'));
  expect(listing?.name).toBe('hf:tiny/Micro-GGUF/micro-F16.gguf');
});

test("a model's own address is not asked about, on the hub neither", async () => {
  const asked = hub.asked.length;
  for (const address of [OWN, 'https://huggingface.co/tiny/Both/resolve/main/', 'https://example.org/model/']) {
    expect(await findAddress(address)).toEqual({ address, listing: null });
  }
  const files = [new File([], 'x.gguf')];
  expect(await findModel(files)).toEqual({ model: files, listing: null });
  expect(hub.asked.length).toBe(asked);
});

test('what it leads to opens, is kept under what was asked, and then no hub is asked', async () => {
  const disk = nodeDisk(root);
  const load = async (address: string) => {
    const { model, listing } = await findModel(address, { disk: async () => disk });
    const files = await openModelAt(model, { listing, disk });
    await files.checkpoint.read('model.norm.weight');
    return files;
  };
  expect(await load('hf:tiny/Micro-GGUF')).toMatchObject({ license: 'cc-by-nc-4.0', byteLength: 821472 });
  const questions = () => hub.asked.filter((path) => path.startsWith('/api/')).length;
  const before = questions();
  expect((await load('https://huggingface.co/tiny/Micro-GGUF')).license).toBe('cc-by-nc-4.0');
  expect(questions()).toBe(before);
  // Opened by its own address it is still what the hub's name means.
  await load(OWN);
  expect(await keptModels(disk)).toMatchObject([{ address: OWN, listing: { name: 'hf:tiny/Micro-GGUF' } }]);
  await forgetModel(disk, 'hf:tiny/Micro-GGUF');
  expect(await keptModels(disk)).toEqual([]);
  await load('hf:tiny/Micro-GGUF');
  expect(questions()).toBeGreaterThan(before);
});

test('what is not there says so by its name', async () => {
  await expect(findAddress('hf:tiny/Absent')).rejects.toMatchObject({
    ...{ name: 'HubError', reason: 'missing', repo: 'tiny/Absent' },
    message: 'tiny/Absent: the hub knows no such public model (401). Check owner and name.',
  });
  const gone = AbortSignal.abort(new Error('enough'));
  await expect(findAddress('hf:tiny/Micro-GGUF', { signal: gone })).rejects.toThrow('enough');
});
