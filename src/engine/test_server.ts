/** A web server of this machine with the files of the micro model, for tests. */
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { MICRO_FOLDER } from './test_engine.ts';

export interface TestServer {
  /** Without a slash at its end. Every file is at the end of any path: `/micro/lethe.json`. */
  readonly address: string;
  /** The files by name; what is added is served too. */
  readonly contents: Map<string, Buffer>;
  close(): void;
}

export async function serveMicro(): Promise<TestServer> {
  const contents = new Map<string, Buffer>();
  for (const name of await readdir(MICRO_FOLDER)) contents.set(name, await readFile(join(MICRO_FOLDER, name)));
  const server = createServer((request, response) => {
    const bytes = contents.get(request.url?.split('/').at(-1) ?? '');
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (!bytes) response.writeHead(404).end();
    else if (from === undefined) response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    else response.writeHead(206).end(bytes.subarray(Number(from), Number(to) + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    contents,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
