import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { httpFile, httpFileSet } from './http.ts';

const content = Uint8Array.from({ length: 30_000 }, (_, i) => (i * 7) & 255);
let server: Server | null = null;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = null;
});

/** A real server; `requests` notes what each one asked for. */
async function serve(listener: RequestListener): Promise<{ readonly base: string; readonly requests: string[] }> {
  const requests: string[] = [];
  const own = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? '-'}`);
    listener(request, response);
  });
  server = own;
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  return { base: `http://127.0.0.1:${(own.address() as AddressInfo).port}/m/`, requests };
}

/** Serves `content` under any name, with ranges or without. */
const files =
  (ranges: boolean): RequestListener =>
  (request, response) => {
    const match = ranges ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') : null;
    const [from, to] = match ? [Number(match[1]), Number(match[2]) + 1] : [0, content.length];
    const headers = { 'content-length': to - from, 'content-range': `bytes ${from}-${to - 1}/${content.length}` };
    response.writeHead(match ? 206 : 200, headers).end(content.subarray(from, to));
  };

describe('a file of a server', () => {
  it('is had whole by one plain request, counted as it comes', async () => {
    const { base, requests } = await serve(files(true));
    const counts: number[] = [];
    const set = httpFileSet(base.slice(0, -1), { onBytes: (bytes) => counts.push(bytes) });
    const file = await set.open('a.part000');
    expect(file?.size).toBe(content.length);
    expect(counts).toEqual([]);
    expect(await file?.read(0, content.length)).toEqual(content);
    expect(counts.reduce((sum, bytes) => sum + bytes, 0)).toBe(content.length);
    expect(requests).toEqual(['GET /m/a.part000 -']);
    expect(await file?.read(0, content.length)).toEqual(content);
    expect(requests.length).toBe(2);
  });

  it('is read by range', async () => {
    const { base, requests } = await serve(files(true));
    const file = await httpFile(`${base}a.gguf`);
    expect(await file?.read(10, 5)).toEqual(content.subarray(10, 15));
    expect(await file?.read(content.length - 1, 1)).toEqual(content.subarray(-1));
    expect(await file?.read(7, 0)).toEqual(new Uint8Array(0));
    expect(requests).toEqual(['GET /m/a.gguf -', 'GET /m/a.gguf bytes=10-14', 'GET /m/a.gguf bytes=29999-29999']);
    await expect(file?.read(29_999, 2)).rejects.toThrow('bytes 29999 to 30001 were asked for, and the file has 30000');
  });

  it('is fetched once and kept where the server cannot send ranges', async () => {
    const { base, requests } = await serve(files(false));
    const file = await httpFile(`${base}a.gguf`);
    expect(await file?.read(10, 5)).toEqual(content.subarray(10, 15));
    expect(await file?.read(20, 5)).toEqual(content.subarray(20, 25));
    expect(requests.length).toBe(2);
  });

  it('has the right size where the answer is compressed or says none', async () => {
    const { base } = await serve((_, response) => response.writeHead(200).end('{"a":1}'));
    const file = await httpFileSet(base).open('lethe.json');
    expect(file?.size).toBe(7);
    expect(new TextDecoder().decode(await file?.read(0, 7))).toBe('{"a":1}');
  });

  it('is null where the server has none, or answers with its page', async () => {
    const { base } = await serve((request, response) => {
      if (request.url?.endsWith('missing')) response.writeHead(404).end('none');
      else response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html>');
    });
    expect(await httpFileSet(base).open('missing')).toBeNull();
    expect(await httpFileSet(base).open('lethe.json')).toBeNull();
  });
});

describe('failures say the address, the status and what to do', () => {
  it.each([
    [403, /\/m\/a: the server answered 403 Forbidden\. Check the address/],
    [503, /\/m\/a: the server answered 503 Service Unavailable\. Try again later/],
  ])('status %i', async (status, message) => {
    const { base } = await serve((_, response) => response.writeHead(status).end());
    await expect(httpFile(`${base}a`)).rejects.toThrow(message);
    await expect(httpFile(`${base}a`)).rejects.toMatchObject({ name: 'DownloadError', status, url: `${base}a` });
  });

  it('a server that is not there', async () => {
    const { base } = await serve(files(true));
    server?.close();
    await expect(httpFile(`${base}a`)).rejects.toMatchObject({ name: 'DownloadError', status: null });
    await expect(httpFile(`${base}a`)).rejects.toThrow(/could not be reached .*Check the connection/);
  });

  it('a connection that breaks off', async () => {
    const { base } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 1000), () => {
        setTimeout(() => response.destroy(), 20);
      });
    });
    const file = await httpFile(`${base}a.gguf`);
    await expect(file?.read(0, content.length)).rejects.toThrow(/a\.gguf: the connection broke .*Try again/);
  });

  it('a range from another place', async () => {
    const { base } = await serve((request, response) => {
      const partial = request.headers.range !== undefined;
      const headers = partial
        ? { 'content-range': 'bytes 0-4/30000', 'content-length': 5 }
        : { 'content-length': 30_000 };
      response.writeHead(partial ? 206 : 200, headers).end(content.subarray(0, partial ? 5 : content.length));
    });
    const file = await httpFile(`${base}a`);
    await expect(file?.read(10, 5)).rejects.toThrow('sent bytes from 0 when 10 was asked for');
  });
});

describe('abort', () => {
  it('ends a download under way with the reason of the signal', async () => {
    const { base } = await serve((_, response) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 1000));
    });
    const controller = new AbortController();
    const set = httpFileSet(base, { onBytes: () => controller.abort(new Error('stopped')) });
    const file = await set.open('a.part000');
    await expect(file?.read(0, content.length, controller.signal)).rejects.toThrow('stopped');
  });

  it('ends a read before it begins', async () => {
    const { base, requests } = await serve(files(true));
    const file = await httpFile(`${base}a`);
    await expect(file?.read(0, 5, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
    await expect(httpFile(`${base}b`, { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
    expect(requests).toEqual(['GET /m/a -']);
  });
});
