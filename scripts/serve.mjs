/**
 * A static file server for the built page, on this machine only. It answers GET and HEAD, single byte ranges and
 * conditional requests; it lists no folder and serves nothing outside its own.
 */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, sep } from 'node:path';

const HOST = '127.0.0.1';

/** @type {Record<string, string>} */
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.wgsl': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
};

/**
 * The bytes that a Range header asks for. Several ranges, or another unit, are answered with the whole file, as RFC
 * 9110 allows.
 * @param {string | undefined} header
 * @param {number} size bytes of the file
 * @returns {{ start: number, end: number } | 'whole' | 'unsatisfiable'} `end` included
 */
export function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return 'whole';
  if (match[1] === '') {
    const length = Math.min(Number(match[2]), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[2] !== '' && Number(match[2]) < start) return 'whole';
  return start >= size ? 'unsatisfiable' : { start, end };
}

/**
 * The file that an address means; null when there is none inside `root`.
 * @param {string} root
 * @param {string} address path and query
 */
async function findFile(root, address) {
  try {
    const decoded = decodeURIComponent(new URL(address, 'http://localhost').pathname);
    if (decoded.includes('\0')) return null;
    const base = await realpath(root);
    const path = await realpath(join(base, decoded.endsWith('/') ? `${decoded}index.html` : decoded));
    const info = await stat(path);
    return path.startsWith(base + sep) && info.isFile() ? { path, info } : null;
  } catch {
    // A name that cannot be decoded or does not exist.
    return null;
  }
}

/**
 * Answers one request.
 * @param {{ root: string, extra: Record<string, string>, headers: Record<string, string> }} options
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function answer({ root, extra, headers }, request, response) {
  response.setHeaders(new Map(Object.entries({ 'X-Content-Type-Options': 'nosniff', ...headers })));
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return void response.writeHead(405, { Allow: 'GET, HEAD' }).end();
  }
  const file = await findFile(...mount(root, extra, request.url ?? '/'));
  if (!file) return void response.writeHead(404, { 'Content-Type': 'text/plain' }).end('There is no such file.\n');
  const { path, info } = file;
  const etag = `"${info.size.toString(16)}-${Math.floor(info.mtimeMs).toString(16)}"`;
  // Vite puts a hash of the contents in the names under assets/.
  const hashed = /[\\/]assets[\\/][^\\/]*-[\w-]{8}\.\w+$/.test(path);
  response.setHeader('Content-Type', TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream');
  response.setHeader('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
  response.setHeader('ETag', etag);
  response.setHeader('Accept-Ranges', 'bytes');
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end();
  const ifRange = request.headers['if-range'];
  const range = ifRange && ifRange !== etag ? 'whole' : parseRange(request.headers.range, info.size);
  if (range === 'unsatisfiable') {
    return void response.writeHead(416, { 'Content-Range': `bytes */${info.size}` }).end();
  }
  const { start, end } = range === 'whole' ? { start: 0, end: info.size - 1 } : range;
  response.setHeader('Content-Length', end - start + 1);
  if (range === 'whole') response.writeHead(200);
  else response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${info.size}` });
  if (request.method === 'HEAD' || info.size === 0) return void response.end();
  const stream = createReadStream(path, { start, end });
  stream.on('error', () => response.destroy());
  response.on('close', () => stream.destroy());
  stream.pipe(response);
}

/**
 * The folder that an address lies in, and the address inside it: one of `extra`, else `root`.
 * @param {string} root
 * @param {Record<string, string>} extra
 * @param {string} address
 * @returns {[root: string, address: string]}
 */
function mount(root, extra, address) {
  const prefix = Object.keys(extra).find((start) => address.startsWith(start));
  return prefix === undefined ? [root, address] : [extra[prefix], `/${address.slice(prefix.length)}`];
}

/**
 * Serves a folder.
 * @param {string} root
 * @param {{ port?: number, extra?: Record<string, string>, headers?: Record<string, string> }} [options] `port` 0, the
 *   default, takes any free one; `extra` are folders under addresses of their own, such as `/fixtures/`; `headers` are
 *   sent with every answer
 * @returns {Promise<{ url: string, port: number, close: () => Promise<void> }>}
 * @throws {Error} with code EADDRINUSE when the port is taken
 */
export async function serve(root, { port = 0, extra = {}, headers = {} } = {}) {
  const server = createServer((request, response) => {
    answer({ root, extra, headers }, request, response).catch((error) => {
      console.error(`${request.url}: ${error}`);
      response.destroy();
    });
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => resolve(undefined));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return {
    url: `http://${HOST}:${address.port}/`,
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
