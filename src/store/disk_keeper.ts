/**
 * Keeps files on a disk. A file's name there says when it was written: a new one is complete before the old one goes,
 * so that a full disk or a page that ends in the middle costs nothing that was saved before.
 */
import type { Disk, DiskFolder } from './disk.ts';
import { type FileKeeper, fileOfName, memoryKeeper, nameOfFile } from './kept_files.ts';

/** A kept file, as it is called on the disk. */
interface Entry {
  readonly file: string;
  readonly name: string;
  readonly modified: number;
}

/** @param disk asked for once, when it is first needed; where there is none, files are kept in memory */
export function diskKeeper(disk: () => Promise<Disk | null>): FileKeeper {
  let opened: Promise<FileKeeper> | null = null;
  const keeper = (): Promise<FileKeeper> => {
    opened ??= disk().then(async (found) => (found ? folderKeeper(await found.folder('files')) : memoryKeeper()));
    return opened;
  };
  return {
    write: async (name, bytes) => (await keeper()).write(name, bytes),
    read: async (name) => (await keeper()).read(name),
    remove: async (name) => (await keeper()).remove(name),
    list: async () => (await keeper()).list(),
  };
}

function entryOf(file: string): Entry | null {
  const [, time, encoded] = /^(\d+)-(.+)$/.exec(file) ?? [];
  const name = encoded === undefined ? null : nameOfFile(encoded);
  return name === null ? null : { file, name, modified: Number(time) };
}

function folderKeeper(folder: DiskFolder): FileKeeper {
  /** The newest first. */
  const entries = async (): Promise<readonly Entry[]> => {
    const all = (await folder.names()).map(entryOf).filter((entry) => entry !== null);
    return all.sort((a, b) => b.modified - a.modified);
  };
  const named = async (name: string): Promise<readonly Entry[]> => {
    return (await entries()).filter((entry) => entry.name === name);
  };
  return {
    async write(name, bytes) {
      const encoded = fileOfName(name);
      const older = await named(name);
      const file = `${Math.max(Date.now(), (older[0]?.modified ?? 0) + 1)}-${encoded}`;
      await writeWhole(folder, file, bytes);
      for (const entry of older) await folder.remove(entry.file);
    },
    async read(name) {
      const [entry] = await named(name);
      const source = entry ? await folder.open(entry.file) : null;
      return source ? (await source.read(0, source.size)).slice() : null;
    },
    async remove(name) {
      for (const entry of await named(name)) await folder.remove(entry.file);
    },
    async list() {
      const newest = new Map<string, Entry>();
      for (const entry of await entries()) if (!newest.has(entry.name)) newest.set(entry.name, entry);
      const sized = [...newest.values()].map(async ({ file, name, modified }) => {
        return { name, modified, bytes: (await folder.open(file))?.size ?? 0 };
      });
      return Promise.all(sized);
    },
  };
}

async function writeWhole(folder: DiskFolder, file: string, bytes: Uint8Array): Promise<void> {
  try {
    const writer = await folder.writer(file, 0);
    try {
      await writer.write(0, bytes);
      await writer.flush();
    } finally {
      await writer.close();
    }
  } catch (cause) {
    await folder.remove(file).catch(() => undefined);
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The memory of this chat could not be saved; what was saved before is kept. ${words}`, { cause });
  }
}
