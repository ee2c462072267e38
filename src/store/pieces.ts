/**
 * Fetches a range of a file and does not give up easily: a cut or a stall goes on from the byte that was reached, an
 * overloaded server is asked again later. It holds one piece in memory and knows nothing of where bytes are kept.
 */
import { DownloadError } from './http.ts';

/** What identifies one version of a file on a server; null where the server does not say. */
export interface Version {
  readonly etag: string | null;
  /** Bytes. */
  readonly size: number | null;
}

export interface PieceRequest {
  readonly url: string;
  readonly from: number;
  /** First byte after the piece; null: to the end of a file whose size is not known yet. */
  readonly to: number | null;
  /** What the pieces before were part of. */
  readonly version: Version | null;
  readonly patience: Patience;
  readonly onBytes: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

export interface Piece {
  readonly bytes: Uint8Array;
  readonly version: Version;
  /** True when the server sent the whole file instead of a range. */
  readonly whole: boolean;
}

/** Times in milliseconds. */
export interface Patience {
  readonly tries: number;
  readonly firstWait: number;
  readonly longestWait: number;
  /** Without a byte for so long, a connection counts as broken. */
  readonly stall: number;
}

export const PATIENCE: Patience = { tries: 6, firstWait: 500, longestWait: 30_000, stall: 20_000 };

/** The file is another one than it was when its first bytes came. */
export class FileChangedError extends Error {
  override readonly name = 'FileChangedError';
}

/** Statuses that may be gone when the same is asked later. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A failure after which it is worth asking again; `after` is the server's own wish. */
class Passing extends Error {
  constructor(
    readonly error: DownloadError,
    readonly after: number | null,
  ) {
    super(error.message);
  }
}

/** @throws DownloadError when patience ends or the server refuses for good; FileChangedError */
export async function fetchPiece(request: PieceRequest): Promise<Piece> {
  const { patience, signal } = request;
  const state = { chunks: [] as Uint8Array[], length: 0, version: request.version, whole: false };
  for (let failures = 0; ; ) {
    const before = state.length;
    try {
      await attempt(request, state);
      return { bytes: joined(state.chunks, state.length), version: state.version ?? NO_VERSION, whole: state.whole };
    } catch (cause) {
      signal?.throwIfAborted();
      if (!(cause instanceof Passing)) throw cause;
      // Whoever moves forward is not failing.
      failures = state.length > before ? 1 : failures + 1;
      if (failures >= patience.tries) throw cause.error;
      const backOff = Math.min(patience.longestWait, patience.firstWait * 2 ** (failures - 1));
      await sleep(cause.after ?? backOff * (0.5 + Math.random() / 2), signal);
    }
  }
}

/** A server that sends no ranges must send the file whole, and it must fit into memory. */
const LARGEST_WHOLE_BYTES = 512 * 1024 * 1024;

const NO_VERSION: Version = { etag: null, size: null };

interface State {
  readonly chunks: Uint8Array[];
  length: number;
  version: Version | null;
  whole: boolean;
}

async function attempt(request: PieceRequest, state: State): Promise<void> {
  const { url, to, onBytes, signal } = request;
  const from = request.from + state.length;
  const timer = new Stall(request.patience.stall, signal);
  try {
    const headers = { Range: `bytes=${from}-${to === null ? '' : to - 1}` };
    const response = await asked(url, { headers, signal: timer.signal, cache: 'no-store' });
    accept(request, state, response);
    const wanted = end(state.whole ? null : to, state.version?.size ?? null);
    const start = state.whole ? 0 : request.from;
    const reader = response.body?.getReader();
    for (;;) {
      timer.wind();
      const { done, value } = reader ? await reader.read() : { done: true, value: undefined };
      if (done || !value) break;
      state.chunks.push(value);
      state.length += value.length;
      onBytes(value.length);
      if (wanted !== null && start + state.length > wanted) {
        await reader?.cancel();
        restart(state);
        throw new Passing(new DownloadError(url, response.status, `more came than the ${wanted} bytes it said.`), null);
      }
    }
    if (wanted !== null && start + state.length < wanted) throw cut(url, start + state.length, wanted);
    if (wanted === null) state.version = { etag: state.version?.etag ?? null, size: start + state.length };
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof DownloadError || cause instanceof Passing || cause instanceof FileChangedError) throw cause;
    const fact = timer.rang ? 'nothing came any more' : `the connection broke (${String(cause)})`;
    throw new Passing(new DownloadError(url, null, `${fact}. Check the connection and try again.`, { cause }), null);
  } finally {
    timer.stop();
    // A whole answer cannot be continued: the next one begins at the start again.
    if (state.whole && state.version?.size !== state.length) restart(state);
  }
}

/** Where an answer ends: at the place that was asked for, or at the file's end where that comes first. */
function end(to: number | null, size: number | null): number | null {
  if (to === null || size === null) return to ?? size;
  return Math.min(to, size);
}

function restart(state: State): void {
  state.chunks.length = 0;
  state.length = 0;
}

function cut(url: string, at: number, wanted: number): Passing {
  return new Passing(
    new DownloadError(url, null, `the connection ended after ${at} of ${wanted} bytes. Try again.`),
    null,
  );
}

async function asked(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const { status, statusText } = response;
  // Servers of one-page sites answer a missing file with their page.
  const isPage = response.ok && response.headers.get('content-type')?.startsWith('text/html');
  if (response.ok && !isPage) return response;
  await response.body?.cancel();
  if (isPage) throw new DownloadError(url, 404, 'the server answered with a page. Check the address.');
  if (status === 416) throw new FileChangedError(`${url}: the file is shorter than it was.`);
  const passing = PASSING.has(status);
  const remedy = passing ? 'Try again later.' : 'Check the address and that it may be read without signing in.';
  const error = new DownloadError(url, status, `the server answered ${status} ${statusText}. ${remedy}`);
  if (passing) throw new Passing(error, retryAfter(response.headers.get('retry-after')));
  throw error;
}

/** Milliseconds, at most two minutes; the header holds seconds or a date. */
function retryAfter(header: string | null): number | null {
  if (header === null) return null;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(120, Math.max(0, seconds)) * 1000 : null;
}

/** Checks that an answer belongs to the file and the place that were asked for. */
function accept(request: PieceRequest, state: State, response: Response): void {
  const { url } = request;
  const from = request.from + state.length;
  const etag = response.headers.get('etag');
  const ranged = response.status === 206;
  // The header is hidden from pages of other origins unless the server exposes it.
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (ranged && range && Number(range[1]) !== from) {
    throw new DownloadError(url, 206, `the server sent bytes from ${range[1]} when ${from} was asked for.`);
  }
  const length = response.headers.get('content-length');
  const plain = !ranged && length !== null && !response.headers.has('content-encoding');
  const size = range ? Number(range[2]) : plain ? Number(length) : null;
  const known = state.version;
  const differs = <T>(a: T | null | undefined, b: T | null) => a !== null && a !== undefined && b !== null && a !== b;
  if (differs(known?.etag, etag) || differs(known?.size, size)) {
    throw new FileChangedError(`${url}: the file changed on the server.`);
  }
  state.version = { etag: known?.etag ?? etag, size: known?.size ?? size };
  if (ranged) return;
  if ((state.version.size ?? 0) > LARGEST_WHOLE_BYTES) {
    const remedy = 'Use a server that can, or cut the model into parts with `lethe convert`.';
    throw new DownloadError(url, response.status, `the server cannot send ranges of so large a file. ${remedy}`);
  }
  state.whole = true;
  restart(state);
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Aborts a connection on which nothing comes, and with the signal of the download. */
class Stall {
  rang = false;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #end = (): void => this.#controller.abort(this.outer?.reason);

  constructor(
    private readonly ms: number,
    private readonly outer?: AbortSignal,
  ) {
    outer?.addEventListener('abort', this.#end, { once: true });
    this.wind();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  wind(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.rang = true;
      this.#controller.abort(new Error('stalled'));
    }, this.ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.outer?.removeEventListener('abort', this.#end);
  }
}
