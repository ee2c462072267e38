/** Models at addresses and in chosen files: the micro model over a server of this machine, and as files. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModelAt } from './open_model.ts';
import { serveMicro, type TestServer } from './test_server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await serveMicro();
  server.contents.set('micro.gguf', server.contents.get('micro.gguf.part000') ?? Buffer.alloc(0));
});

afterAll(() => server.close());

function chosen(...names: readonly string[]): File[] {
  return names.map((name) => new File([new Uint8Array(server.contents.get(name) ?? [])], name));
}

test.each(['/micro/', '/micro'])('opens a folder at %s', async (path) => {
  const files = await openModelAt(server.address + path);
  expect(files).toMatchObject({ name: 'Micro', license: 'Apache-2.0', byteLength: 821472 + 6856 });
  expect(files.sidecar?.metadata.window).toBe('16');
});

test('opens a GGUF file at an address, and counts its bytes', async () => {
  const told: number[] = [];
  const files = await openModelAt(`${server.address}/micro.gguf`, {
    onBytes: (loaded, total) => {
      expect(total).toBe(821472);
      told.push(loaded);
    },
  });
  expect(files.sidecar).toBeNull();
  const read = await files.checkpoint.read('model.embed_tokens.weight');
  expect(read.length).toBe((268 * 256 * 34) / 32);
  expect(told.at(-1)).toBeGreaterThan(read.length);
});

test('an address without a model says so', async () => {
  await expect(openModelAt(`${server.address}/absent.gguf`)).rejects.toMatchObject({
    name: 'DownloadError',
    status: 404,
  });
  const empty = openModelAt('http://127.0.0.1:1/none/');
  await expect(empty).rejects.toMatchObject({ name: 'DownloadError', status: null });
});

test('opens chosen files: a folder, or a GGUF file with adapters', async () => {
  const folder = await openModelAt(chosen('lethe.json', 'micro.gguf.part000', 'micro.dms.safetensors'));
  expect(folder.name).toBe('Micro');
  const pair = await openModelAt(chosen('micro.dms.safetensors', 'micro.gguf'));
  expect(pair.sidecar?.tensors.size).toBe(4);
  const alone = await openModelAt(chosen('micro.gguf'));
  expect(alone.sidecar).toBeNull();
});

test('files that are no model are refused by their names', async () => {
  await expect(openModelAt(chosen('LICENSE'))).rejects.toThrow('LICENSE');
  await expect(openModelAt([])).rejects.toThrow('nothing');
  await expect(openModelAt(chosen('lethe.json'))).rejects.toThrow('micro.');
});
