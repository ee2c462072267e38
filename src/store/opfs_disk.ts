/**
 * The browser's own file system (OPFS). Files are written through sync access handles, which only workers have and
 * which are exclusive, and read through blobs, which every tab may do at once.
 */
import type { ByteSource } from '../util/byte_source.ts';
import { blobFile } from './blob.ts';
import type { Disk, DiskFolder, DiskWriter } from './disk.ts';

interface SyncHandle {
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

function isMissing(cause: unknown): boolean {
  return cause instanceof DOMException && (cause.name === 'NotFoundError' || cause.name === 'TypeMismatchError');
}

async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (cause) {
    if (isMissing(cause)) return null;
    throw cause;
  }
}

async function syncHandle(directory: FileSystemDirectoryHandle, name: string): Promise<SyncHandle> {
  const file = await directory.getFileHandle(name, { create: true });
  const open: (() => Promise<SyncHandle>) | undefined = Reflect.get(file, 'createSyncAccessHandle');
  if (!open) throw new Error('Files can be kept by a worker only.');
  return open.call(file);
}

function writerOf(handle: SyncHandle): DiskWriter {
  return {
    async write(offset, bytes) {
      const written = handle.write(bytes, { at: offset });
      if (written !== bytes.length) throw new Error(`The browser's storage took ${written} of ${bytes.length} bytes.`);
    },
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, handle.read(bytes, { at: offset }));
    },
    flush: async () => handle.flush(),
    close: async () => handle.close(),
  };
}

function folderOf(directory: FileSystemDirectoryHandle): DiskFolder {
  return {
    async open(name): Promise<ByteSource | null> {
      const handle = await orNull(directory.getFileHandle(name));
      return handle ? blobFile(await handle.getFile()) : null;
    },
    async writer(name, bytes) {
      const handle = await syncHandle(directory, name);
      handle.truncate(bytes);
      return writerOf(handle);
    },
    async put(name, bytes) {
      const handle = await syncHandle(directory, name);
      try {
        handle.truncate(bytes.length);
        handle.write(bytes, { at: 0 });
        handle.flush();
      } finally {
        handle.close();
      }
    },
    async remove(name) {
      await orNull(directory.removeEntry(name));
    },
    names: () => namesIn(directory),
  };
}

async function namesIn(directory: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of directory.keys()) names.push(name);
  return names.sort();
}

/**
 * Opens a directory of this site's storage; null where there is none, such as on a page without https.
 * @param name of a directory directly below the root
 */
export async function opfsDisk(name: string): Promise<Disk | null> {
  // Not every place where an engine runs is a page.
  const { storage, locks } = (globalThis.navigator as Navigator | undefined) ?? {};
  if (!storage?.getDirectory || !locks || !crypto.subtle) return null;
  let root: FileSystemDirectoryHandle;
  try {
    root = await (await storage.getDirectory()).getDirectoryHandle(name, { create: true });
  } catch {
    // A private window of some browsers refuses; the model is then read from the network as it comes.
    return null;
  }
  return {
    folders: () => namesIn(root),
    folder: async (folder) => folderOf(await root.getDirectoryHandle(folder, { create: true })),
    async removeFolder(folder) {
      await orNull(root.removeEntry(folder, { recursive: true }));
    },
    async free() {
      const { quota, usage } = await storage.estimate();
      return quota === undefined ? null : quota - (usage ?? 0);
    },
    alone: (lock, work, signal) => locks.request(`lethe ${lock}`, signal ? { signal } : {}, work),
  };
}

/** Where this site keeps its downloads; null where the browser keeps nothing. */
export function keptDownloads(): Promise<Disk | null> {
  return opfsDisk('models');
}

/** Where this site keeps the memories of chats; null where the browser keeps nothing. */
export function keptSnapshots(): Promise<Disk | null> {
  return opfsDisk('snapshots');
}
