import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRange, serve } from './serve.mjs';

let folder: string;
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lethe-serve-'));
  mkdirSync(join(folder, 'page', 'assets'), { recursive: true });
  writeFileSync(join(folder, 'secret.txt'), 'outside');
  writeFileSync(join(folder, 'page', 'index.html'), '<p>page</p>');
  writeFileSync(join(folder, 'page', 'assets', 'app-AbC_1-x9.js'), 'export {};');
  writeFileSync(join(folder, 'page', 'part.gguf'), '0123456789');
  writeFileSync(join(folder, 'page', 'empty.txt'), '');
  mkdirSync(join(folder, 'more'));
  writeFileSync(join(folder, 'more', 'model.json'), '{}');
  server = await serve(join(folder, 'page'), { extra: { '/fixtures/': join(folder, 'more') } });
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const get = (path: string, init: RequestInit = {}) => fetch(server.url + path, init);

/** The status of a path that `fetch` would tidy up before it sends it. */
function rawStatus(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ port: server.port, host: '127.0.0.1', path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

describe('serve', () => {
  test('gives the page for the bare address, not to be kept unasked', async () => {
    const response = await get('');
    expect(await response.text()).toBe('<p>page</p>');
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
  });

  test('lets a name with a hash be kept for ever', async () => {
    const response = await get('assets/app-AbC_1-x9.js');
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(response.headers.get('cache-control')).toContain('immutable');
  });

  test('answers a range with its bytes', async () => {
    const response = await get('part.gguf', { headers: { Range: 'bytes=2-4' } });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe('bytes 2-4/10');
    expect(await response.text()).toBe('234');
  });

  test('refuses a range past the end with the size', async () => {
    const response = await get('part.gguf', { headers: { Range: 'bytes=10-' } });
    expect(response.status).toBe(416);
    expect(response.headers.get('content-range')).toBe('bytes */10');
  });

  test('sends nothing again that has not changed, and the whole for a range of another version', async () => {
    const etag = (await get('part.gguf')).headers.get('etag') ?? '';
    expect((await get('part.gguf', { headers: { 'If-None-Match': etag } })).status).toBe(304);
    const stale = await get('part.gguf', { headers: { Range: 'bytes=2-4', 'If-Range': '"other"' } });
    expect([stale.status, await stale.text()]).toEqual([200, '0123456789']);
  });

  test('answers HEAD with the length and an empty file with nothing', async () => {
    const head = await get('part.gguf', { method: 'HEAD' });
    expect([head.headers.get('content-length'), await head.text()]).toEqual(['10', '']);
    const empty = await get('empty.txt');
    expect([empty.status, empty.headers.get('content-length')]).toEqual([200, '0']);
  });

  test('has nothing outside its folder, no list of a folder and no way to write', async () => {
    expect((await get('absent.js')).status).toBe(404);
    expect((await get('assets')).status).toBe(404);
    expect((await get('assets/')).status).toBe(404);
    for (const path of ['/../secret.txt', '/..%2fsecret.txt', '/%2e%2e/secret.txt', '/%', '/%00']) {
      expect([path, await rawStatus(path)]).toEqual([path, 404]);
    }
    expect((await get('index.html', { method: 'POST' })).status).toBe(405);
  });

  test('serves a further folder under its own address, and nothing outside that either', async () => {
    expect((await get('fixtures/model.json')).headers.get('content-type')).toBe('application/json');
    expect((await get('fixtures/absent.json')).status).toBe(404);
    expect(await rawStatus('/fixtures/../secret.txt')).toBe(404);
    expect(await rawStatus('/fixtures/..%2fsecret.txt')).toBe(404);
  });

  test('says when its port is taken', async () => {
    await expect(serve(folder, { port: server.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

test.each([
  [undefined, 'whole'],
  ['bytes=0-', { start: 0, end: 9 }],
  ['bytes=9-9', { start: 9, end: 9 }],
  ['bytes=5-99', { start: 5, end: 9 }],
  ['bytes=-3', { start: 7, end: 9 }],
  ['bytes=-99', { start: 0, end: 9 }],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=10-', 'unsatisfiable'],
  ['bytes=4-2', 'whole'],
  ['bytes=-', 'whole'],
  ['bytes=0-1,4-5', 'whole'],
  ['lines=0-1', 'whole'],
])('the range %s of 10 bytes', (header, want) => {
  expect(parseRange(header, 10)).toEqual(want);
});
