/** A file server that misbehaves as it is told, on this machine; it counts the bytes that it sends. For tests alone. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface BadServer {
  /** Address of the folder, with a slash at its end. */
  readonly base: string;
  /** `GET /m/a bytes=0-7`, in order. */
  readonly requests: string[];
  /** Bytes of bodies sent. */
  sent: number;
  /** Files by name; may be changed at any time. */
  readonly files: Map<string, { bytes: Uint8Array; etag?: string }>;
  /** Called before each answer; returns true when it has answered itself. */
  misbehave: (request: IncomingMessage, response: ServerResponse, count: number) => boolean;
  close(): void;
}

/** The range that a request asks for; the whole file without one. */
export function rangeOf(request: IncomingMessage, size: number): readonly [number, number] {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (!match) return [0, size];
  return [Number(match[1]), match[2] === '' ? size : Math.min(size, Number(match[2]) + 1)];
}

export async function badServer(): Promise<BadServer> {
  let count = 0;
  const server = createServer((request, response) => {
    self.requests.push(`${request.method} ${request.url} ${request.headers.range ?? '-'}`);
    if (self.misbehave(request, response, count++)) return;
    const file = self.files.get(decodeURIComponent((request.url ?? '').replace(/^\/m\//, '')));
    if (!file) return void response.writeHead(404).end('none');
    const { bytes, etag } = file;
    const [from, to] = rangeOf(request, bytes.length);
    if (from >= bytes.length) return void response.writeHead(416).end();
    const head = { 'content-length': to - from, ...(etag ? { etag } : {}) };
    const ranged = request.headers.range !== undefined;
    const range = ranged ? { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` } : {};
    response.writeHead(ranged ? 206 : 200, { ...head, ...range });
    if (request.method === 'HEAD') return void response.end();
    self.sent += to - from;
    response.end(bytes.subarray(from, to));
  });
  const self: BadServer = {
    base: '',
    requests: [],
    sent: 0,
    files: new Map(),
    misbehave: () => false,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(self, { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/m/` });
}
