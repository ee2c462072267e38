/**
 * Where downloads are kept: folders of files that outlive a page. `opfs_disk.ts` implements it in a browser,
 * `node_disk.ts` in Node; what is kept, and when, is decided in `kept.ts`.
 */
import type { ByteSource } from '../util/byte_source.ts';

/** A file open for writing at any place; whatever is not flushed may be lost with the page. */
export interface DiskWriter {
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Reads back what is there. */
  read(offset: number, length: number): Promise<Uint8Array>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface DiskFolder {
  /** A file to read, null where there is none. */
  open(name: string): Promise<ByteSource | null>;
  /** Opens for writing, at `bytes` long whatever it was before. One writer a file at a time. */
  writer(name: string, bytes: number): Promise<DiskWriter>;
  /** Replaces a small file. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
  /** Names of its files. */
  names(): Promise<string[]>;
}

export interface Disk {
  /** Names of the folders. */
  folders(): Promise<string[]>;
  /** Makes it where it is missing. */
  folder(name: string): Promise<DiskFolder>;
  /** With all its files; no error where there is none. */
  removeFolder(name: string): Promise<void>;
  /** Bytes that may still be written, or null where nobody says. */
  free(): Promise<number | null>;
  /** Runs `work` while no other tab runs under the same name. */
  alone<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** There is no room for a download; nothing was fetched. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError';

  /** Bytes. */
  constructor(
    readonly needed: number,
    readonly free: number,
  ) {
    const mb = (bytes: number) => `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
    super(
      `The model needs ${mb(needed)} on disk, and ${mb(Math.max(0, free))} are free. ` +
        'Remove a kept model or free some disk space, then load it again.',
    );
  }
}

/** Lower-case hexadecimal SHA-256. Storage and WebCrypto come together: both want a secure context. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** UTF-8 of a value as JSON. */
export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The value of JSON in UTF-8, which this folder wrote itself. */
export function parsed(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
