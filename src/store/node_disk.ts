/** A folder of this machine as a `Disk`, for programs in Node and for tests. Pages must never import this. */
import { mkdir, open, readdir, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk, DiskFolder } from './disk.ts';
import { nodeFileSet } from './node_files.ts';

function folderAt(path: string): DiskFolder {
  return {
    open: (name) => nodeFileSet(path).open(name),
    async writer(name, bytes) {
      const file = await open(join(path, name), 'a').then(async (made) => {
        await made.close();
        return open(join(path, name), 'r+');
      });
      await file.truncate(bytes);
      return {
        async write(offset, data) {
          await file.write(data, 0, data.length, offset);
        },
        async read(offset, length) {
          const data = new Uint8Array(length);
          const { bytesRead } = await file.read(data, 0, length, offset);
          return data.subarray(0, bytesRead);
        },
        flush: () => file.datasync(),
        close: () => file.close(),
      };
    },
    async put(name, bytes) {
      const fresh = join(path, `${name}.${process.pid}.new`);
      await writeFile(fresh, bytes);
      await rename(fresh, join(path, name));
    },
    remove: (name) => rm(join(path, name), { force: true }),
    names: async () => (await readdir(path)).sort(),
  };
}

/**
 * `alone` holds within this process. Two programs that fetch the same file at once write the same bytes to the same
 * places; whatever goes wrong between them shows when its hash is compared.
 */
export function nodeDisk(root: string): Disk {
  const queues = new Map<string, Promise<unknown>>();
  return {
    folders: async () => (await readdir(root).catch(() => [])).sort(),
    async folder(name) {
      await mkdir(join(root, name), { recursive: true });
      return folderAt(join(root, name));
    },
    removeFolder: (name) => rm(join(root, name), { recursive: true, force: true }),
    async free() {
      await mkdir(root, { recursive: true });
      const { bavail, bsize } = await statfs(root);
      return bavail * bsize;
    },
    alone(name, work, signal) {
      const before = queues.get(name) ?? Promise.resolve();
      const run = before.then(() => {
        signal?.throwIfAborted();
        return work();
      });
      queues.set(
        name,
        run.catch(() => undefined),
      );
      return run;
    },
  };
}
