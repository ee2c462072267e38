/**
 * A server for tests that speaks as the Hugging Face hub does: the parts of its API that we use, in the shapes that its
 * client reads, and files with ranges. It has the repositories that it is given.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HUB_URL } from './hub_address.ts';

export interface HubRepo {
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly tags?: readonly string[];
  readonly cardData?: Readonly<Record<string, unknown>>;
  readonly gated?: 'auto' | 'manual';
  readonly downloads?: number;
}

export interface HubServer {
  readonly url: string;
  /** Paths that were asked for, with their queries. */
  readonly asked: string[];
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

const json = (value: unknown, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: JSON.stringify(value),
});

function described(name: string, { tags = [], cardData = {}, gated, downloads = 0 }: HubRepo) {
  const fixed = { private: false, likes: 3, pipeline_tag: 'text-generation', lastModified: '2025-05-01T00:00:00.000Z' };
  return { _id: `id of ${name}`, id: name, gated: gated ?? false, tags, cardData, downloads, ...fixed };
}

function file(bytes: Uint8Array, range: string | undefined): Answer {
  const headers = { 'accept-ranges': 'bytes', etag: `"${bytes.length}"`, 'content-type': 'application/octet-stream' };
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (!asked) return { status: 200, headers, body: bytes };
  const from = Number(asked[1]);
  const to = Math.min(bytes.length - 1, asked[2] === '' ? bytes.length : Number(asked[2]));
  const place = { 'content-range': `bytes ${from}-${to}/${bytes.length}` };
  return { status: 206, headers: { ...headers, ...place }, body: bytes.subarray(from, to + 1) };
}

/** Answers as the hub would; unknown repositories get its 401. */
function answer(repos: ReadonlyMap<string, HubRepo>, url: URL, range: string | undefined): Answer {
  const path = decodeURIComponent(url.pathname);
  if (path === '/api/models') {
    const words = (url.searchParams.get('search') ?? '').toLowerCase().split(/\s+/);
    const found = [...repos].filter(([name]) => words.every((word) => name.toLowerCase().includes(word)));
    return json(found.map(([name, repo]) => described(name, repo)).sort((a, b) => b.downloads - a.downloads));
  }
  const [, api, name, rest] = /^(\/api\/models)?\/([^/]+\/[^/]+)\/(.+)$/.exec(path) ?? [];
  const repo = repos.get(name);
  if (!repo) return json({ error: 'Invalid username or password.' }, 401);
  if (api && rest.startsWith('revision/')) return json(described(name, repo));
  if (api && rest.startsWith('tree/')) {
    const entries = Object.entries(repo.files);
    return json(entries.map(([at, { length }]) => ({ type: 'file', oid: '0', size: length, path: at })));
  }
  const bytes = repo.files[/^resolve\/[^/]+\/(.+)$/.exec(rest)?.[1] ?? ''];
  if (!bytes) return json({ error: 'Entry not found' }, 404);
  return repo.gated ? json({ error: 'Access to this model is restricted.' }, 401) : file(bytes, range);
}

export async function serveHub(repos: Readonly<Record<string, HubRepo>>): Promise<HubServer> {
  const known = new Map(Object.entries(repos));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://hub');
    asked.push(url.pathname + url.search);
    const { status, headers = {}, body } = answer(known, url, request.headers.range);
    const exposed = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'ETag, Content-Range' };
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers, ...exposed });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Leads what this process asks of the hub to a server of this machine. @returns the way back */
export function leadToHub({ url }: HubServer): () => void {
  const fetched = globalThis.fetch;
  globalThis.fetch = (input, init) =>
    fetched(input instanceof Request ? input : String(input).replace(HUB_URL, url), init);
  return () => {
    globalThis.fetch = fetched;
  };
}
