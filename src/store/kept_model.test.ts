import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BadServer, badServer, rangeOf } from './bad_server.ts';
import type { Disk } from './disk.ts';
import type { KeepOptions } from './kept_file.ts';
import { forgetModel, keptModel, keptModels } from './kept_model.ts';
import { nodeDisk } from './node_disk.ts';

const PIECE = 1000;
const content = Uint8Array.from({ length: 10_500 }, (_, i) => (i * 31 + (i >> 8)) & 255);
const hash = createHash('sha256').update(content).digest('hex');
const whole = { size: content.length, sha256: hash };
const PATIENCE = { tries: 4, firstWait: 1, longestWait: 4, stall: 250 };

let server: BadServer;
let root = '';
let disk: Disk;
let counted = 0;

beforeEach(async () => {
  server = await badServer();
  server.files.set('a.bin', { bytes: content, etag: '"one"' });
  root = await mkdtemp(join(tmpdir(), 'lethe-kept-'));
  disk = nodeDisk(root);
  counted = 0;
});
afterEach(async () => {
  server.close();
  await rm(root, { recursive: true });
});

function open(changes: Partial<KeepOptions> = {}) {
  const onBytes = (bytes: number): void => {
    counted += bytes;
  };
  return keptModel(server.base, { disk, onBytes, pieceBytes: PIECE, patience: PATIENCE, ...changes });
}

async function readAll(changes: Partial<KeepOptions> = {}, expected?: typeof whole): Promise<Uint8Array> {
  const file = await (await open(changes)).open('a.bin', undefined, expected);
  if (!file) throw new Error('no file');
  return file.read(0, file.size);
}

/** The one data file on disk. */
async function dataPath(): Promise<string> {
  const [folder] = await readdir(root);
  return join(root, folder, 'a.bin');
}

describe.each([
  ['whose hash is known', whole],
  ['of which nothing is known', undefined],
])('a file %s', (_, expected) => {
  it('is fetched once, in pieces, and read from disk ever after', async () => {
    expect(await readAll({}, expected)).toEqual(content);
    expect(server.sent).toBe(content.length);
    expect(counted).toBe(content.length);
    expect(server.requests.filter((request) => request.startsWith('GET')).length).toBe(11);
    counted = 0;
    expect(await readAll({}, expected)).toEqual(content);
    expect([server.sent, counted]).toEqual([content.length, content.length]);
    expect(await keptModels(disk)).toEqual([
      { address: server.base, listing: null, bytes: content.length, complete: true },
    ]);
  });

  it('is fetched whole where it is smaller than a piece', async () => {
    expect(await readAll({ pieceBytes: 20_000 }, expected)).toEqual(content);
    expect(server.sent).toBe(content.length);
  });

  it('is read without a server once it is kept', async () => {
    await readAll({}, expected);
    server.close();
    expect(await readAll({}, expected)).toEqual(content);
  });

  it('is whole though every connection is cut in the middle', async () => {
    server.misbehave = (request, response) => {
      const [from, to] = rangeOf(request, content.length);
      if (request.method !== 'GET' || to - from < 400) return false;
      const length = to - from;
      const range = `bytes ${from}-${to - 1}/${content.length}`;
      response.writeHead(206, { 'content-length': length, 'content-range': range, etag: '"one"' });
      server.sent += 300;
      response.write(content.subarray(from, from + 300), () => setTimeout(() => response.destroy(), 5));
      return true;
    };
    expect(await readAll({}, expected)).toEqual(content);
    // Each cut goes on where it was: no byte comes twice.
    expect(server.sent).toBe(content.length);
  });

  it('is whole though the server stalls, and says 429 and 503', async () => {
    server.misbehave = (request, response, count) => {
      if (request.method !== 'GET' || count % 2 === 1) return false;
      if (count % 4 === 0) response.writeHead(count % 8 ? 429 : 503, { 'retry-after': '0' }).end();
      return true;
    };
    expect(await readAll({ connections: 1 }, expected)).toEqual(content);
  });

  it('comes whole from a server that knows no ranges', async () => {
    server.misbehave = (request, response) => {
      delete request.headers.range;
      return response.writableEnded;
    };
    expect(await readAll({ connections: 1 }, expected)).toEqual(content);
    expect(await readAll({}, expected)).toEqual(content);
    expect(server.sent).toBe(content.length);
  });

  it('goes on after a crash and fetches no byte twice beyond the pieces under way', async () => {
    const stop = new AbortController();
    server.misbehave = (_request, _response, count) => {
      if (count === 6) stop.abort(new Error('the tab was closed'));
      return count >= 6;
    };
    const file = await (await open({ connections: 2 })).open('a.bin', stop.signal, expected);
    await expect(file?.read(0, content.length, stop.signal)).rejects.toThrow('the tab was closed');
    const before = server.sent;
    expect(before).toBeGreaterThan(0);
    expect(await keptModels(disk)).toMatchObject([{ complete: false }]);
    server.misbehave = () => false;
    expect(await readAll({}, expected)).toEqual(content);
    expect(server.sent).toBeLessThanOrEqual(content.length + 2 * PIECE);
    expect(counted).toBeLessThanOrEqual(content.length + before);
  });

  it('is fetched once by two that ask for it together', async () => {
    const [one, two] = await Promise.all([readAll({}, expected), readAll({}, expected)]);
    expect([one, two]).toEqual([content, content]);
    expect(server.sent).toBe(content.length);
  });

  it('that was damaged on disk is removed with an error, and comes anew', async () => {
    await readAll({}, expected);
    const path = await dataPath();
    const bytes = await readFile(path);
    bytes[5_000] ^= 1;
    await writeFile(path, bytes);
    await expect(readAll({}, expected)).rejects.toThrow(/kept of it is damaged, and was removed\. Load it again/);
    expect(await readAll({}, expected)).toEqual(content);
  });

  it.each([
    [404, null],
    [403, /answered 403 .*Check the address/],
    [503, /answered 503 .*Try again later/],
  ])('is told of when the server says %i', async (status, message) => {
    server.misbehave = (_, response) => {
      response.writeHead(status).end();
      return true;
    };
    const outcome = readAll({}, expected);
    await expect(outcome).rejects.toThrow(message ?? (expected ? /answered 404/ : 'no file'));
  });

  it('is told of when nothing ever comes', async () => {
    server.misbehave = () => true;
    await expect(readAll({}, expected)).rejects.toThrow(/nothing came any more.*Check the connection/);
  });
});

describe('a file that changes', () => {
  const other = content.map((byte) => byte ^ 255).subarray(0, 7_300);

  it('while it comes is fetched anew from the start', async () => {
    server.misbehave = (_request, _response, count) => {
      if (count === 4) server.files.set('a.bin', { bytes: other, etag: '"two"' });
      return false;
    };
    const file = await (await open({ connections: 1 })).open('a.bin');
    await file?.read(0, 10).catch(() => undefined);
    expect(await readAll()).toEqual(other);
  });

  it('after it was kept is noticed by its tag', async () => {
    await readAll();
    server.files.set('a.bin', { bytes: other, etag: '"two"' });
    expect(await readAll()).toEqual(other);
  });

  it('again and again is given up with words', async () => {
    let version = 0;
    server.misbehave = () => {
      server.files.set('a.bin', { bytes: content, etag: `"${version++}"` });
      return false;
    };
    await expect(readAll({ connections: 1 })).rejects.toThrow(/keeps changing on the server/);
  });

  it('into another than the model says is refused', async () => {
    server.files.set('a.bin', { bytes: content.map((byte) => byte ^ 1) });
    await expect(readAll({}, whole)).rejects.toThrow(/its SHA-256 is .* and should be .*came damaged/);
    server.files.set('a.bin', { bytes: other });
    await expect(readAll({}, whole)).rejects.toThrow(/bytes/);
  });
});

it.each([
  ['less than it says', -200],
  ['more than it says', 200],
])('a server that sends %s is not believed', async (_, off) => {
  server.misbehave = (request, response) => {
    const [from, to] = rangeOf(request, content.length);
    const range = `bytes ${from}-${to - 1}/${content.length}`;
    response.writeHead(206, { 'content-range': range });
    response.end(content.subarray(from, Math.max(from, to + off)));
    return true;
  };
  const last = { ...PATIENCE, tries: 2 };
  const outcome = await readAll({ patience: last, connections: 1 }).catch((cause: Error) => cause);
  if (outcome instanceof Error) expect(outcome.message).toMatch(/connection ended after|more came than/);
  else expect(outcome).toEqual(content);
});

it('nothing is fetched when there is no room, and the error says how much is missing', async () => {
  const full: Disk = { ...disk, free: async () => 3_000_000 };
  const set = await open({ disk: full });
  set.expectTotal(98_000_000);
  const file = await set.open('a.bin', undefined, whole);
  await expect(file?.read(0, 10)).rejects.toThrow(/needs 98 MB .* 3 MB are free\. Remove a kept model/);
  expect(server.sent).toBe(0);
});

it('small files are asked for anew, and read from disk where the server cannot be reached', async () => {
  const json = (value: number) => new TextEncoder().encode(JSON.stringify({ value }));
  const text = async () => {
    const file = await (await open()).open('lethe.json');
    return file ? new TextDecoder().decode(await file.read(0, file.size)) : null;
  };
  expect(await text()).toBeNull();
  server.files.set('lethe.json', { bytes: json(1) });
  expect(await text()).toBe('{"value":1}');
  server.files.set('lethe.json', { bytes: json(2) });
  expect(await text()).toBe('{"value":2}');
  server.close();
  expect(await text()).toBe('{"value":2}');
});

it('a page in place of a missing file is no file', async () => {
  server.misbehave = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html>');
    return true;
  };
  expect(await (await open()).open('model.safetensors')).toBeNull();
});

it('models are listed and removed', async () => {
  await readAll();
  const other = await keptModel(`${server.base}a.bin`, { disk, pieceBytes: PIECE });
  const file = await other.open('');
  expect(await file?.read(100, 5)).toEqual(content.subarray(100, 105));
  expect((await keptModels(disk)).map(({ address }) => address).sort()).toEqual([server.base, `${server.base}a.bin`]);
  await forgetModel(disk, server.base);
  await forgetModel(disk, server.base);
  expect((await keptModels(disk)).map(({ address }) => address)).toEqual([`${server.base}a.bin`]);
});
