/**
 * Files from a web server, by plain GET and by Range. It keeps nothing between loads and never retries on its own: a
 * failure says the address, the status and what to do.
 */
import type { ByteSource, FileSet } from '../util/byte_source.ts';

/** A download failed; `status` is null when the server was not reached or the connection broke. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError';
  constructor(
    readonly url: string,
    readonly status: number | null,
    fact: string,
    options?: ErrorOptions,
  ) {
    super(`${url}: ${fact}`, options);
  }
}

export interface HttpOptions {
  /** Called with the number of bytes that have just come in, many times a file. */
  readonly onBytes?: (bytes: number) => void;
}

/** A file of this size is kept in memory where the server cannot send ranges; a larger one is refused. */
const LARGEST_HELD_BYTES = 512 * 1024 * 1024;

/**
 * Files below an address.
 * @param baseUrl absolute, such as `https://example.org/models/name/`
 */
export function httpFileSet(baseUrl: string, options: HttpOptions = {}): FileSet {
  const base = new URL(baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`).href;
  return {
    name: base,
    open: (name, signal) => httpFile(new URL(name, base).href, { ...options, ...(signal ? { signal } : {}) }),
  };
}

/**
 * One file at an absolute address, or null when the server has none. The file is asked for whole at once, and a first
 * read of all of it takes that answer: so a part costs one plain GET, which caches and service workers can answer.
 * @throws DownloadError
 */
export async function httpFile(
  url: string,
  { signal, onBytes }: HttpOptions & { readonly signal?: AbortSignal } = {},
): Promise<ByteSource | null> {
  const response = await request(url, signal ? { signal } : {});
  // Servers of one-page sites answer a missing file with their page.
  const isPage = response.headers.get('content-type')?.startsWith('text/html') && !/\.html?$/.test(url);
  if (response.status === 404 || response.status === 410 || (response.ok && isPage)) {
    await response.body?.cancel();
    return null;
  }
  if (!response.ok) throw await refusal(url, response);
  const size = Number(response.headers.get('content-length') ?? Number.NaN);
  const file = new HttpFile(url, size, onBytes ? { onBytes } : {});
  // A compressed answer's length is not the file's. JSON is small, and the kind that servers compress.
  const unsure = !Number.isSafeInteger(size) || response.headers.has('content-encoding') || /\.json$/.test(url);
  if (unsure) await file.hold(response, signal);
  else file.expect(response);
  return file;
}

/**
 * A file of known size, of which nothing is fetched but what is read.
 * @throws DownloadError from `read`, with status 200 where the server would send the whole file instead
 */
export function httpRanges(url: string, size: number): ByteSource {
  return new HttpFile(url, size, { mostHeld: 0 });
}

async function request(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new DownloadError(url, null, `the server could not be reached (${String(cause)}). Check the connection.`, {
      cause,
    });
  }
}

async function refusal(url: string, response: Response): Promise<DownloadError> {
  await response.body?.cancel();
  const { status, statusText } = response;
  const remedy = status >= 500 ? 'Try again later.' : 'Check the address and that it may be read without signing in.';
  return new DownloadError(url, status, `the server answered ${status} ${statusText}. ${remedy}`);
}

class HttpFile implements ByteSource {
  readonly name: string;
  readonly #url: string;
  readonly #onBytes: (bytes: number) => void;
  /** Bytes of a file that may come whole where a part was asked for. */
  readonly #mostHeld: number;
  #size: number;
  /** The answer to the opening request, until a read takes or drops it. */
  #whole: Response | null = null;
  #held: Uint8Array | null = null;

  constructor(url: string, size: number, options: HttpOptions & { readonly mostHeld?: number }) {
    this.#url = url;
    this.name = url;
    this.#size = size;
    this.#onBytes = options.onBytes ?? (() => {});
    this.#mostHeld = options.mostHeld ?? LARGEST_HELD_BYTES;
  }

  get size(): number {
    return this.#size;
  }

  expect(response: Response): void {
    this.#whole = response;
  }

  /** Reads the whole answer, whatever its length, and serves from memory from now on. */
  async hold(response: Response, signal?: AbortSignal): Promise<void> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    await this.#drain(response, signal, (chunk) => {
      chunks.push(chunk);
      length += chunk.length;
      return length <= LARGEST_HELD_BYTES;
    });
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#held = bytes;
    this.#size = length;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    if (offset < 0 || length < 0 || offset + length > this.#size) {
      const fact = `bytes ${offset} to ${offset + length} were asked for, and the file has ${this.#size}.`;
      throw new DownloadError(this.#url, null, fact);
    }
    if (this.#held) return this.#held.subarray(offset, offset + length);
    if (length === 0) return new Uint8Array(0);
    const whole = this.#whole;
    this.#whole = null;
    if (length === this.#size) return this.#exactly(whole ?? (await this.#get(signal)), length, signal);
    await whole?.body?.cancel();
    return this.#range(offset, length, signal);
  }

  async #get(signal?: AbortSignal, range?: string): Promise<Response> {
    const init = { ...(signal ? { signal } : {}), ...(range ? { headers: { Range: range } } : {}) };
    const response = await request(this.#url, init);
    if (!response.ok) throw await refusal(this.#url, response);
    return response;
  }

  async #range(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const response = await this.#get(signal, `bytes=${offset}-${offset + length - 1}`);
    if (response.status === 206) {
      // The header is hidden from pages of other origins unless the server exposes it; then the length must do.
      const found = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
      if (found !== undefined && Number(found) !== offset) {
        await response.body?.cancel();
        throw new DownloadError(this.#url, 206, `the server sent bytes from ${found} when ${offset} was asked for.`);
      }
      return this.#exactly(response, length, signal);
    }
    if (this.#size > this.#mostHeld) {
      await response.body?.cancel();
      throw new DownloadError(
        this.#url,
        response.status,
        'the server cannot send ranges of a file. Use one that can, or cut the model into parts with `lethe convert`.',
      );
    }
    this.#held = await this.#exactly(response, this.#size, signal);
    return this.#held.subarray(offset, offset + length);
  }

  async #exactly(response: Response, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let at = 0;
    await this.#drain(response, signal, (chunk) => {
      if (at + chunk.length <= length) bytes.set(chunk, at);
      at += chunk.length;
      return at <= length;
    });
    if (at !== length) {
      const fact = `the connection ended after ${at} of ${length} bytes. Try again.`;
      throw new DownloadError(this.#url, response.status, at > length ? `more than ${length} bytes came.` : fact);
    }
    return bytes;
  }

  /** Feeds the body's chunks to `take`, which returns false when it can hold no more. */
  async #drain(
    response: Response,
    signal: AbortSignal | undefined,
    take: (chunk: Uint8Array) => boolean,
  ): Promise<void> {
    const reader = response.body?.getReader();
    if (!reader) return;
    const stop = () => void reader.cancel(signal?.reason).catch(() => {});
    signal?.addEventListener('abort', stop);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        signal?.throwIfAborted();
        if (done) return;
        this.#onBytes(value.length);
        if (!take(value)) {
          await reader.cancel();
          return;
        }
      }
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof Error && cause.name === 'AbortError') throw cause;
      throw new DownloadError(this.#url, response.status, `the connection broke (${String(cause)}). Try again.`, {
        cause,
      });
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }
}
