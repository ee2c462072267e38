/**
 * One file of a server that is kept on disk: fetched in pieces by several connections, each piece noted with its
 * SHA-256 once it is safely there, so that whatever ends a download, the next one goes on from the pieces it left. Two
 * tabs fetch it once.
 */
import type { ByteSource, Expected } from '../util/byte_source.ts';
import { type Disk, type DiskFolder, type DiskWriter, jsonBytes, NoRoomError, parsed, sha256 } from './disk.ts';
import { DownloadError } from './http.ts';
import { FileChangedError, fetchPiece, PATIENCE, type Patience, type Piece, type Version } from './pieces.ts';

export interface KeepOptions {
  readonly disk: Disk;
  /** Bytes that are ready: as they come, or when a kept file is first read. */
  readonly onBytes?: (bytes: number) => void;
  readonly connections?: number;
  readonly pieceBytes?: number;
  readonly patience?: Patience;
}

/** What is known of a kept file; a piece without a hash is not there yet. */
interface KeptRecord {
  readonly url: string;
  readonly size: number;
  readonly etag: string | null;
  readonly pieceBytes: number;
  readonly hashes: (string | null)[];
  /** Of the whole file, where that was asked for. */
  sha256: string | null;
}

export const PIECE_BYTES = 8 * 1024 * 1024;
const CONNECTIONS = 4;
/** How often a file may change on the server while it is fetched. */
const MOST_CHANGES = 3;

export interface KeptFileOptions extends KeepOptions {
  readonly folder: DiskFolder;
  readonly url: string;
  /** Name in the folder, for the data; its record gets `.json` behind it. */
  readonly name: string;
  readonly expected?: Expected;
  /** Bytes that the whole model still needs, this file included; for the question whether there is room. */
  readonly stillNeeded?: () => Promise<number>;
}

export async function readRecord(folder: DiskFolder, name: string): Promise<KeptRecord | null> {
  const file = await folder.open(`${name}.json`);
  if (!file) return null;
  try {
    const record = parsed(await file.read(0, file.size)) as KeptRecord;
    return Array.isArray(record.hashes) ? record : null;
  } catch {
    // A record that was being written when the page ended: the file is fetched anew.
    return null;
  }
}

export function isComplete(record: KeptRecord): boolean {
  return record.size > 0 && record.hashes.every((hash) => hash !== null);
}

/** Bytes of a file that are on disk. */
export function keptBytes(record: KeptRecord): number {
  return record.hashes.reduce((sum, hash, index) => sum + (hash === null ? 0 : pieceLength(record, index)), 0);
}

function pieceLength({ size, pieceBytes }: KeptRecord, index: number): number {
  return Math.min(pieceBytes, size - index * pieceBytes);
}

export class KeptFile implements ByteSource {
  readonly name: string;
  readonly #o: KeptFileOptions;
  #record: KeptRecord;
  #data: ByteSource | null = null;
  #coming: Promise<ByteSource> | null = null;
  /** Pieces whose hash was compared in this session. */
  readonly #sound = new Set<number>();

  private constructor(o: KeptFileOptions, record: KeptRecord) {
    this.name = o.url;
    this.#o = o;
    this.#record = record;
  }

  /**
   * Finds out how large a file is, by its first piece where nothing else says it.
   * @returns null when the server has no such file
   */
  static async open(o: KeptFileOptions, signal?: AbortSignal): Promise<KeptFile | null> {
    const record = await usable(o, signal);
    if (record) return new KeptFile(o, record);
    const { expected } = o;
    if (expected) return new KeptFile(o, emptyRecord(o, { etag: null, size: expected.size }));
    return o.disk.alone(
      o.url,
      async () => {
        // Another tab may have begun it meanwhile.
        const begun = await readRecord(o.folder, o.name);
        if (begun) return new KeptFile(o, begun);
        let piece: Piece;
        try {
          piece = await fetchPiece(pieceRequest({ ...o, onBytes: () => {} }, 0, null, signal));
        } catch (cause) {
          if (cause instanceof DownloadError && (cause.status === 404 || cause.status === 410)) return null;
          throw cause;
        }
        const started = emptyRecord(o, piece.version);
        const file = new KeptFile(o, started);
        await file.#keep([[0, piece]]);
        return file;
      },
      signal,
    );
  }

  get size(): number {
    return this.#record.size;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    if (offset < 0 || length < 0 || offset + length > this.size) {
      const fact = `bytes ${offset} to ${offset + length} were asked for, and the file has ${this.size}.`;
      throw new DownloadError(this.name, null, fact);
    }
    this.#coming ??= this.#whole(signal);
    try {
      this.#data = await this.#coming;
    } catch (cause) {
      this.#coming = null;
      throw cause;
    }
    await this.#compare(offset, length);
    return this.#data.read(offset, length, signal);
  }

  /** Compares the hashes of all pieces that a read touches, once each. */
  async #compare(offset: number, length: number): Promise<void> {
    const { pieceBytes, hashes } = this.#record;
    const data = this.#data;
    for (let index = Math.floor(offset / pieceBytes); index * pieceBytes < offset + length; index++) {
      if (this.#sound.has(index) || !data) continue;
      const bytes = await data.read(index * pieceBytes, pieceLength(this.#record, index));
      if ((await sha256(bytes)) !== hashes[index]) {
        await this.#forget();
        this.#coming = null;
        throw new DownloadError(this.name, null, 'what was kept of it is damaged, and was removed. Load it again.');
      }
      this.#sound.add(index);
    }
  }

  /** Makes sure that all of it is on disk. */
  #whole(signal?: AbortSignal): Promise<ByteSource> {
    const { disk, url, onBytes } = this.#o;
    return disk.alone(
      url,
      async () => {
        this.#record = (await readRecord(this.#o.folder, this.#o.name)) ?? this.#record;
        for (let changes = 0; ; changes++) {
          try {
            onBytes?.(keptBytes(this.#record));
            if (!isComplete(this.#record)) await this.#fetchMissing(signal);
            return await this.#finished();
          } catch (cause) {
            if (!(cause instanceof FileChangedError)) throw cause;
            await this.#forget();
            this.#record = emptyRecord(this.#o, { etag: null, size: null });
            if (changes + 1 < MOST_CHANGES) continue;
            throw new DownloadError(url, null, 'the file keeps changing on the server. Try again later.', { cause });
          }
        }
      },
      signal,
    );
  }

  async #fetchMissing(signal?: AbortSignal): Promise<void> {
    const o = this.#o;
    await this.#requireRoom();
    const stop = new AbortController();
    const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    if (this.#record.size === 0) await this.#keep([[0, await fetchPiece(pieceRequest(o, 0, null, both))]]);
    const missing = this.#record.hashes.flatMap((hash, index) => (hash === null ? [index] : []));
    const connection = async (): Promise<void> => {
      for (let index = missing.shift(); index !== undefined; index = missing.shift()) {
        const piece = await fetchPiece(pieceRequest(o, index, this.#record, both));
        await this.#keep([[index, piece]]);
        if (piece.whole) missing.length = 0;
      }
    };
    const running = Array.from({ length: o.connections ?? CONNECTIONS }, connection);
    try {
      await Promise.all(running);
    } catch (cause) {
      stop.abort(cause);
      await Promise.allSettled(running);
      throw cause;
    }
  }

  async #requireRoom(): Promise<void> {
    const { disk, stillNeeded } = this.#o;
    const free = await disk.free();
    const needed = Math.max(this.#record.size - keptBytes(this.#record), (await stillNeeded?.()) ?? 0);
    if (free !== null && needed > free) throw new NoRoomError(needed, free);
  }

  /** Pieces to write come one after the other: a file has one writer. */
  #writing: Promise<void> = Promise.resolve();

  #keep(pieces: readonly (readonly [number, Piece])[]): Promise<void> {
    const done = this.#writing.then(async () => {
      for (const [index, piece] of pieces) await this.#write(index, piece);
    });
    this.#writing = done.catch(() => undefined);
    return done;
  }

  async #write(index: number, { bytes, whole, version }: Piece): Promise<void> {
    const { folder, name, url, expected } = this.#o;
    if (expected && version.size !== null && version.size !== expected.size) {
      throw new DownloadError(
        url,
        null,
        `the server's file has ${version.size} bytes, ${expected.size} were expected.`,
      );
    }
    const { etag, size } = this.#record;
    if (size === 0 || (etag === null && version.etag !== null)) {
      const fresh = emptyRecord(this.#o, { etag: version.etag, size: size || version.size });
      fresh.hashes.splice(0, this.#record.hashes.length, ...this.#record.hashes);
      this.#record = fresh;
    }
    const record = this.#record;
    if (bytes.length !== (whole ? record.size : pieceLength(record, index))) {
      throw new FileChangedError(`${url}: ${bytes.length} bytes came, which is not what its size says.`);
    }
    const writer = await this.#writer(record.size);
    try {
      await writer.write(whole ? 0 : index * record.pieceBytes, bytes);
      await writer.flush();
    } finally {
      await writer.close();
    }
    if (!whole) record.hashes[index] = await sha256(bytes);
    for (let i = 0; whole && i < record.hashes.length; i++) {
      const start = i * record.pieceBytes;
      record.hashes[i] = await sha256(bytes.subarray(start, start + pieceLength(record, i)));
    }
    await folder.put(`${name}.json`, jsonBytes(record));
  }

  async #writer(bytes: number): Promise<DiskWriter> {
    try {
      return await this.#o.folder.writer(this.#o.name, bytes);
    } catch (cause) {
      if (!(cause instanceof Error) || cause.name !== 'QuotaExceededError') throw cause;
      throw new NoRoomError(bytes, (await this.#o.disk.free()) ?? 0);
    }
  }

  /** Compares the whole with what the model's description says of it, the first time. */
  async #finished(): Promise<ByteSource> {
    const { folder, name, expected, url } = this.#o;
    const data = await folder.open(name);
    if (data?.size !== this.#record.size) {
      await this.#forget();
      throw new DownloadError(url, null, 'what was kept of it is damaged, and was removed. Load it again.');
    }
    if (!expected || this.#record.sha256 === expected.sha256) return data;
    const found = await sha256(await data.read(0, data.size));
    if (found !== expected.sha256) {
      await this.#forget();
      const fact = `its SHA-256 is ${found} and should be ${expected.sha256}. It came damaged; load it again.`;
      throw new DownloadError(url, null, fact);
    }
    this.#record.sha256 = found;
    await folder.put(`${name}.json`, jsonBytes(this.#record));
    return data;
  }

  #forget(): Promise<void> {
    return forget(this.#o);
  }
}

async function forget({ folder, name }: KeptFileOptions): Promise<void> {
  await folder.remove(`${name}.json`);
  await folder.remove(name);
}

function emptyRecord(o: KeptFileOptions, { etag, size }: Version): KeptRecord {
  const pieceBytes = o.pieceBytes ?? PIECE_BYTES;
  const hashes = Array<null>(Math.ceil((size ?? 0) / pieceBytes)).fill(null);
  return { url: o.url, size: size ?? 0, etag, pieceBytes, hashes, sha256: null };
}

function pieceRequest(o: KeptFileOptions, index: number, record: KeptRecord | null, signal?: AbortSignal) {
  const pieceBytes = record?.pieceBytes ?? o.pieceBytes ?? PIECE_BYTES;
  const from = index * pieceBytes;
  return {
    url: o.url,
    from,
    to: record && record.size > 0 ? Math.min(from + pieceBytes, record.size) : from + pieceBytes,
    version: record && record.size > 0 ? { etag: record.etag, size: record.size } : null,
    patience: o.patience ?? PATIENCE,
    onBytes: o.onBytes ?? (() => {}),
    ...(signal ? { signal } : {}),
  };
}

/** What is kept of the file. It is removed when the file is another one by now. */
async function usable(o: KeptFileOptions, signal?: AbortSignal): Promise<KeptRecord | null> {
  const record = await readRecord(o.folder, o.name);
  if (!record || record.size === 0) return null;
  const { expected } = o;
  const same = expected
    ? record.size === expected.size && (record.sha256 ?? expected.sha256) === expected.sha256
    : !isComplete(record) || (await isCurrent(record, signal));
  if (same) return record;
  await forget(o);
  return null;
}

/** Asks the server whether its file is still the kept one; without an answer it is taken to be. */
async function isCurrent(record: KeptRecord, signal?: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(record.url, { method: 'HEAD', cache: 'no-store', ...(signal ? { signal } : {}) });
    const [etag, length] = [response.headers.get('etag'), response.headers.get('content-length')];
    if (!response.ok) return true;
    if (etag !== null && record.etag !== null) return etag === record.etag;
    return length === null || response.headers.has('content-encoding') || Number(length) === record.size;
  } catch {
    signal?.throwIfAborted();
    return true;
  }
}
