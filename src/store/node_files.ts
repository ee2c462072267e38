/** Files on disk, for the command line and the tests. Pages must never import this: it is Node's alone. */
import { createHash } from 'node:crypto';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ByteSource, FileSet } from '../util/byte_source.ts';

/** A file on disk, opened anew for each read so that nothing needs closing. @throws Error when it is not there */
export async function nodeFile(path: string): Promise<ByteSource> {
  const source = await fileOrNull(path);
  if (!source) throw new Error(`${path}: there is no such file. Check the path.`);
  return source;
}

/** The files of a folder. A folder that does not exist is a set without files. */
export function nodeFileSet(folder: string): FileSet {
  return {
    name: folder,
    async open(name, signal) {
      signal?.throwIfAborted();
      return fileOrNull(join(folder, name));
    },
  };
}

async function fileOrNull(path: string): Promise<ByteSource | null> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  if (!found?.isFile()) return null;
  return {
    name: basename(path),
    size: found.size,
    read: (offset, length, signal) => readRange(path, { offset, length }, signal),
  };
}

async function readRange(
  path: string,
  range: { offset: number; length: number },
  signal?: AbortSignal,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const { offset, length } = range;
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(length - at, 1 << 30), offset + at);
      if (bytesRead === 0)
        throw new Error(`${path}: it ends at byte ${offset + at}; ${length} from ${offset} were asked for.`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** Writes files into a folder, which it makes when it is not there. */
export function folderWriter(folder: string): (name: string, bytes: Uint8Array) => Promise<void> {
  return async (name, bytes) => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), bytes);
  };
}

/** An incremental SHA-256, which WebCrypto has not. */
export function sha256Hasher(): { update(bytes: Uint8Array): void; digest(): string } {
  const hash = createHash('sha256');
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
}

const HASH_BYTES = 1 << 24;

/** The SHA-256 of a file in lower-case hexadecimal; it is read in pieces. */
export async function fileHash(source: ByteSource): Promise<string> {
  const hasher = sha256Hasher();
  for (let offset = 0; offset < source.size; offset += HASH_BYTES) {
    hasher.update(await source.read(offset, Math.min(HASH_BYTES, source.size - offset)));
  }
  return hasher.digest();
}
